import Authorization
import FHIRCore
import OAuthCore
import Synchronization

/// An OpenID Provider of the tests: documents, a token endpoint, and every way of misbehaving. A class for its state.
final class ProviderDouble: OutboundFetching {
    static let issuer = "https://idp.example"
    // Made once for all cases; without keys there is no test, so a crash is the right answer.
    static let key = try! PrivateJWK.generate(.rs256, keyID: "idp-1")
    static let otherKey = try! PrivateJWK.generate(.rs256, keyID: "idp-2")

    struct State {
        var metadata: [String: JSONValue?] = [:]
        var keys = [ProviderDouble.key]
        var signingKey = ProviderDouble.key
        /// Claims that replace the good ones; nil leaves one out.
        var claims: [String: JSONValue?] = [:]
        /// What the token endpoint answers instead of a token.
        var tokenAnswer: OutboundAnswer?
        var isDown = false
        /// The nonce and challenge of the request that the browser was sent with.
        var nonce = ""
        var requests: [OutboundRequest] = []
    }

    let state = Mutex(State())
    private let now: @Sendable () -> Int64

    init(now: @escaping @Sendable () -> Int64) { self.now = now }

    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
    var requests: [OutboundRequest] { state.withLock { $0.requests } }

    func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
        let state = state.withLock { state in
            state.requests.append(request)
            return state
        }
        // What the double's document may say is at its own origin; the rest it must be asked for as anybody's.
        guard !state.isDown, request.trust == (request.url.hasPrefix(Self.issuer + "/") ? .configured : .client) else {
            throw .unreachable("down")
        }
        switch request.url {
        case "https://keys.example/keys":
            return OutboundAnswer(status: 200, body: JWKSet(state.keys.map(\.publicKey)).json.serialized)
        case Self.issuer + "/.well-known/openid-configuration":
            return OutboundAnswer(status: 200, body: Self.object(Self.metadata, state.metadata).serialized)
        case Self.issuer + "/keys":
            return OutboundAnswer(status: 200, body: JWKSet(state.keys.map(\.publicKey)).json.serialized)
        case Self.issuer + "/token":
            if let answer = state.tokenAnswer { return answer }
            do {
                let token = try JWS.sign(Self.object(claims(state), state.claims), type: "JWT", with: state.signingKey)
                let body: JSONValue = ["access_token": "at", "token_type": "Bearer", "id_token": .string(token)]
                return OutboundAnswer(status: 200, body: body.serialized)
            } catch { throw .unreachable("cannot sign") }
        default: throw .badAddress
        }
    }

    static let metadata: [String: JSONValue] = [
        "issuer": .string(issuer), "authorization_endpoint": .string(issuer + "/authorize"),
        "token_endpoint": .string(issuer + "/token"), "jwks_uri": .string(issuer + "/keys"),
        "end_session_endpoint": .string(issuer + "/logout"),
        "response_types_supported": ["code"], "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
    ]

    private func claims(_ state: State) -> [String: JSONValue] {
        [
            "iss": .string(Self.issuer), "aud": "chaperone", "sub": "s-1", "iat": .int(now()),
            "exp": .int(now() + 300), "auth_time": .int(now()), "nonce": .string(state.nonce), "member_id": "M-1",
        ]
    }

    static func object(_ good: [String: JSONValue], _ changes: [String: JSONValue?]) -> JSONValue {
        var members = good
        for (name, value) in changes { members[name] = value }
        return .object(members.sorted { $0.key < $1.key }.map { JSONMemberValue($0.key, $0.value) })
    }

    static func provider(
        id: String = "plan", authentication: ProviderAuthentication = .secretBasic(Secret("idp-secret")),
        claim: String = "member_id", contextOrder: [String] = [], contexts: [String] = [],
        secondFactor: SecondFactorEvidence = SecondFactorEvidence(), documentHosts: Set<String> = [],
        maxAge: Int64? = nil, issuer: String = ProviderDouble.issuer
    ) -> IdentityProvider {
        IdentityProvider(
            id: id, name: "Example Plan", issuer: issuer, clientID: "chaperone", authentication: authentication,
            claim: claim, contexts: contexts, contextOrder: contextOrder, secondFactor: secondFactor,
            documentHosts: documentHosts, maxAge: maxAge)
    }
}
