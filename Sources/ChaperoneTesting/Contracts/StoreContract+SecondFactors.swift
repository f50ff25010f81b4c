internal import AccessPolicy
internal import Authorization
internal import OAuthCore
internal import Testing

extension StoreContract {
    private static let own = SessionID(presented: Secret("s"))
    private static let factor = SecondFactor(
        subject: Sample.subject, sealedKey: "sealed", session: own, createdAt: Sample.now)
    private static let recoveryHashes: Set<SecretHash> = [Secret("one").hash, Secret("two").hash]

    /// Stores with a person whose factor is confirmed at step 100, and their session `s`.
    private static func confirmed(_ stores: AuthorizationStores) async throws {
        try await Sample.populate(stores)
        let session = Sample.session("s", signedIn: true)
        try await stores.sessions.insert(session)
        #expect(try await stores.secondFactors.begin(factor))
        #expect(
            try await stores.secondFactors.confirm(
                Sample.subject, sealedKey: "sealed", step: 100, recovery: recoveryHashes, in: own, at: Sample.now,
                record: Sample.record()))
    }

    static let secondFactors = [
        StoreContract("a second factor of nobody is not kept") { stores async throws in
            #expect(try await !stores.secondFactors.begin(factor))
            #expect(try await stores.secondFactors.secondFactor(of: Sample.subject) == nil)
        },
        StoreContract("a key that is not confirmed guards nothing and may be replaced") { stores async throws in
            try await Sample.populate(stores)
            #expect(try await stores.secondFactors.begin(factor))
            let other = SecondFactor(
                subject: Sample.subject, sealedKey: "other", session: own, createdAt: Sample.now + 1)
            #expect(try await stores.secondFactors.begin(other))
            #expect(try await stores.secondFactors.secondFactor(of: Sample.subject) == other)
            #expect(try await !stores.secondFactors.use(step: 5, of: Sample.subject, sealedKey: "other"))
            #expect(
                try await !stores.secondFactors.replace(
                    recovery: recoveryHashes, of: Sample.subject, record: Sample.record()))
            #expect(
                try await !stores.secondFactors.use(
                    recovery: Secret("one").hash, of: Sample.subject, record: Sample.record()))
            #expect(try await Sample.outboxCount(stores) == 2)
        },
        StoreContract("only the key that waits is confirmed, once, and then it is not replaced") {
            stores async throws in
            try await Sample.populate(stores)
            #expect(try await stores.secondFactors.begin(factor))
            #expect(
                try await !stores.secondFactors.confirm(
                    Sample.subject, sealedKey: "another", step: 1, recovery: [], in: own, at: Sample.now,
                    record: Sample.record()))
            let wins = try await race(16) { _ in
                try await stores.secondFactors.confirm(
                    Sample.subject, sealedKey: "sealed", step: 7, recovery: recoveryHashes, in: own,
                    at: Sample.now + 3, record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await !stores.secondFactors.begin(factor))
            #expect(
                try await stores.secondFactors.secondFactor(of: Sample.subject)
                    == SecondFactor(
                        subject: Sample.subject, sealedKey: "sealed", createdAt: Sample.now,
                        confirmedAt: Sample.now + 3, lastStep: 7, recoveryCodesLeft: 2))
            #expect(try await Sample.outboxCount(stores) == 3)
        },
        StoreContract("a key is confirmed only in the session that began it, and another one voids it") {
            stores async throws in
            try await Sample.populate(stores)
            let thief = SessionID(presented: Secret("thief"))
            func confirm(_ key: String, in session: SessionID) async throws -> Bool {
                try await stores.secondFactors.confirm(
                    Sample.subject, sealedKey: key, step: 1, recovery: [], in: session, at: Sample.now,
                    record: Sample.record())
            }
            #expect(try await stores.secondFactors.begin(factor))
            #expect(try await !confirm("sealed", in: thief))
            let second = SecondFactor(
                subject: Sample.subject, sealedKey: "second", session: thief, createdAt: Sample.now)
            #expect(try await stores.secondFactors.begin(second))
            #expect(try await stores.secondFactors.secondFactor(of: Sample.subject) == second)
            #expect(try await !confirm("sealed", in: own))
            #expect(try await !confirm("second", in: own))
            #expect(try await confirm("second", in: thief))
            #expect(try await stores.secondFactors.secondFactor(of: Sample.subject)?.session == nil)
        },
        StoreContract("a key of which no session is known is confirmed by none") { stores async throws in
            try await Sample.populate(stores)
            let old = SecondFactor(subject: Sample.subject, sealedKey: "sealed", createdAt: Sample.now)
            #expect(try await stores.secondFactors.begin(old))
            #expect(
                try await !stores.secondFactors.confirm(
                    Sample.subject, sealedKey: "sealed", step: 1, recovery: [], in: own, at: Sample.now,
                    record: Sample.record()))
        },
        StoreContract("of two sessions that set a factor up at once, one wins") { stores async throws in
            try await Sample.populate(stores)
            let wins = try await race(16) { number in
                let session = SessionID(presented: Secret("session-\(number % 2)"))
                let mine = SecondFactor(
                    subject: Sample.subject, sealedKey: "key-\(number)", session: session, createdAt: Sample.now)
                guard try await stores.secondFactors.begin(mine) else { return false }
                return try await stores.secondFactors.confirm(
                    Sample.subject, sealedKey: mine.sealedKey, step: 1, recovery: [], in: session, at: Sample.now,
                    record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
        },
        StoreContract("confirming ends the account's other sessions, half open ones too") { stores async throws in
            try await Sample.populate(stores)
            let kept = Sample.session("s", signedIn: true)
            let other = Sample.session("other", signedIn: true)
            let half = BrowserSession(
                id: SessionID(presented: Secret("half")), signIn: nil,
                pending: .init(subject: Sample.subject, authenticatedAt: Sample.now), createdAt: Sample.now,
                expiresAt: Sample.now + 100, lastSeenAt: Sample.now)
            let stranger = Sample.session("stranger")
            for session in [kept, other, half, stranger] { try await stores.sessions.insert(session) }
            #expect(try await stores.sessions.session(half.id) == half)
            #expect(try await stores.sessions.sessions(of: Sample.subject).count == 2)
            #expect(try await stores.secondFactors.begin(factor))
            #expect(
                try await stores.secondFactors.confirm(
                    Sample.subject, sealedKey: "sealed", step: 1, recovery: [], in: kept.id, at: Sample.now,
                    record: Sample.record()))
            #expect(try await stores.sessions.session(kept.id) == kept)
            #expect(try await stores.sessions.session(stranger.id) == stranger)
            #expect(try await stores.sessions.session(other.id) == nil)
            #expect(try await stores.sessions.session(half.id) == nil)
        },
        StoreContract("a time step counts once, and only after every one that was used") { stores async throws in
            try await confirmed(stores)
            for step: Int64 in [99, 100] {
                #expect(try await !stores.secondFactors.use(step: step, of: Sample.subject, sealedKey: "sealed"))
            }
            #expect(try await !stores.secondFactors.use(step: 101, of: Sample.subject, sealedKey: "another"))
            let wins = try await race(32) { _ in
                try await stores.secondFactors.use(step: 101, of: Sample.subject, sealedKey: "sealed")
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await stores.secondFactors.use(step: 103, of: Sample.subject, sealedKey: "sealed"))
            #expect(try await !stores.secondFactors.use(step: 102, of: Sample.subject, sealedKey: "sealed"))
        },
        StoreContract("a recovery code counts once, and only for its account") { stores async throws in
            try await confirmed(stores)
            let code = Secret("one").hash
            let rows = try await Sample.outboxCount(stores)
            #expect(
                try await !stores.secondFactors.use(recovery: code, of: SubjectID("stranger"), record: Sample.record()))
            #expect(
                try await !stores.secondFactors.use(
                    recovery: Secret("three").hash, of: Sample.subject, record: Sample.record()))
            let wins = try await race(32) { _ in
                try await stores.secondFactors.use(recovery: code, of: Sample.subject, record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await Sample.outboxCount(stores) == rows + 1, "the row of the code that counted")
            #expect(try await stores.secondFactors.secondFactor(of: Sample.subject)?.recoveryCodesLeft == 1)
            #expect(
                try await stores.secondFactors.replace(
                    recovery: [Secret("new").hash], of: Sample.subject, record: Sample.record()))
            #expect(
                try await !stores.secondFactors.use(
                    recovery: Secret("two").hash, of: Sample.subject, record: Sample.record()))
            #expect(
                try await stores.secondFactors.use(
                    recovery: Secret("new").hash, of: Sample.subject, record: Sample.record()))
        },
        StoreContract("a factor that is removed leaves nothing behind") { stores async throws in
            try await confirmed(stores)
            #expect(try await stores.secondFactors.remove(factorOf: Sample.subject, record: Sample.record()))
            #expect(try await !stores.secondFactors.remove(factorOf: Sample.subject, record: Sample.record()))
            #expect(
                try await !stores.secondFactors.use(
                    recovery: Secret("one").hash, of: Sample.subject, record: Sample.record()))
            #expect(try await stores.secondFactors.begin(factor))
            #expect(try await stores.secondFactors.secondFactor(of: Sample.subject) == factor)
        },
        StoreContract("a login by less than a confirmed factor makes no session") { stores async throws in
            try await confirmed(stores)
            let verified = Sample.account().passwordHash
            let now = Sample.now
            func session(_ name: String, _ signIn: BrowserSession.SignIn?, _ pending: BrowserSession.SignIn?)
                -> BrowserSession
            {
                BrowserSession(
                    id: SessionID(presented: Secret(name)), signIn: signIn, pending: pending, createdAt: now,
                    expiresAt: now + 100, lastSeenAt: now)
            }
            let password = BrowserSession.SignIn(subject: Sample.subject, authenticatedAt: now)
            let both = BrowserSession.SignIn(
                subject: Sample.subject, authenticatedAt: now, authentication: .oneTimePassword)
            let old = Sample.session("old")
            try await stores.sessions.insert(old)
            #expect(
                try await stores.sessions.replace(
                    old.id, by: session("less", password, nil), verified: verified, record: Sample.record())
                    == .accountChanged)
            let half = session("half", nil, password)
            #expect(
                try await stores.sessions.replace(old.id, by: half, verified: verified, record: Sample.record())
                    == .replaced)
            let whole = session("whole", both, nil)
            #expect(
                try await stores.sessions.replace(half.id, by: whole, verified: verified, record: Sample.record())
                    == .replaced)
            #expect(try await stores.sessions.session(whole.id) == whole)
        },
        StoreContract("a changed password and a disabled account end half open sessions") { stores async throws in
            try await Sample.populate(stores)
            func open(_ name: String) async throws -> SessionID {
                let half = BrowserSession(
                    id: SessionID(presented: Secret(name)), signIn: nil,
                    pending: .init(subject: Sample.subject, authenticatedAt: Sample.now), createdAt: Sample.now,
                    expiresAt: Sample.now + 100, lastSeenAt: Sample.now)
                try await stores.sessions.insert(half)
                return half.id
            }
            let first = try await open("first")
            #expect(
                try await stores.users.setPassword(
                    PasswordHash(encoded: "$argon2id$new"), of: Sample.subject, record: Sample.record()))
            #expect(try await stores.sessions.session(first) == nil)
            let second = try await open("second")
            _ = try await stores.revocations.revoke(
                .user(Sample.subject), because: .accountDisabled, at: Sample.now, record: Sample.record())
            #expect(try await stores.sessions.session(second) == nil)
        },
        StoreContract("a key is sealed anew only from the seal that it has") { stores async throws in
            try await confirmed(stores)
            #expect(try await !stores.secondFactors.reseal(Sample.subject, from: "another", to: "new"))
            #expect(try await stores.secondFactors.reseal(Sample.subject, from: "sealed", to: "new"))
            #expect(try await stores.secondFactors.secondFactors().map(\.sealedKey) == ["new"])
            #expect(try await stores.secondFactors.use(step: 101, of: Sample.subject, sealedKey: "new"))
        },
        StoreContract("a grant keeps how the person proved who they are") { stores async throws in
            try await Sample.populate(stores)
            let plain = try Sample.grant()
            let proofs = [
                AuthenticationContext.recoveryCode,
                AuthenticationContext(
                    classReference: "urn:high", methods: ["pwd", "sms"],
                    witness: .provider(issuer: "https://idp.example")),
                AuthenticationContext(classReference: nil, methods: [], witness: .unknown),
            ]
            for (number, proved) in proofs.enumerated() {
                let grant = Grant(
                    id: GrantID("grant-\(number)"), clientID: plain.clientID, subject: plain.subject,
                    scopes: plain.scopes, launch: plain.launch, program: plain.program, fhirBase: plain.fhirBase,
                    nonce: plain.nonce, authenticatedAt: plain.authenticatedAt, authentication: proved,
                    createdAt: plain.createdAt,
                    expiresAt: plain.expiresAt)
                #expect(try await stores.grants.insert(grant, record: Sample.record()))
                #expect(try await stores.grants.grant(grant.id) == grant)
            }
        },
    ]
}
