import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import Foundation
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// Where a token may stand in a request, and what one looks like.
@Suite(.underMutation) struct BearerCredentialTests {
    @Test(
        .verifies("attack@ATK-192"),
        arguments: [
            (["Bearer a", "Bearer b"], nil, nil), (["Bearer a", "Bearer a"], nil, nil),
            (["Bearer a"], "access_token=b", nil),
            ([], "x=1&access_token=b", nil), (["Bearer a"], "access%5Ftoken=b", nil),
            (["Bearer a"], "ACCESS_TOKEN=b", nil),
            (["Bearer a"], nil, "access_token=b"), ([], nil, "x=1&acces%73_token=b"),
            (["Bearer a"], "x=1;access_token=b", nil),
        ] as [([String], String?, String?)])
    func `two places for a token are one too many`(headers: [String], query: String?, form: String?) {
        let credential = BearerCredential(authorization: headers, query: query, form: form.map { Array($0.utf8) })

        #expect(credential == .ambiguous)
    }

    @Test(
        .verifies("attack@ATK-193"),
        arguments: [
            "Bearer a,", "Bearer a, Bearer b", "Bearer a b", "Bearer  a", "Bearer a ", "Bearer", "Bearer ", "Bearer =a",
            "Bearer a=b", "Bearer \u{e9}", "Bearer a\tb", "Bearer \"a\"",
            "Bearer " + String(repeating: "a", count: 20_000),
        ])
    func `what cannot be a token is none`(header: String) {
        #expect(BearerCredential(authorization: [header], query: nil, form: nil) == .malformed)
    }

    @Test(arguments: ["Basic YTpi", "Digest x", "token abc", "", "Bearerabc"])
    func `another scheme is no token`(header: String) {
        #expect(BearerCredential(authorization: [header], query: nil, form: nil) == .none)
    }

    @Test(arguments: ["Bearer aA0-._~+/==", "bearer abc", "BEARER abc"])
    func `the scheme is read without regard to case`(header: String) {
        let token = String(header.dropFirst(7))
        #expect(BearerCredential(authorization: [header], query: "access=1&token=2", form: nil) == .token(token))
    }
}

/// Which tokens give access, and how long that is remembered.
@Suite(.underMutation) struct AccessTokenVerifierTests {
    private static let issuer = "https://gw.example"
    private static let base = "https://gw.example/fhir"

    private let key: PrivateJWK

    init() throws { key = try PrivateJWK.generate(.es256, keyID: "k1") }

    private func verifier(
        _ status: @escaping @Sendable (GrantedAccess) -> AccessTokenVerifier.RevocationStatus = { _ in .active },
        keys: (@Sendable () -> JWKSet)? = nil
    ) -> AccessTokenVerifier {
        let set = JWKSet([key.publicKey])
        return AccessTokenVerifier(
            expectation: .init(issuer: Self.issuer, audience: Self.base), keys: keys ?? { set }, revocation: status)
    }

    private func claims(_ change: (inout [String: JSONValue]) -> Void = { _ in }) -> JSONValue {
        var members: [String: JSONValue] = [
            "iss": .string(Self.issuer), "aud": .string(Self.base), "sub": "member", "client_id": "app",
            "scope": "patient/*.rs", "jti": "t1", "iat": 1_000, "exp": 2_000, "grant": "g1",
            "program": "patient-access", "patient": "pA",
        ]
        change(&members)
        return .object(members.map { JSONMemberValue($0.key, $0.value) }.sorted { $0.name < $1.name })
    }

    private func token(type: String = "at+jwt", _ change: (inout [String: JSONValue]) -> Void = { _ in }) throws
        -> String
    {
        try JWS.sign(claims(change), type: type, with: key)
    }

    @Test func `a good token grants what it says`() throws {
        let access = try verifier().verify(try token(), now: 1_500).get()

        #expect(access.clientID == ClientID("app"))
        #expect(access.launch.patient?.text == "pA")
        #expect(access.grantID == GrantID("g1"))
    }

    @Test(
        .verifies("oauth-attack@T-27"),
        arguments: [
            ("iss", "https://evil.example", TokenRefusal.wrongIssuer),
            ("aud", "https://other.example/fhir", .wrongAudience),
            ("program", "unknown", .badClaims), ("patient", "../pB", .badClaims), ("cnf", "x", .badClaims),
        ])
    func `a token with another claim is refused`(name: String, value: String, refusal: TokenRefusal) throws {
        let token = try token { $0[name] = .string(value) }

        #expect(verifier().verify(token, now: 1_500) == .failure(refusal))
    }

    /// A token with a header of its own and somebody else's signature, or none.
    private func forged(_ header: JSONValue, signature: (String) throws -> [UInt8]) throws -> String {
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(claims().serialized)
        return input + "." + Base64URL.encode(try signature(input))
    }

    @Test(.verifies("oauth-attack@T-27"))
    func `a token that nobody signed, or that was signed with the public key, is refused`() throws {
        let published = Array(key.publicKey.json.serialized)
        func header(_ algorithm: String, keyID: String = "k1") -> JSONValue {
            ["alg": .string(algorithm), "kid": .string(keyID), "typ": "at+jwt"]
        }
        var tokens: [String] = []
        for name in ["none", "None", "NONE", ""] { tokens.append(try forged(header(name)) { _ in [] }) }
        for name in ["HS256", "HS384", "HS512"] {
            tokens.append(try forged(header(name)) { SHA256Hash.keyed(by: published, of: Array($0.utf8)) })
        }
        // The right signature under a wrong name, and by a key that nobody knows.
        let good = try token()
        let signature = try #require(Base64URL.decode(String(good.split(separator: ".")[2])))
        for name in ["RS256", "ES384", "PS384"] { tokens.append(try forged(header(name)) { _ in signature }) }
        tokens.append(try JWS.sign(claims(), type: "at+jwt", with: try PrivateJWK.generate(.es256, keyID: "unknown")))
        tokens.append(String(good.dropLast(4)) + "AAAA")

        for token in tokens {
            let result = verifier().verify(token, now: 1_500)
            #expect(result == .failure(.badSignature) || result == .failure(.malformed), "\(token)")
        }
        #expect(throws: Never.self) { try verifier().verify(good, now: 1_500).get() }
    }

    @Test(
        .verifies("oauth-attack@T-27"),
        arguments: [
            ("exp", 1_500), ("exp", 1_000), ("nbf", 1_600), ("iat", 1_600), ("exp", -1), ("iat", -1),
        ] as [(String, Int)])
    func `a token of another time is refused`(_ name: String, _ time: Int) throws {
        let token = try token { $0[name] = .int(Int64(time)) }

        #expect(throws: TokenRefusal.self) { try verifier().verify(token, now: 1_500).get() }
    }

    @Test(.verifies("house@certificate-bound-tokens"))
    func `a token that is bound to a certificate is good with it and with no other`() throws {
        func der(_ name: String) throws -> [UInt8] {
            let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
            let text = try String(
                contentsOf: root.appending(path: "fixtures/keys/clients/\(name).pem"), encoding: .utf8)
            return try #require(Base64.decode(text.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()))
        }
        let own = try #require(ClientCertificate(der: try der("test-client")))
        let other = try #require(ClientCertificate(der: try der("test-self-signed")))
        let token = try token { $0["cnf"] = ["x5t#S256": .string(own.thumbprint)] }
        let verifier = verifier()

        // Twice, because the second time it is remembered.
        for _ in 0..<2 {
            #expect(throws: Never.self) { try verifier.verify(token, certificate: { own }, now: 1_500).get() }
            #expect(verifier.verify(token, certificate: { other }, now: 1_500) == .failure(.senderConstrained))
            #expect(verifier.verify(token, now: 1_500) == .failure(.senderConstrained))
        }
        // A header that nobody vouches for is no certificate.
        let said = ClientCertificate.headerValue(of: own.der)
        var request = ClientRequest(
            method: "GET", path: "/Patient/pA", headers: [("Client-Cert", said)], receivedAt: 1_500_000)
        #expect(request.certificate == nil)
        request.saysCertificate = true
        #expect(request.certificate == own)
        // With what leads to its authority, which decides whether it was withdrawn.
        request.headers.append(("client-cert-chain", ClientCertificate.headerValue(of: other.der)))
        #expect(request.certificate == ClientCertificate(der: own.der, intermediates: [other.der]))
        request.headers.append(("client-cert-chain", ClientCertificate.headerValue(of: other.der)))
        #expect(request.certificate == nil)
        request.headers.removeAll { $0.name == "client-cert-chain" }
        request.headers.append(("client-cert", said))
        #expect(request.certificate == nil)
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `a token that is bound to a certificate ends with it`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appending(path: "fixtures/keys/clients/test-client.pem"), encoding: .utf8)
        let der = try #require(
            Base64.decode(text.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()))
        let own = try #require(ClientCertificate(der: der))
        let bound = try token { $0["cnf"] = ["x5t#S256": .string(own.thumbprint)] }
        let free = try token()
        let isWithdrawn = Mutex(false)
        let keys = JWKSet([key.publicKey])
        let verifier = AccessTokenVerifier(
            expectation: .init(issuer: Self.issuer, audience: Self.base), keys: { keys },
            isWithdrawn: { certificate, now in
                #expect(certificate == own && now == 1_500)
                return isWithdrawn.withLock { $0 }
            },
            revocation: { _ in .active })

        #expect(throws: Never.self) { try verifier.verify(bound, certificate: { own }, now: 1_500).get() }
        isWithdrawn.withLock { $0 = true }
        // It was found good before, and that is remembered.
        #expect(verifier.verify(bound, certificate: { own }, now: 1_500) == .failure(.certificateWithdrawn))
        #expect(throws: Never.self) { try verifier.verify(free, certificate: { own }, now: 1_500).get() }
        // While an answer streams, the certificate is looked at as at its beginning.
        func asked(with token: String) -> ClientRequest {
            let shown = ClientCertificate.headerValue(of: own.der)
            var request = ClientRequest(
                method: "GET", path: "/Observation",
                headers: [("authorization", "Bearer \(token)"), ("client-cert", shown)], receivedAt: 1_500_000)
            request.saysCertificate = true
            return request
        }
        #expect(verifier.continuance(of: asked(with: bound), now: 1_500) == .ended(.certificateWithdrawn))
        #expect(verifier.continuance(of: asked(with: free), now: 1_500) == .holds)
        isWithdrawn.withLock { $0 = false }
        #expect(throws: Never.self) { try verifier.verify(bound, certificate: { own }, now: 1_500).get() }
    }

    @Test(
        .verifies("oauth-attack@T-27"), arguments: ["iss", "aud", "exp", "iat", "client_id", "grant", "jti", "program"])
    func `a token without a claim is refused`(name: String) throws {
        let token = try token { $0[name] = nil }

        #expect(throws: TokenRefusal.self) { try verifier().verify(token, now: 1_500).get() }
    }

    @Test(.verifies("oauth-attack@T-27"), arguments: ["JWT", "at+jwt+x", ""])
    func `a token of another type is refused`(type: String) throws {
        #expect(verifier().verify(try token(type: type), now: 1_500) == .failure(.badSignature))
    }

    @Test func `a token of another key is refused`() throws {
        let other = try PrivateJWK.generate(.es256, keyID: "k1")

        #expect(
            verifier().verify(try JWS.sign(claims(), type: "at+jwt", with: other), now: 1_500)
                == .failure(.badSignature))
    }

    @Test(arguments: [(1_999, true), (2_000, false), (9_999, false)] as [(Int64, Bool)])
    func `a token ends at its end, remembered or not`(now: Int64, isGood: Bool) throws {
        let token = try token()
        let verifier = verifier()
        _ = try verifier.verify(token, now: 1_500).get()

        #expect(((try? verifier.verify(token, now: now).get()) != nil) == isGood)
        #expect(((try? self.verifier().verify(token, now: now).get()) != nil) == isGood)
    }

    @Test func `revocation counts for a remembered token too`() throws {
        let status = Mutex(AccessTokenVerifier.RevocationStatus.active)
        let verifier = verifier { _ in status.withLock { $0 } }
        let token = try token()
        _ = try verifier.verify(token, now: 1_500).get()

        status.withLock { $0 = .revoked }
        #expect(verifier.verify(token, now: 1_500) == .failure(.revoked))
        status.withLock { $0 = .unknown }
        #expect(verifier.verify(token, now: 1_500) == .failure(.revocationUnknown))
    }

    @Test func `forgetting makes a withdrawn key count`() throws {
        let set = Mutex(JWKSet([key.publicKey]))
        let verifier = verifier(keys: { set.withLock { $0 } })
        let token = try token()
        _ = try verifier.verify(token, now: 1_500).get()

        set.withLock { $0 = JWKSet([]) }
        verifier.forgetAll()

        #expect(verifier.verify(token, now: 1_500) == .failure(.badSignature))
    }

    @Test func `one key cannot take the room of all proofs`() {
        let replays = ProofReplays()
        var kept = 0

        for number in 0..<20_010 where replays.remember("\(number)", of: "greedy", at: 1_500) { kept += 1 }

        #expect(kept == 20_000)
        #expect(replays.remember("1", of: "other", at: 1_500))
        #expect(!replays.remember("1", of: "other", at: 1_500))
    }

    @Test func `the memory is bounded and keeps what is used`() throws {
        let cache = VerifiedTokenCache(limit: 10)
        let access = VerifiedToken(
            access: try verifier().verify(try token(), now: 1_500).get(), confirmation: nil, isSignInEnough: true)
        let used: [UInt8] = [255, 255]

        for number in 0..<100 {
            cache.remember(access, for: used, examinedIn: cache.epoch)
            cache.remember(access, for: [UInt8(number)], examinedIn: cache.epoch)
        }

        #expect(cache.count <= 10)
        #expect(cache.token(for: used) != nil)
        #expect(cache.token(for: [0]) == nil)
    }

    @Test func `a token that was examined before everything was forgotten is not remembered`() throws {
        let cache = VerifiedTokenCache(limit: 10)
        let access = VerifiedToken(
            access: try verifier().verify(try token(), now: 1_500).get(), confirmation: nil, isSignInEnough: true)
        let before = cache.epoch

        cache.removeAll()
        cache.remember(access, for: [1], examinedIn: before)
        cache.remember(access, for: [2], examinedIn: cache.epoch)

        #expect(cache.token(for: [1]) == nil)
        #expect(cache.token(for: [2]) != nil)
    }
}

/// What a client without access is told.
@Suite(.underMutation) struct TokenFaceTests {
    private func harness(_ status: AccessTokenVerifier.RevocationStatus = .active) throws -> GatewayHarness {
        let catalogue = try AttackCatalogue.shared.get()
        return try GatewayHarness(upstream: catalogue.store(.obedient).upstream, revocation: { _ in status })
    }

    @Test func `without a token there is a challenge without an error`() async throws {
        let answer = try await harness().send("GET", "/Patient/pA", token: nil)

        #expect(answer.status == 401)
        #expect(answer.field("www-authenticate") == "Bearer realm=\"https://gw.example/fhir\"")
        #expect(answer.upstream.isEmpty)
        try expectNoLeak(answer)
    }

    @Test func `every cause of a bad token has one face`() async throws {
        let good = try harness()
        let revoked = try harness(.revoked)
        let unknown = try harness(.unknown)
        let answers = [
            await good.send("GET", "/Patient/pA", token: "garbage"),
            await good.send("GET", "/Patient/pA", token: "a.b.c"),
            await good.send(
                "GET", "/Patient/pA", token: try good.token(scope: "patient/*.rs", patient: "pA", expiresIn: -1)),
            await revoked.send("GET", "/Patient/pA", token: try revoked.token(scope: "patient/*.rs", patient: "pA")),
            await unknown.send("GET", "/Patient/pA", token: try unknown.token(scope: "patient/*.rs", patient: "pA")),
        ]

        #expect(answers.allSatisfy { $0.status == 401 && $0.body == answers[0].body })
        #expect(Set(answers.map { $0.field("www-authenticate") }).count == 1)
        #expect(answers[0].field("www-authenticate")?.contains("error=\"invalid_token\"") == true)
    }

    @Test func `the body without a token is that of a bad one`() async throws {
        let harness = try harness()

        let without = await harness.send("GET", "/Patient/pA", token: nil)
        let bad = await harness.send("GET", "/Patient/pA", token: "garbage")

        #expect(without.body == bad.body)
    }

    @Test func `a token in context of nobody grants nothing`() async throws {
        let harness = try harness()

        let answer = await harness.send("GET", "/Observation", token: try harness.token(scope: "patient/*.rs"))

        #expect(answer.status == 403)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `refusals by the token alone name scopes that would do`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/Observation.rs", patient: "pA")

        let answer = await harness.send("GET", "/Condition/condA", token: token)

        #expect(answer.status == 403)
        let challenge = try #require(answer.field("www-authenticate"))
        #expect(challenge.contains("error=\"insufficient_scope\""))
        #expect(challenge.contains("patient/Condition.r"))
    }

    @Test(.verifies("attack@ATK-016"))
    func `answers are guarded`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        for target in ["/Patient/pA", "/Observation", "/Patient/pB", "/nonsense"] {
            let answer = await harness.send("GET", target, token: token)
            #expect(answer.field("content-security-policy") == "sandbox")
            #expect(answer.field("x-content-type-options") == "nosniff")
            #expect(answer.field("cache-control") == "no-store")
        }
    }

    @Test(.verifies("audit@junk-bounded")) func `junk without a token does not fill the log`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        var limits = Enforcer.Limits()
        limits.anonymousRecords = RefusalLedger.Limits(burst: 3, perSecond: 1)
        (limits.anonymousAnswersBurst, limits.anonymousAnswersPerSecond) = (2, 0)
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream, limits: limits)

        var statuses: [Int] = []
        for _ in 0..<10 { statuses.append(await harness.send("GET", "/Patient/pA", token: nil).status) }
        let later = await harness.send("GET", "/Patient/pA", token: nil, at: GatewayHarness.now + 10)

        // Three with records of their own, two more that are told what is wrong, then no more answers.
        #expect(statuses == [401, 401, 401, 401, 401] + [Int](repeating: 429, count: 5))
        #expect(later.status == 401)
        #expect(harness.sink.entries.count == 4)
        let statement = try #require(later.records.first).statement()
        guard case .access(let record) = statement.event else { throw TokenRefusal.missing }
        #expect(record.securityEvents == ["unrecorded-refusals:7"])
    }
}
