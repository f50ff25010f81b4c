internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    /// What is listed, what is over, and what can be given back.
    static let endings: [StoreContract] = [
        StoreContract("a grant that the store takes it gives back, however many scopes it has") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            for (count, length) in [(100, 10), (1_024, 8), (1_025, 8), (9, 1_900), (1, 2_100)] {
                let scopes = Sample.scopes(count, length: length)
                let id = GrantID("g\(count)-\(length)")
                let grant = try Sample.variant(id.text, subject: nil, scopes: scopes)
                do {
                    #expect(try await stores.grants.insert(grant, record: Sample.record()))
                    #expect(try await stores.grants.grant(id) == grant)
                } catch {
                    #expect(try await stores.grants.grant(id) == nil)
                    #expect(!scopes.isWithinLimits)
                }
                let begun = try Sample.transaction("t\(id.text)", session: session, scopes: scopes)
                do {
                    try await stores.transactions.insert(begun)
                    #expect(try await stores.transactions.transaction(begun.id) == begun)
                } catch {
                    #expect(try await stores.transactions.transaction(begun.id) == nil)
                    #expect(!scopes.isWithinLimits)
                }
            }
        },
        StoreContract("a client that was suspended with its grants loses them when it is revoked, once") {
            stores async throws in
            for leavesConsentOnly in [false, true] {
                let id = ClientID("client-\(leavesConsentOnly)")
                if !leavesConsentOnly { try await Sample.populate(stores) }
                #expect(try await stores.clients.insert(try Sample.registration(id), record: Sample.record()))
                let grant = try Sample.grant("g-\(leavesConsentOnly)", client: id)
                if !leavesConsentOnly { #expect(try await stores.grants.insert(grant, record: Sample.record())) }
                let key = ConsentKey(subject: Sample.subject, clientID: id, patient: nil, fhirBase: "https://f.example")
                try await stores.consents.remember(
                    RememberedConsent(
                        key: key, offered: ["a"], chosen: ["a"], givenAt: Sample.now, expiresAt: Sample.now + 100))
                let suspended = try await stores.revocations.suspend(id, at: Sample.now, record: Sample.record())
                #expect(suspended?.grants == [])
                #expect(try await stores.consents.remembered(key) != nil)
                let rows = try await Sample.outboxCount(stores)

                let outcome = try await stores.revocations.revoke(
                    .client(id), because: .administrator, at: Sample.now + 1, record: Sample.record())
                #expect(outcome?.entries.first?.target == .client(id))
                #expect(outcome?.grants == (leavesConsentOnly ? [] : [grant.id]))
                #expect(try await stores.consents.remembered(key) == nil)
                #expect(try await Sample.outboxCount(stores) == rows + 1)
                let again = try await stores.revocations.revoke(
                    .client(id), because: .administrator, at: Sample.now + 2, record: Sample.record())
                #expect(again == nil)
                #expect(try await stores.clients.client(id)?.status == .suspended)
                #expect(
                    try await stores.revocations.revocations(after: 0).filter { $0.target == .client(id) }.count == 2)
                #expect(try await Sample.outboxCount(stores) == rows + 1)
            }
        },
        StoreContract("of 300 grants the one that lives is found, and all are listed page by page") {
            stores async throws in
            try await Sample.populate(stores)
            for number in 0..<300 {
                let id = "g\(String(1000 + number))"
                // The oldest lives; those after it are over.
                let grant = try Sample.variant(
                    id, createdAt: Sample.now + Int64(number / 7), expiresAt: number == 0 ? nil : Sample.now + 100)
                #expect(try await stores.grants.insert(grant, record: Sample.record()))
            }
            let now = Sample.now + 100
            let living = GrantFilter(subject: Sample.subject, livingAt: now)
            #expect(try await stores.grants.grants(matching: living, limit: 10).map(\.id.text) == ["g1000"])
            var filter = GrantFilter(subject: Sample.subject, livingAt: now - 1)
            var listed: [String] = []
            while true {
                let page = try await stores.grants.grants(matching: filter, limit: 49)
                listed += page.map(\.id.text)
                guard let last = page.last else { break }
                let place = GrantPlace(of: last)
                #expect(GrantPlace(place.text) == place)
                filter.after = place
            }
            #expect(listed == (0..<300).reversed().map { "g\(1000 + $0)" })
            _ = try await stores.revocations.revoke(
                .grant(GrantID("g1000")), because: .person, at: now, record: Sample.record())
            #expect(try await stores.grants.grants(matching: living, limit: 10).isEmpty)
        },
        StoreContract("a grant that lives by a session, by use or by its code is over without it") {
            stores async throws in
            try await Sample.populate(stores)
            try await stores.sessions.insert(Sample.session("s", signedIn: true))
            let session = Sample.session("s").id
            for (id, idle, isPresent) in [("online", 50_000, true), ("idle", 5_000, false), ("used", 50_000, false)] {
                let begun = try Sample.transaction("t-\(id)", session: Sample.session("s"))
                try await stores.transactions.insert(begun)
                #expect(
                    try await stores.codes.issue(
                        Sample.code(id, grant: id), for: try Sample.grant(id),
                        closing: try Sample.moved(begun, in: Sample.session("s", signedIn: true)),
                        record: Sample.record()))
                let family = RefreshFamily(
                    id: RefreshFamilyID(text: "f-\(id)"), grantID: GrantID(id), clientID: Sample.client, rotates: false,
                    createdAt: Sample.now, idleLimit: Int64(idle), expiresAt: nil, generation: 0,
                    currentHash: Secret("token-\(id)").hash, lastUsedAt: Sample.now,
                    session: isPresent ? session : nil)
                #expect(
                    try await stores.codes.redeem(
                        Secret(id).hash, at: Sample.now, opening: family, record: Sample.record()) == .redeemed)
            }
            let begun = try Sample.transaction("t-c", session: Sample.session("s"))
            try await stores.transactions.insert(begun)
            #expect(
                try await stores.codes.issue(
                    Sample.code("unused", grant: "unused"), for: try Sample.grant("unused"),
                    closing: try Sample.moved(begun, in: Sample.session("s", signedIn: true)), record: Sample.record()))
            func living(at now: Int64) async throws -> Set<String> {
                let filter = GrantFilter(subject: Sample.subject, livingAt: now)
                return Set(try await stores.grants.grants(matching: filter, limit: 10).map(\.id.text))
            }
            #expect(try await living(at: Sample.now + 99) == ["online", "idle", "used", "unused"])
            // As long as a last access token can live, there is something to end.
            #expect(try await living(at: Sample.now + 3_599) == ["online", "idle", "used", "unused"])
            #expect(try await living(at: Sample.now + 3_600) == ["idle", "used", "unused"])
            #expect(try await living(at: Sample.now + 5_000) == ["used", "unused"])
            _ = try await stores.sweep.sweep(at: Sample.now + 3_600)
            #expect(try await stores.grants.grant(GrantID("online"))?.isAlive(at: Sample.now + 3_600) == false)
            #expect(try await stores.grants.grant(GrantID("idle"))?.isAlive(at: Sample.now + 3_600) == true)
            let later = Sample.now + 48_000
            #expect(
                try await stores.refreshTokens.use(RefreshFamilyID(text: "f-used"), at: later, record: Sample.record()))
            _ = try await stores.sweep.sweep(at: Sample.now + 90_000)
            #expect(try await living(at: Sample.now + 90_000) == ["used"])
            for id in ["idle", "unused"] {
                #expect(try await stores.grants.grant(GrantID(id))?.isAlive(at: Sample.now + 90_000) == false)
            }
        },
        StoreContract("grants of people that have ended go after their retention, living ones stay") {
            stores async throws in
            try await Sample.populate(stores)
            for (id, end) in [("over", Sample.now + 10), ("ended", nil), ("living", nil)] as [(String, Int64?)] {
                #expect(try await stores.grants.insert(try Sample.variant(id, expiresAt: end), record: Sample.record()))
            }
            _ = try await stores.revocations.revoke(
                .grant(GrantID("ended")), because: .person, at: Sample.now + 10, record: Sample.record())
            func left() async throws -> Set<String> {
                Set(try await stores.grants.grants(matching: GrantFilter(), limit: 10).map(\.id.text))
            }
            _ = try await stores.sweep.sweep(at: Sample.now + 9 + Grant.retention)
            #expect(try await left() == ["over", "ended", "living"])
            _ = try await stores.sweep.sweep(at: Sample.now + 10 + Grant.retention)
            #expect(try await left() == ["living"])
        },
        StoreContract("a choice that is remembered with a code never outlives the grant's revocation") {
            stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            let key = ConsentKey(
                subject: Sample.subject, clientID: Sample.client, patient: try Sample.patient("p1"),
                fhirBase: "https://fhir.example")
            for round in 0..<20 {
                let begun = try Sample.transaction("t\(round)", session: session)
                try await stores.transactions.insert(begun)
                let grant = try Sample.grant("g\(round)")
                let consent = RememberedConsent(
                    key: key, offered: ["a"], chosen: ["a"], givenAt: Sample.now, expiresAt: Sample.now + 100)
                let moved = try Sample.moved(begun, in: session)
                let done = try await race(5) { index in
                    guard index == 0 else {
                        return try await stores.revocations.revoke(
                            .grant(grant.id), because: .person, at: Sample.now, record: Sample.record()) != nil
                    }
                    return try await stores.codes.issue(
                        Sample.code("c\(round)", grant: grant.id.text), for: grant, closing: moved,
                        by: .asked(remembering: consent), record: Sample.record())
                }
                #expect(done.contains(true))
                let isRevoked = try await stores.grants.grant(grant.id)?.revocation != nil
                let isRemembered = try await stores.consents.remembered(key) != nil
                #expect(isRemembered == !isRevoked)
                _ = try await stores.revocations.revoke(
                    .grant(grant.id), because: .person, at: Sample.now, record: Sample.record())
                #expect(try await stores.consents.remembered(key) == nil)
            }
        },
        StoreContract("a choice is not remembered with a code that is not given") { stores async throws in
            try await Sample.issueCode(stores)
            let key = ConsentKey(
                subject: Sample.subject, clientID: Sample.client, patient: nil, fhirBase: "https://fhir.example")
            let session = Sample.session("s", signedIn: true)
            let closing = try Sample.moved(try Sample.transaction(session: session), in: session)
            #expect(
                try await !stores.codes.issue(
                    Sample.code("second", grant: "g2"), for: try Sample.grant("g2"), closing: closing,
                    by: .asked(
                        remembering: RememberedConsent(
                            key: key, offered: ["a"], chosen: ["a"], givenAt: Sample.now, expiresAt: Sample.now + 100)),
                    record: Sample.record()))
            #expect(try await stores.consents.remembered(key) == nil)
        },
        StoreContract("who is held stays held until let in again, with one entry and one row each") {
            stores async throws in
            let target = RevocationTarget.user(SubjectID("nobody-here"))
            #expect(try await stores.revocations.holds().targets.isEmpty)
            let entries = try await race(16) { _ in
                try await stores.revocations.hold(
                    target, because: .administrator, at: Sample.now, record: Sample.record())
            }
            #expect(entries.compactMap { $0 }.count == 1)
            let held = try await stores.revocations.holds()
            #expect(held.targets == [target])
            #expect(try await stores.revocations.revocations(after: 0).map(\.target) == [target])
            #expect(try await Sample.outboxCount(stores) == 1)
            for other in [RevocationTarget.token(TokenID("t")), .grant(GrantID("g"))] {
                let entry = try await stores.revocations.hold(
                    other, because: .administrator, at: Sample.now, record: Sample.record())
                #expect(entry == nil)
            }
            _ = try await stores.sweep.sweep(at: Sample.now + 100 * 86_400)
            #expect(try await stores.revocations.holds() == held)
            let released = try await race(16) { _ in
                try await stores.revocations.release(target, at: Sample.now + 1, record: Sample.record())
            }
            #expect(released.filter { $0 }.count == 1)
            let after = try await stores.revocations.holds()
            #expect(after.targets.isEmpty && after.version > held.version)
            let again = try await stores.revocations.hold(
                target, because: .administrator, at: Sample.now + 2, record: Sample.record())
            #expect(again != nil)
            #expect(try await stores.revocations.holds().targets == [target])
        },
        StoreContract("a client comes back with the end of its exception") { stores async throws in
            var client = try Sample.registration()
            client.wildcardsUntil = Sample.now + 5
            #expect(try await stores.clients.insert(client, record: Sample.record()))
            #expect(try await stores.clients.client(client.id) == client)
            for end in [Sample.now + 9, nil] {
                client.wildcardsUntil = end
                client.revision += 1
                #expect(try await stores.clients.replace(client, record: Sample.record()))
                #expect(try await stores.clients.clients() == [client])
            }
        },
        StoreContract("an attempt that is taken back leaves nothing behind") { stores async throws in
            let policy = ThrottlePolicy(free: 5, window: 100, firstWait: 10, longestWait: 30)
            let key = ThrottleKey.loginSource("10.0.0.1")
            for _ in 0..<2 {
                #expect(try await stores.throttle.admit([key: policy], at: Sample.now) == .admitted)
            }
            try await stores.throttle.giveBack(all: [], one: [key])
            try await stores.throttle.giveBack(all: [], one: [key])
            // Nothing is left to be swept.
            #expect(try await stores.sweep.sweep(at: Sample.now + 100_000) == 0)
        },
    ]
}

extension Sample {
    /// So many scopes of about such a length.
    static func scopes(_ count: Int, length: Int) -> ScopeSet {
        ScopeSet(
            (0..<count).map { number in
                let name = "x\(number)"
                return .unrecognised(name + String(repeating: "y", count: max(length - name.utf8.count, 0)))
            })
    }

    /// A grant like `grant`, changed.
    static func variant(
        _ id: String, subject: SubjectID? = subject, scopes: ScopeSet? = nil, createdAt: Int64 = now,
        expiresAt: Int64? = nil
    ) throws -> Grant {
        let usual = try grant(id, client: client, subject: subject)
        return Grant(
            id: usual.id, clientID: usual.clientID, subject: subject, scopes: scopes ?? usual.scopes,
            launch: usual.launch, program: usual.program, fhirBase: usual.fhirBase, nonce: usual.nonce,
            authenticatedAt: usual.authenticatedAt, authentication: usual.authentication, createdAt: createdAt,
            expiresAt: expiresAt ?? usual.expiresAt)
    }

    /// A launch like `transaction`, with other scopes.
    static func transaction(
        _ name: String, session: BrowserSession, scopes: ScopeSet
    ) throws -> AuthorizationTransaction {
        let usual = try transaction(name, session: session)
        return AuthorizationTransaction(
            id: usual.id, session: usual.session,
            request: AcceptedRequest(
                clientID: client, redirectURI: usual.request.redirectURI, state: "s", scopes: scopes,
                challenge: usual.request.challenge, nonce: nil, fhirBase: usual.request.fhirBase,
                launch: LaunchContext(),
                expectedSubject: nil, loginNotBefore: nil, asksConsent: false),
            createdAt: now, expiresAt: now + 100)
    }
}
