import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

private struct Unexpected: Error {}

/// What a stranger can make this server write, read or believe, and what of it is refused.
@Suite struct BoundsTests {
    /// A wildcard whose limit is as long as one may be; each type of the ceiling repeats it.
    private static func longWildcards(_ level: String, count: Int) -> String {
        (0..<count).map { number in
            "\(level)/*.rs?category=http://x\(number).example|" + String(repeating: "y", count: 1_900)
        }.joined(separator: " ")
    }

    private static func assertion(_ harness: LaunchHarness, client: String) throws -> String {
        let claims: JSONValue = [
            "iss": .string(client), "sub": .string(client), "aud": "https://as.example/oauth/token",
            "jti": .string(RandomSource.system.identifier()), "exp": .int(harness.clock.now + 300),
        ]
        return try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey)
    }

    // MARK: - sets of scopes

    @Test(.verifies("house@scopes-readable"))
    func `a wildcard that would become a set longer than can be read is refused, and nothing is kept`() async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin(["scope": Self.longWildcards("patient", count: 5)])
        #expect(answer.redirectParameters?["error"] == "invalid_scope")
        #expect(answer.redirectParameters?["error_description"]?.contains("too large") == true)
        #expect(answer.newCookie == nil)
        #expect(try await harness.store.sweep(at: harness.clock.now + 3_600) == 0)
        // What fits is still offered.
        let small = try await harness.begin(["scope": "patient/*.rs?category=http://x.example|y"])
        #expect(small.login != nil)
    }

    @Test(.verifies("house@scopes-readable"))
    func `a service is refused a set longer than can be read`() async throws {
        let harness = try await LaunchHarness()
        let assertion = try Self.assertion(harness, client: "service")
        let answer = try await harness.token([
            "grant_type": "client_credentials", "scope": Self.longWildcards("system", count: 5),
            "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ])
        #expect(answer.face == "400 invalid_scope")
        #expect(answer.error?.summary.contains("too large") == true)
        #expect(try await harness.store.grants(matching: GrantFilter(), limit: 10).isEmpty)
    }

    @Test(.verifies("house@scopes-readable"))
    func `who begins too much is told so before the request is worked out`() async throws {
        let harness = try await LaunchHarness()
        #expect(
            try await harness.begin(["scope": "patient/Practitioner.rs"]).redirectParameters?["error"]
                == "invalid_scope")
        for _ in 0..<299 { #expect(try await harness.begin().login != nil) }
        let answer = try await harness.begin(["scope": "patient/Practitioner.rs"])
        #expect(answer.redirectParameters?["error"] == "temporarily_unavailable")
    }

    // MARK: - exceptions with an end

    @Test(.verifies("house@wildcards-until"))
    func `a wildcard counts until the day of its exception, also in a server that is not restarted`() async throws {
        let harness = try await LaunchHarness()
        var client = try #require(try await harness.store.client(ClientID("service")))
        client = ClientRegistration(
            id: ClientID("broad"), metadata: client.metadata, status: .active,
            approvedScopes: try ScopeSet(parsing: "system/*.rs system/Patient.rs"), program: .payerToPayer)
        client.wildcardsUntil = harness.clock.now + 100
        #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .added)
        func ask(_ scope: String) async throws -> TokenAnswer {
            try await harness.token([
                "grant_type": "client_credentials", "scope": scope,
                "client_assertion": try Self.assertion(harness, client: "broad"),
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ])
        }
        #expect(try await ask("system/Observation.rs").response != nil)
        harness.clock.advance(seconds: 100)
        #expect(try await ask("system/Observation.rs").face == "400 invalid_scope")
        #expect(try await ask("system/Patient.rs").response != nil)
        // The registration itself is as it was configured: a restart changes nothing.
        #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .unchanged)
    }

    // MARK: - tokens of somebody else's issuer

    private func access(issuedAt: Int64, token: String = "t", client: String = "theirs") -> GrantedAccess {
        GrantedAccess(
            clientID: ClientID(client), subject: SubjectID("m"), scopeText: "patient/*.rs", launch: LaunchContext(),
            program: .patientAccess, grantID: GrantID("foreign:\(token)"), tokenID: TokenID(token), issuedAt: issuedAt,
            expiresAt: issuedAt + 86_400)
    }

    @Test(
        .verifies("house@foreign-revocation-holds"),
        arguments: [RevocationTarget.client(ClientID("theirs")), .user(SubjectID("m"))])
    func `who is held stays refused across restarts, however new the token, until let in again`(
        _ target: RevocationTarget
    ) async throws {
        let first = try await LaunchHarness(foreignTokenLife: 86_430)
        let source = first.source
        func hold() async throws -> Bool {
            try await first.server.access.hold(target, because: .administrator, by: "test", from: source)
        }
        #expect(try await hold())
        #expect(try await !hold())
        let cut = first.clock.now
        #expect(first.server.revocationState.refuses(access(issuedAt: cut + 1)))
        // Longer than the feed is kept.
        first.clock.advance(seconds: 9 * 86_400)
        _ = try await first.server.sweep()
        let second = try await LaunchHarness(
            store: first.store, clock: first.clock, seed: 9, isFresh: false, foreignTokenLife: 86_430)
        #expect(second.server.revocationState.refuses(access(issuedAt: second.clock.now)))
        #expect(
            second.server.revocationState.refuses(access(issuedAt: second.clock.now, client: "other"))
                == (target == .user(SubjectID("m"))))
        #expect(try await second.server.access.release(target, by: "test", from: source))
        #expect(try await !second.server.access.release(target, by: "test", from: source))
        #expect(!second.server.revocationState.refuses(access(issuedAt: second.clock.now)))
        #expect(second.log.records.last?.detail == "let in again")
        // The first process learns of it when it next looks.
        _ = try await first.server.sweep()
        #expect(!first.server.revocationState.refuses(access(issuedAt: first.clock.now)))
    }

    @Test(.verifies("house@foreign-revocation-holds"))
    func `one token stays refused for as long as a foreign one may live, also after a restart`() async throws {
        let first = try await LaunchHarness(foreignTokenLife: 86_430)
        let issued = first.clock.now
        _ = try await first.server.access.revoke(
            .token(TokenID("t")), because: .administrator, by: "test", from: first.source)
        first.clock.advance(seconds: 86_400)
        _ = try await first.server.sweep()
        #expect(first.server.revocationState.refuses(access(issuedAt: issued)))
        let second = try await LaunchHarness(
            store: first.store, clock: first.clock, seed: 9, isFresh: false, foreignTokenLife: 86_430)
        #expect(second.server.revocationState.refuses(access(issuedAt: issued)))
        #expect(!second.server.revocationState.refuses(access(issuedAt: issued, token: "u")))
    }

    @Test func `tokens of our own are not held: after a cut-off new ones are made only for who may have them`()
        async throws
    {
        let harness = try await LaunchHarness()
        #expect(!harness.server.access.keepsHolds)
    }

    // MARK: - addresses

    @Test(
        .verifies("house@source-network"),
        arguments: [
            ("2001:db8::1", "2001:db8:0:0:ffff:1:2:3", true), ("2001:db8::1", "2001:0DB8::9", true),
            ("2001:db8::1", "2001:db8:0:1::1", false), ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false), ("fe80::1%eth0", "fe80::2%eth1", true), ("unix", "unix:", false),
        ])
    func `one network is one source wherever attempts are counted`(_ one: String, _ other: String, _ isSame: Bool) {
        #expect((ThrottleKey.loginSource(one) == .loginSource(other)) == isSame)
        #expect((ThrottleKey.secretSource(one) == .secretSource(other)) == isSame)
        #expect((ThrottleKey.guessSource(one) == .guessSource(other)) == isSame)
        #expect((ThrottleKey.account("anna", from: one) == .account("anna", from: other)) == isSame)
    }

    @Test(.verifies("house@source-network"))
    func `launches are counted by network, and recorded by address`() async throws {
        let harness = try await LaunchHarness()
        let form = try LaunchHarness.form(try LaunchHarness.parameters(["scope": "patient/Practitioner.rs"]))
        let good = try LaunchHarness.form(try LaunchHarness.parameters())
        for index in 0..<300 {
            let source = RequestSource(address: "2001:db8::\(String(index, radix: 16))")
            _ = await harness.server.authorization.begin(index == 0x12 ? form : good, session: nil, from: source)
        }
        let answer = await harness.server.authorization.begin(
            form, session: nil, from: RequestSource(address: "2001:db8::ffff"))
        #expect(answer.redirectParameters?["error"] == "temporarily_unavailable")
        #expect(harness.log.records.contains { $0.sourceAddress == "2001:db8::12" })
        let elsewhere = await harness.server.authorization.begin(
            form, session: nil, from: RequestSource(address: "2001:db8:0:1::1"))
        #expect(elsewhere.redirectParameters?["error"] == "invalid_scope")
    }

    // MARK: - rows of people who proved nothing

    @Test(.verifies("house@anonymous-writes"))
    func `a wrong login on the account pages leaves no session`() async throws {
        let harness = try await LaunchHarness()
        let answer = await harness.server.interaction.signIn(
            username: "anna", password: Secret("wrong"), session: nil, from: harness.source)
        guard case .refused(.wrongCredentials) = answer else { throw Unexpected() }
        #expect(try await harness.store.sweep(at: harness.clock.now + 80_000) == 0)
    }

    @Test(.verifies("house@anonymous-writes"))
    func `a good login on the account pages makes its session`() async throws {
        let harness = try await LaunchHarness()
        let answer = await harness.server.interaction.signIn(
            username: "anna", password: Secret("pass-anna"), session: nil, from: harness.source)
        guard case .signedIn(_, .set(let value, _)) = answer else { throw Unexpected() }
        #expect(try await harness.server.interaction.signedIn(session: value)?.username == "anna")
        // Its counts were taken back and are gone: only the session is left.
        #expect(try await harness.store.sweep(at: harness.clock.now + 200_000) == 1)
    }

    // MARK: - looks

    @Test(.verifies("house@launch-lookup-record"))
    func `an EHR that makes a launch looks in its own name and from its own address`() async throws {
        let readers = Mutex<[ContextLookup.Reader]>([])
        let base = LookupDouble.lookup
        let lookup = ContextLookup(
            patients: { try await base.patients($0, $1, $2, $3) },
            patient: { id, reader in
                readers.withLock { $0.append(reader) }
                return try await base.patient(id, reader)
            },
            encounters: { try await base.encounters($0, $1) },
            encounter: { id, patient, reader in
                readers.withLock { $0.append(reader) }
                return try await base.encounter(id, patient, reader)
            })
        let harness = try await LaunchHarness(lookup: lookup)
        guard case .created = try await EHR.create(harness, ["encounter": "e-1"]) else { throw Unexpected() }
        let seen = readers.withLock { $0 }
        #expect(seen.count == 2)
        #expect(seen.allSatisfy { $0.clientID.text == "ehr" && $0.program == .payerToPayer })
        #expect(seen.allSatisfy { $0.sourceAddress == harness.source.address })
    }

    @Test(.verifies("house@reload-decides-nothing"))
    func `looking at the consent page again gives no code, whatever was remembered meanwhile`() async throws {
        let harness = try await LaunchHarness()
        let (first, session) = try await harness.reachConsent()
        let second = try #require(try await harness.begin(session: session).consent)
        var fields = [("decision", "allow"), ("remember", "yes")]
        for item in first.offer.items { fields.append((item.field, item.value)) }
        let allowed = await harness.server.interaction.consent(
            transaction: first.transaction, form: try LaunchHarness.form(fields), session: session, from: harness.source
        )
        #expect(allowed.redirectParameters?["code"] != nil)
        let again = await harness.server.interaction.show(
            transaction: second.transaction, session: session, from: harness.source)
        #expect(again.location == nil)
        #expect(again.consent != nil)
    }

    @Test(.verifies("house@reload-decides-nothing"))
    func `a page that is asked for in vain is recorded with its address`() async throws {
        let harness = try await LaunchHarness()
        let answer = await harness.server.interaction.show(
            transaction: Secret("nothing"), session: nil, from: harness.source)
        #expect(answer.shownError != nil)
        #expect(harness.log.records.last?.sourceAddress == harness.source.address)
    }
}
