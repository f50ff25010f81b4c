internal import AccessPolicy
internal import Audit
internal import Authorization
internal import OAuthCore
internal import Testing

extension StoreContract {
    /// What ends while something is being given: each write that gives judges by itself whether it may.
    static let races = [
        StoreContract("a code by a remembered choice is issued only while the choice stands unchanged") {
            stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            func issue(_ name: String, by consent: GivenConsent) async throws -> Bool {
                let begun = try Sample.transaction("t-\(name)", session: session)
                try await stores.transactions.insert(begun)
                let isIssued = try await stores.codes.issue(
                    Sample.code(name, grant: name), for: try Sample.grant(name),
                    closing: try Sample.moved(begun, in: session), by: consent, record: Sample.record())
                // All or nothing.
                #expect(try await (stores.grants.grant(GrantID(name)) != nil) == isIssued)
                #expect(try await (stores.codes.code(Secret(name).hash) != nil) == isIssued)
                #expect(try await (stores.transactions.transaction(begun.id) == begun) != isIssued)
                return isIssued
            }
            let read = try Sample.memory()
            #expect(try await !issue("never", by: .recalled(read)))
            #expect(try await issue("asked", by: .asked(remembering: read)))
            #expect(try await stores.consents.remembered(read.key) == read)
            #expect(try await issue("recalled", by: .recalled(read)))
            // Given anew in another window, with other ticks.
            let other = try Sample.memory(chosen: ["b"], givenAt: Sample.now + 1)
            try await stores.consents.remember(other)
            #expect(try await !issue("changed", by: .recalled(read)))
            #expect(try await issue("anew", by: .recalled(other)))
            _ = try await stores.revocations.revoke(
                .grant(GrantID("asked")), because: .person, at: Sample.now, record: Sample.record())
            #expect(try await !issue("revoked", by: .recalled(other)))
            try await stores.consents.remember(other)
            try await stores.consents.forget(Sample.subject, client: Sample.client, record: Sample.record())
            #expect(try await !issue("forgotten", by: .recalled(other)))
            #expect(try await issue("again", by: .asked(remembering: nil)))
        },
        StoreContract("after a revocation no code comes of the choice that it took away, whoever was first") {
            stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            let memory = try Sample.memory()
            for round in 0..<20 {
                let first = try Sample.grant("first-\(round)")
                #expect(try await stores.grants.insert(first, record: Sample.record()))
                try await stores.consents.remember(memory)
                let begun = try Sample.transaction("t\(round)", session: session)
                try await stores.transactions.insert(begun)
                let moved = try Sample.moved(begun, in: session)
                let second = try Sample.grant("second-\(round)")
                let revokedAt = Sample.now + Int64(round)
                let done = try await race(2) { index in
                    guard index == 0 else {
                        return try await stores.revocations.revoke(
                            .user(Sample.subject), because: .person, at: revokedAt, record: Sample.record()) != nil
                    }
                    return try await stores.codes.issue(
                        Sample.code("c\(round)", grant: second.id.text), for: second, closing: moved,
                        by: .recalled(memory), record: Sample.record())
                }
                #expect(done.contains(true))
                if let grant = try await stores.grants.grant(second.id) { #expect(grant.revocation != nil) }
                #expect(try await stores.users.enable(Sample.subject, record: Sample.record()))
                try await stores.sessions.insert(Sample.session("s", signedIn: true))
            }
        },
        StoreContract("for a client that is not active no code is redeemed and no token renewed") {
            stores async throws in
            try await Sample.issueCode(stores)
            func redeem() async throws -> Redemption {
                try await stores.codes.redeem(
                    Secret("code").hash, at: Sample.now, opening: Sample.family(), record: Sample.record())
            }
            func suspend() async throws {
                let outcome = try await stores.revocations.suspend(
                    Sample.client, at: Sample.now, record: Sample.record())
                #expect(outcome != nil)
            }
            try await suspend()
            let rows = try await Sample.outboxCount(stores)
            #expect(try await redeem() == .refused)
            #expect(try await stores.refreshTokens.family(RefreshFamilyID(text: "f")) == nil)
            #expect(try await Sample.outboxCount(stores) == rows)
            try await Sample.activate(stores)
            #expect(try await redeem() == .redeemed)
            try await suspend()
            let id = RefreshFamilyID(text: "f")
            func rotate() async throws -> Bool {
                try await stores.refreshTokens.rotate(
                    id, from: Secret("token-0").hash, to: Secret("token-1").hash, at: Sample.now,
                    record: Sample.record())
            }
            #expect(try await !rotate())
            #expect(try await !stores.refreshTokens.use(id, at: Sample.now, record: Sample.record()))
            #expect(try await stores.refreshTokens.family(id)?.generation == 0)
            try await Sample.activate(stores)
            #expect(try await rotate())
            #expect(try await stores.refreshTokens.use(id, at: Sample.now, record: Sample.record()))
        },
        StoreContract("a client is cut off no earlier than the latest token that it got") { stores async throws in
            try await Sample.issueCode(stores)
            func cut() async throws -> Int64? {
                // The caller looked at its clock before all that was written meanwhile.
                let outcome = try await stores.revocations.suspend(
                    Sample.client, at: Sample.now, record: Sample.record())
                try await Sample.activate(stores)
                return outcome?.entries.first?.at
            }
            #expect(try await cut() == Sample.now)
            #expect(
                try await stores.codes.redeem(
                    Secret("code").hash, at: Sample.now + 3, opening: Sample.family(), record: Sample.record())
                    == .redeemed)
            #expect(try await cut() == Sample.now + 3)
            #expect(
                try await stores.refreshTokens.use(
                    RefreshFamilyID(text: "f"), at: Sample.now + 5, record: Sample.record()))
            #expect(try await cut() == Sample.now + 5)
            let own = try Sample.variant("own", createdAt: Sample.now + 7)
            #expect(try await stores.grants.insert(own, record: Sample.record()))
            #expect(try await cut() == Sample.now + 7)
            // Another client's tokens say nothing of this one's.
            let other = ClientID("other")
            #expect(try await stores.clients.insert(try Sample.registration(other), record: Sample.record()))
            #expect(
                try await stores.grants.insert(
                    Grant(
                        id: GrantID("others"), clientID: other, subject: Sample.subject, scopes: own.scopes,
                        launch: own.launch, program: own.program, fhirBase: own.fhirBase, nonce: nil,
                        authenticatedAt: nil, createdAt: Sample.now + 9),
                    record: Sample.record()))
            #expect(try await cut() == Sample.now + 7)
            let late = try await stores.revocations.suspend(
                Sample.client, at: Sample.now + 20, record: Sample.record())
            #expect(late?.entries.first?.at == Sample.now + 20)
        },
        StoreContract("of a suspension and a token at one moment, the token is refused or cut off") {
            stores async throws in
            try await Sample.issueCode(stores)
            _ = try await stores.codes.redeem(
                Secret("code").hash, at: Sample.now, opening: Sample.family(), record: Sample.record())
            for round in 1...20 {
                let now = Sample.now + Int64(round)
                let cuts = try await race(2) { index in
                    guard index == 0 else {
                        // The second after the suspension has looked at its clock.
                        return try await stores.refreshTokens.use(
                            RefreshFamilyID(text: "f"), at: now, record: Sample.record()) ? Int64(0) : nil
                    }
                    let outcome = try await stores.revocations.suspend(
                        Sample.client, at: now - 1, record: Sample.record())
                    return outcome?.entries.first?.at
                }
                let cut = try #require(cuts.compactMap { $0 }.max())
                let wasMade = cuts.contains(0)
                #expect(!wasMade || cut >= now)
                try await Sample.activate(stores)
            }
        },
        StoreContract("a token that lives by a session is not renewed once the session has ended") {
            stores async throws in
            try await Sample.issueCode(stores)
            let session = Sample.session("s", signedIn: true)
            let usual = Sample.family()
            let family = RefreshFamily(
                id: usual.id, grantID: usual.grantID, clientID: usual.clientID, rotates: true,
                createdAt: Sample.now, idleLimit: 500, expiresAt: nil, generation: 0,
                currentHash: usual.currentHash, lastUsedAt: Sample.now, session: session.id)
            #expect(
                try await stores.codes.redeem(
                    Secret("code").hash, at: Sample.now, opening: family, record: Sample.record()) == .redeemed)
            func renew(at now: Int64) async throws -> [Bool] {
                let isUsed = try await stores.refreshTokens.use(family.id, at: now, record: Sample.record())
                let isMoved = try await stores.refreshTokens.rotate(
                    family.id, from: Secret("token-0").hash, to: Secret("token-1").hash, at: now,
                    record: Sample.record())
                return [isUsed, isMoved]
            }
            // The session ends at 100.
            #expect(try await renew(at: Sample.now + 100) == [false, false])
            #expect(try await stores.refreshTokens.use(family.id, at: Sample.now + 99, record: Sample.record()))
            #expect(try await stores.sessions.end(session.id, record: Sample.record()))
            #expect(try await renew(at: Sample.now + 99) == [false, false])
            #expect(try await stores.refreshTokens.family(family.id)?.generation == 0)
        },
        StoreContract("a login that was undone is not signed in, and nothing is granted by it") {
            stores async throws in
            let made = try Sample.external()
            #expect(try await Sample.insert(made, stores))
            #expect(try await stores.clients.insert(try Sample.registration(), record: Sample.record()))
            let subject = made.login.account
            let old = Sample.session("old")
            try await stores.sessions.insert(old)
            func signIn(_ name: String) async throws -> SessionReplacement {
                let new = BrowserSession(
                    id: SessionID(presented: Secret(name)),
                    signIn: .init(subject: subject, authenticatedAt: Sample.now), createdAt: Sample.now,
                    expiresAt: Sample.now + 100, lastSeenAt: Sample.now)
                return try await stores.sessions.replace(
                    old.id, by: new, verified: made.account.passwordHash, record: Sample.record())
            }
            _ = try await stores.externalLogins.undo(subject, at: Sample.now, record: Sample.record())
            let rows = try await Sample.outboxCount(stores)
            #expect(try await signIn("new") == .accountChanged)
            #expect(try await stores.sessions.sessions(of: subject).isEmpty)
            #expect(try await stores.sessions.session(old.id) == old)
            let grant = try Sample.grant(subject: subject)
            #expect(try await !stores.grants.insert(grant, record: Sample.record()))
            // Also where the launch is not one that went with the person's sessions.
            let begun = try Sample.transaction(session: old)
            try await stores.transactions.insert(begun)
            let moved = try Sample.moved(begun, in: Sample.session("old", signedIn: true))
            #expect(
                try await !stores.codes.issue(Sample.code(), for: grant, closing: moved, record: Sample.record()))
            #expect(try await Sample.outboxCount(stores) == rows)
            #expect(try await stores.externalLogins.restore(made.link, record: Sample.record()))
            #expect(
                try await stores.codes.issue(Sample.code(), for: grant, closing: moved, record: Sample.record()))
            #expect(try await signIn("new") == .replaced)
        },
    ]
}

extension Sample {
    /// Lets the client in again.
    static func activate(_ stores: AuthorizationStores) async throws {
        guard var known = try await stores.clients.client(client) else {
            Issue.record("there is no client")
            return
        }
        known.status = .active
        known.revision += 1
        #expect(try await stores.clients.replace(known, record: record()))
    }

    /// A choice that is remembered for the client and the person.
    static func memory(chosen: Set<String> = ["a"], givenAt: Int64 = now) throws -> RememberedConsent {
        RememberedConsent(
            key: ConsentKey(
                subject: subject, clientID: client, patient: try patient("p1"), fhirBase: "https://fhir.example"),
            offered: ["a", "b"], chosen: chosen, givenAt: givenAt, expiresAt: now + 100)
    }
}
