public import AccessPolicy
public import OAuthCore

extension Configuration {
    /// Whose tokens the enforcer takes.
    public enum AuthorizationServerSetting: String, Hashable, Sendable, CaseIterable {
        /// This server's own.
        case own
        /// Somebody else's, as `token-issuer` says; this process authorizes nobody.
        case none
    }

    /// Somebody else's authorization server, whose tokens the enforcer takes.
    public struct TokenIssuer: Hashable, Sendable {
        /// How its tokens are checked.
        public enum Check: Hashable, Sendable {
            /// With the keys published at this address.
            case keySet(url: String)
            /// By asking at this address, as this client, keeping an answer for so many seconds.
            case introspection(url: String, clientID: String, secretFile: String, keptSeconds: Int)
        }

        public var issuer: String
        public var audience: String
        public var program: APIProgram
        public var check: Check
        public var algorithms: Set<SignatureAlgorithm>
        /// The `typ` values that its tokens can have, in lower case.
        public var tokenTypes: Set<String>
        public var scopeClaim: String
        public var patientClaim: String
        public var fhirUserClaim: String
        public var clientClaim: String
        /// Whether it may be reached at an address that is not public.
        public var isOnPrivateNetwork: Bool
        /// Where apps find it, for the documents that we publish.
        public var authorizationEndpoint: String?
        public var tokenEndpoint: String?
    }

    static func tokenIssuer(_ top: inout SettingReader, isRegulated: Bool) -> TokenIssuer? {
        let server: AuthorizationServerSetting = top.choice("authorization-server") ?? .own
        guard server == .none else {
            if top.has("token-issuer") {
                top.fail("token-issuer", "has a meaning only with `authorization-server: none`")
                _ = top.map("token-issuer")
            }
            return nil
        }
        guard top.has("token-issuer") else {
            top.fail("authorization-server", "`none` needs `token-issuer`: whose tokens are taken")
            return nil
        }
        var map = top.map("token-issuer")
        defer { map.finish() }
        let program: APIProgram? = map.choice("program")
        if program == nil { _ = map.requiredText("program") }
        if program == .general, isRegulated { map.fail("program", "`general` needs a server that is not regulated") }
        let issuer = map.requiredText("issuer")
        let audience = map.requiredText("audience")
        let check = check(&map)
        let algorithms = words(&map, "algorithms", default: "ES256 RS256").compactMap { word in
            let algorithm = SignatureAlgorithm(rawValue: word)
            if algorithm == nil { map.fail("algorithms", "`\(word)` is not an algorithm that is taken here") }
            return algorithm
        }
        return TokenIssuer(
            issuer: issuer, audience: audience, program: program ?? .general, check: check,
            algorithms: Set(algorithms),
            tokenTypes: Set(words(&map, "token-types", default: "at+jwt jwt").map { $0.lowercased() }),
            scopeClaim: map.text("scope-claim", default: "scope"),
            patientClaim: map.text("patient-claim", default: "patient"),
            fhirUserClaim: map.text("fhir-user-claim", default: "fhirUser"),
            clientClaim: map.text("client-claim", default: "client_id"),
            isOnPrivateNetwork: map.flag("private-network", default: false),
            authorizationEndpoint: map.text("authorization-endpoint"), tokenEndpoint: map.text("token-endpoint"))
    }

    private static func check(_ map: inout SettingReader) -> TokenIssuer.Check {
        let keySet = address(&map, "key-set")
        let introspection = address(&map, "introspection")
        switch (keySet, introspection) {
        case (let url?, nil): return .keySet(url: url)
        case (nil, let url?):
            return .introspection(
                url: url, clientID: map.requiredText("introspection-client"),
                secretFile: map.requiredText("introspection-secret-file"),
                keptSeconds: map.integer("introspection-seconds", default: 10, in: 0...60))
        case (nil, nil), (_?, _?):
            map.fail("issuer", "either `key-set` or `introspection` says how its tokens are checked")
            return .keySet(url: "")
        }
    }

    /// An https address; plain http goes to this machine only.
    private static func address(_ map: inout SettingReader, _ key: String) -> String? {
        guard let text = map.text(key) else { return nil }
        guard let target = FetchTarget(text), target.isSecure || ListenAddress.isLoopback(target.host) else {
            map.fail(key, "must be an https address, not `\(text)`")
            return nil
        }
        return text
    }

    private static func words(_ map: inout SettingReader, _ key: String, default fallback: String) -> [String] {
        map.text(key, default: fallback).split(separator: " ").map(String.init)
    }
}

extension Configuration.TokenIssuer {
    /// The address that is asked about its tokens.
    var address: String {
        switch check {
        case .keySet(let url), .introspection(let url, _, _, _): url
        }
    }

    /// How its claims are read.
    func mapping(bases: [String]) -> ClaimMapping {
        var mapping = ClaimMapping(issuer: issuer, audience: audience, program: program)
        mapping.scope = scopeClaim
        mapping.patient = patientClaim
        mapping.fhirUser = fhirUserClaim
        mapping.clientID = clientClaim
        mapping.bases = bases
        return mapping
    }
}
