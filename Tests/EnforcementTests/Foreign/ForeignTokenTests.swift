import AccessPolicy
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

private let issuer = "https://idp.example"
private let base = "https://gw.example/fhir"
private let moment: Int64 = 10_000

/// A mapping with names as a foreign issuer might have them.
private func foreignMapping(_ change: (inout ClaimMapping) -> Void = { _ in }) -> ClaimMapping {
    var mapping = ClaimMapping(issuer: issuer, audience: base, program: .patientAccess)
    mapping.bases = [base]
    change(&mapping)
    return mapping
}

/// The claims of a good token, changed.
private func claims(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
    var members: [String: JSONValue?] = [
        "iss": .string(issuer), "aud": .array([.string(base), "other"]), "sub": "member", "client_id": "app",
        "scope": "patient/Observation.rs openid", "jti": "t1", "iat": .int(moment - 10), "exp": .int(moment + 300),
        "patient": "pA",
    ]
    members.merge(changes) { $1 }
    return .object(
        members.compactMap { name, value in value.map { JSONMemberValue(name, $0) } }.sorted { $0.name < $1.name })
}

/// Tokens of somebody else's issuer, checked with the keys that it publishes.
@Suite struct `Foreign tokens by published keys` {
    private let key: PrivateJWK

    init() throws { key = try PrivateJWK.generate(.es256, keyID: "k1") }

    /// A place where keys are published, with a count of who came.
    private final class Publisher: Sendable {
        let keys: Mutex<[PrivateJWK]?>
        let fetches = Mutex(0)

        init(_ keys: [PrivateJWK]?) { self.keys = Mutex(keys) }

        struct Unreachable: Error {}

        func fetch() throws -> [UInt8] {
            fetches.withLock { $0 += 1 }
            guard let keys = keys.withLock({ $0 }) else { throw Unreachable() }
            return JWKSet(keys.map(\.publicKey)).json.serialized
        }
    }

    private func makeVerifier(_ publisher: Publisher, _ mapping: ClaimMapping = foreignMapping()) -> AccessTokenVerifier
    {
        let rules = JWSRules(algorithms: [.es256], types: ["at+jwt", "jwt"])
        return AccessTokenVerifier(
            foreign: ForeignTokens(mapping: mapping, way: .keys(KeySetSource { try publisher.fetch() }, rules)))
    }

    private func verify(_ token: String, _ verifier: AccessTokenVerifier, at now: Int64 = moment) async
        -> Result<GrantedAccess, TokenRefusal>
    {
        let credential = BearerCredential.token(token)
        if verifier.needsPreparation(credential, now: now) { await verifier.prepare(credential, now: now) }
        return verifier.verify(credential, now: now)
    }

    private func sign(_ claims: JSONValue, with key: PrivateJWK? = nil, type: String = "at+jwt") throws -> String {
        try JWS.sign(claims, type: type, with: key ?? self.key)
    }

    @Test(
        .verifies("house@foreign-token-claims"),
        arguments: [
            (["iss": "https://evil.example"], .wrongIssuer), (["iss": nil], .badClaims),
            (["aud": "https://other.example"], .wrongAudience), (["aud": nil], .badClaims), (["aud": []], .badClaims),
            (["exp": .int(moment)], .expired), (["exp": nil], .badClaims), (["exp": "10300"], .badClaims),
            (["exp": .int(moment + 90_000)], .badClaims), (["nbf": .int(moment + 60)], .badClaims),
            (["iat": .int(moment + 60)], .badClaims), (["client_id": nil], .badClaims), (["client_id": 7], .badClaims),
            (["scope": nil], .badClaims), (["scope": ["patient/*.rs", 7]], .badClaims),
            (["scope": ["patient/Observation.rs patient/Patient.rs"]], .badClaims), (["patient": "p/A"], .badClaims),
            (["patient": ["pA"]], .badClaims),
            (["fhirUser": "https://elsewhere.example/fhir/Practitioner/d"], .badClaims),
            (["fhirUser": "Organization/o"], .badClaims), (["sub": 7], .badClaims),
            (["cnf": ["jkt": "x"]], .senderConstrained),
        ] as [([String: JSONValue?], TokenRefusal)])
    func `a claim that is wrong or missing refuses the token`(
        _ changes: [String: JSONValue?], _ expected: TokenRefusal
    ) async throws {
        let token = try sign(claims(changes))

        let result = await verify(token, makeVerifier(Publisher([key])))

        #expect(result == .failure(expected))
    }

    @Test(.verifies("house@foreign-token-claims"))
    func `the claims become the facts that the mapping says`() async throws {
        let named = foreignMapping { mapping in
            mapping.scope = "scp"
            mapping.patient = "ext/patient"
            mapping.fhirUser = "who"
            mapping.clientID = "azp"
        }
        let token = try sign(
            claims([
                "scope": nil, "scp": ["user/Observation.rs", "openid"], "patient": nil, "ext/patient": "Patient/pB",
                "who": .string(base + "/Practitioner/d"), "client_id": nil, "azp": "ward", "jti": nil,
            ]))

        let access = try await verify(token, makeVerifier(Publisher([key]), named)).get()

        #expect(access.clientID.text == "ward")
        #expect(access.subject?.text == "member")
        #expect(access.scopes.map(\.text) == ["user/Observation.rs"])
        #expect(access.launch.patient?.text == "pB")
        #expect(access.launch.fhirUser?.description == "Practitioner/d")
        #expect(access.program == .patientAccess)
        #expect(access.expiresAt == moment + 300)
        #expect(access.grantID.text.hasPrefix("foreign:"))
    }

    @Test(.verifies("house@foreign-token-fails-closed"))
    func `a signature, an algorithm, a type or a key that is not the issuer's refuses the token`() async throws {
        let other = try PrivateJWK.generate(.es256, keyID: "k1")
        let strong = try PrivateJWK.generate(.es384, keyID: "k1")
        let verifier = makeVerifier(Publisher([key]))

        #expect(try await verify(sign(claims(), with: other), verifier) == .failure(.badSignature))
        #expect(try await verify(sign(claims(), with: strong), verifier) == .failure(.badSignature))
        #expect(try await verify(sign(claims(), type: "dpop+jwt"), verifier) == .failure(.badSignature))
        #expect(await verify("no.jwt", verifier) == .failure(.malformed))
        #expect(try await verify(sign(claims(), type: "JWT"), verifier).map(\.clientID.text) == .success("app"))
    }

    @Test(.verifies("house@foreign-token-fails-closed"))
    func `without keys, or with keys too old to be believed, no token is good`() async throws {
        let publisher = Publisher(nil)
        let verifier = makeVerifier(publisher)
        let token = try sign(claims(["exp": .int(moment + 9_000)]))

        #expect(await verify(token, verifier) == .failure(.issuerUnavailable))
        publisher.keys.withLock { $0 = [key] }
        #expect(await verify(token, verifier, at: moment + 30).map(\.clientID.text) == .success("app"))
        publisher.keys.withLock { $0 = nil }
        #expect(await verify(token, verifier, at: moment + 3_600).map(\.clientID.text) == .success("app"))
        #expect(await verify(token, verifier, at: moment + 3_630) == .failure(.issuerUnavailable))
    }

    @Test(.verifies("house@foreign-keys-once-per-period"))
    func `a token that names an unknown key costs the issuer one fetch in a period`() async throws {
        let publisher = Publisher([key])
        let verifier = makeVerifier(publisher)
        let stranger = try PrivateJWK.generate(.es256, keyID: "k2")
        #expect(try await verify(sign(claims()), verifier).map(\.clientID.text) == .success("app"))

        for second in 0..<29 {
            let token = try sign(claims(["jti": .string("t\(second)")]), with: stranger)
            #expect(await verify(token, verifier, at: moment + Int64(second)) == .failure(.badSignature))
        }
        #expect(publisher.fetches.withLock { $0 } == 1)

        publisher.keys.withLock { $0 = [key, stranger] }
        let rotated = try sign(claims(), with: stranger)
        #expect(await verify(rotated, verifier, at: moment + 30).map(\.clientID.text) == .success("app"))
        #expect(publisher.fetches.withLock { $0 } == 2)
    }

    @Test(.verifies("house@foreign-token-fails-closed"))
    func `a key that the issuer takes back takes its remembered tokens with it`() async throws {
        let publisher = Publisher([key])
        let verifier = makeVerifier(publisher)
        let token = try sign(claims(["exp": .int(moment + 2_000)]))
        #expect(await verify(token, verifier).map(\.clientID.text) == .success("app"))

        publisher.keys.withLock { $0 = [(try? PrivateJWK.generate(.es256, keyID: "k9")) ?? key] }

        #expect(await verify(token, verifier, at: moment + 299).map(\.clientID.text) == .success("app"))
        #expect(await verify(token, verifier, at: moment + 300) == .failure(.badSignature))
    }

    @Test(.verifies("house@foreign-keys-once-per-period"))
    func `requests that come together share one fetch`() async throws {
        let publisher = Publisher([key])
        let verifier = makeVerifier(publisher)
        let token = try sign(claims())

        let results = await withTaskGroup(of: Bool.self) { group -> [Bool] in
            for _ in 0..<20 {
                group.addTask {
                    let result = await verify(token, verifier)
                    if case .success = result { return true }
                    return false
                }
            }
            var results: [Bool] = []
            for await result in group { results.append(result) }
            return results
        }

        #expect(results == Array(repeating: true, count: 20))
        #expect(publisher.fetches.withLock { $0 } == 1)
    }
}

/// Tokens that their issuer is asked about.
@Suite struct `Foreign tokens by introspection` {
    private final class Authority: Sendable {
        let answer: Mutex<JSONValue?>
        let questions = Mutex<[String]>([])

        init(_ answer: JSONValue?) { self.answer = Mutex(answer) }

        struct Unreachable: Error {}

        func ask(_ token: String) throws -> JSONValue {
            questions.withLock { $0.append(token) }
            guard let answer = answer.withLock({ $0 }) else { throw Unreachable() }
            return answer
        }
    }

    private static func active(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
        claims(["active": true].merging(changes) { $1 })
    }

    private func makeVerifier(_ authority: Authority) -> AccessTokenVerifier {
        AccessTokenVerifier(
            foreign: ForeignTokens(
                mapping: foreignMapping(), way: .introspection(IntrospectionSource { try authority.ask($0) })))
    }

    private func verify(_ token: String, _ verifier: AccessTokenVerifier, at now: Int64 = moment) async
        -> Result<GrantedAccess, TokenRefusal>
    {
        let credential = BearerCredential.token(token)
        if verifier.needsPreparation(credential, now: now) { await verifier.prepare(credential, now: now) }
        return verifier.verify(credential, now: now)
    }

    @Test(
        .verifies("house@foreign-introspection"),
        arguments: [
            (["active": false], .revoked), (["active": "true"], .badClaims), (["active": nil], .badClaims),
            (["aud": nil], .badClaims), (["aud": "x"], .wrongAudience), (["iss": "https://evil.example"], .wrongIssuer),
            (["exp": nil], .badClaims), (["exp": .int(moment)], .expired), (["scope": nil], .badClaims),
            (["client_id": nil], .badClaims), (["token_type": "DPoP"], .badClaims),
            (["cnf": ["jkt": "x"]], .senderConstrained),
        ] as [([String: JSONValue?], TokenRefusal)])
    func `an answer that does not vouch for the token refuses it`(
        _ changes: [String: JSONValue?], _ expected: TokenRefusal
    ) async {
        let result = await verify("opaque", makeVerifier(Authority(Self.active(changes))))

        #expect(result == .failure(expected))
    }

    @Test(.verifies("house@foreign-introspection"))
    func `an answer counts for ten seconds, a bad one too`() async {
        let authority = Authority(Self.active(["iss": nil]))
        let verifier = makeVerifier(authority)
        #expect(await verify("one", verifier).map(\.clientID.text) == .success("app"))

        authority.answer.withLock { $0 = ["active": false] }

        #expect(await verify("one", verifier, at: moment + 10).map(\.clientID.text) == .success("app"))
        #expect(await verify("one", verifier, at: moment + 11) == .failure(.revoked))
        #expect(await verify("one", verifier, at: moment + 12) == .failure(.revoked))
        #expect(await verify("two", verifier, at: moment + 12) == .failure(.revoked))
        #expect(authority.questions.withLock { $0 } == ["one", "one", "two"])
    }

    @Test(.verifies("house@foreign-token-fails-closed"))
    func `when the issuer cannot be asked nobody gets in and nothing is remembered`() async {
        let authority = Authority(nil)
        let verifier = makeVerifier(authority)

        #expect(await verify("one", verifier) == .failure(.issuerUnavailable))
        authority.answer.withLock { $0 = Self.active() }
        #expect(await verify("one", verifier).map(\.clientID.text) == .success("app"))
        authority.answer.withLock { $0 = nil }
        #expect(await verify("one", verifier, at: moment + 11) == .failure(.issuerUnavailable))
    }

    @Test(.verifies("house@foreign-token-fails-closed"))
    func `the token's end is kept whatever was remembered`() async {
        let verifier = makeVerifier(Authority(Self.active(["exp": .int(moment + 3)])))

        #expect(await verify("one", verifier).map(\.clientID.text) == .success("app"))
        #expect(await verify("one", verifier, at: moment + 3) == .failure(.expired))
    }

    @Test func `made-up tokens drive out no answer about one that counts`() async throws {
        let good = Self.active()
        let source = IntrospectionSource(limit: 4) { token in token == "good" ? good : ["active": false] }
        await source.learn("good", [0], foreignMapping(), at: moment)

        for number in 1...20 {
            await source.learn("junk\(number)", [UInt8(number)], foreignMapping(), at: moment)
        }

        let known = try #require(source.known([0], at: moment))
        #expect(known.map(\.clientID.text) == .success("app"))
    }

    @Test func `the face of an issuer that cannot be asked is 503, not a bad token`() {
        let refusal = GatewayRefusal(.issuerUnavailable, realm: base)

        #expect(refusal.status == 503)
        #expect(refusal.challenge == nil)
    }
}
