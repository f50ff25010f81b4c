internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let logins = [
        StoreContract("a login of a provider comes back with its account and link, by both its names") {
            stores async throws in
            let made = try Sample.external()
            #expect(try await Sample.insert(made, stores))
            let login = made.login
            #expect(try await stores.externalLogins.login(issuer: "https://idp.example", subject: "s-1") == login)
            #expect(try await stores.externalLogins.login(of: login.account) == login)
            #expect(try await stores.externalLogins.logins() == [login])
            #expect(try await stores.users.user(login.account) == made.account)
            #expect(try await stores.memberLinks.link(for: login.account) == made.link)
        },
        StoreContract("a login is found by issuer and subject together and by all of their bytes") {
            stores async throws in
            #expect(try await Sample.insert(try Sample.external(), stores))
            for (issuer, subject) in [
                ("https://idp.example", "s-2"), ("https://other.example", "s-1"), ("https://idp.example/", "s-1"),
                ("https://idp.example", "S-1"), ("https://idp.example", "s-1\0x"), ("https://idp.example\0", "s-1"),
            ] {
                #expect(try await stores.externalLogins.login(issuer: issuer, subject: subject) == nil)
            }
        },
        StoreContract("of two first sign-ins with one login one makes the account") { stores async throws in
            let first = try Sample.external()
            #expect(try await Sample.insert(first, stores))
            #expect(try await !Sample.insert(try Sample.external(account: "another"), stores))
            #expect(try await stores.users.user(SubjectID("another")) == nil)
            #expect(try await stores.users.users() == [first.account])
            #expect(try await Sample.outboxCount(stores) == 1)
        },
        StoreContract("a sign-in is noted for its own login alone") { stores async throws in
            let made = try Sample.external()
            #expect(try await Sample.insert(made, stores))
            let other = ExternalIdentity(
                provider: "plan", issuer: "https://idp.example", subject: "s-2", identifier: "M-2")
            #expect(try await !stores.externalLogins.note(other, of: made.login.account, at: Sample.now))
            let changed = ExternalIdentity(
                provider: "plan", issuer: "https://idp.example", subject: "s-1", identifier: "M-9")
            #expect(try await stores.externalLogins.note(changed, of: made.login.account, at: Sample.now + 1))
            let noted = try await stores.externalLogins.login(of: made.login.account)
            #expect(noted?.identity == changed)
            #expect(noted?.lastLoginAt == Sample.now + 1)
        },
        StoreContract("undoing a login's link ends its grants and sessions, once, and it stays undone") {
            stores async throws in
            let made = try Sample.external()
            #expect(try await Sample.insert(made, stores))
            #expect(try await stores.clients.insert(try Sample.registration(), record: Sample.record()))
            let subject = made.login.account
            let session = BrowserSession(
                id: SessionID(presented: Secret("s")), signIn: .init(subject: subject, authenticatedAt: Sample.now),
                createdAt: Sample.now, expiresAt: Sample.now + 100, lastSeenAt: Sample.now)
            try await stores.sessions.insert(session)
            let grant = try Sample.grant(subject: subject)
            #expect(try await stores.grants.insert(grant, record: Sample.record()))
            let outcome = try await stores.externalLogins.undo(subject, at: Sample.now, record: Sample.record())
            #expect(outcome?.grants == [grant.id])
            #expect(try await stores.grants.grant(grant.id)?.revocation?.reason == .memberChanged)
            #expect(try await stores.sessions.session(session.id) == nil)
            #expect(try await stores.memberLinks.link(for: subject) == nil)
            #expect(try await stores.externalLogins.login(of: subject)?.undoneAt == Sample.now)
            #expect(try await !stores.externalLogins.note(made.login.identity, of: subject, at: Sample.now))
            let again = try await stores.externalLogins.undo(subject, at: Sample.now, record: Sample.record())
            #expect(again == nil)
        },
        StoreContract("a login is linked again only when no link stands") { stores async throws in
            let made = try Sample.external()
            #expect(try await Sample.insert(made, stores))
            let subject = made.login.account
            let link = MemberLink(
                subject: subject, fhirUser: InstanceKey(type: .patient, id: try Sample.patient("p9")), patients: [])
            #expect(try await !stores.externalLogins.restore(link, record: Sample.record()))
            #expect(try await !stores.externalLogins.relink(link, record: Sample.record()))
            _ = try await stores.memberLinks.remove(linkOf: subject, at: Sample.now, record: Sample.record())
            #expect(try await stores.externalLogins.relink(link, record: Sample.record()))
            _ = try await stores.externalLogins.undo(subject, at: Sample.now, record: Sample.record())
            #expect(
                try await !stores.externalLogins.relink(link, record: Sample.record()), "an undoing outlasts a source")
            #expect(try await stores.externalLogins.restore(link, record: Sample.record()))
            #expect(try await stores.memberLinks.link(for: subject) == link)
            #expect(try await stores.externalLogins.login(of: subject)?.undoneAt == nil)
            let nobody = MemberLink(subject: SubjectID("nobody"), fhirUser: link.fhirUser, patients: [])
            #expect(try await !stores.externalLogins.restore(nobody, record: Sample.record()))
        },
        StoreContract("an answer of a provider is taken once, in its own session, for its own provider, in time") {
            stores async throws in
            let session = Sample.session("s")
            let other = Sample.session("other")
            for each in [session, other] { try await stores.sessions.insert(each) }
            let pending = PendingLogin(
                hash: Secret("state").hash, session: session.id, provider: "plan", sealedLaunch: "sealed", maxAge: 5,
                expiresAt: Sample.now + 10)
            try await stores.pendingLogins.insert(pending)
            func take(_ session: SessionID, _ provider: String, at now: Int64) async throws -> PendingLogin? {
                try await stores.pendingLogins.take(pending.hash, session: session, provider: provider, at: now)
            }
            #expect(try await take(other.id, "plan", at: Sample.now) == nil)
            #expect(try await take(session.id, "another", at: Sample.now) == nil)
            #expect(try await take(session.id, "plan", at: Sample.now + 10) == nil)
            let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await stores.pendingLogins.take(
                            pending.hash, session: session.id, provider: "plan", at: Sample.now) == pending
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
        },
        StoreContract("what is known of a sign-in goes with its session, and so does what is under way") {
            stores async throws in
            let session = Sample.session("s")
            try await stores.sessions.insert(session)
            let weak = SessionAssurance(session: session.id, provider: "plan", context: nil)
            let strong = SessionAssurance(
                session: session.id, provider: "plan", context: "urn:high", methods: ["pwd", "otp"], sealedHint: "x")
            try await stores.pendingLogins.keep(weak)
            #expect(try await stores.pendingLogins.assurance(of: session.id) == weak)
            try await stores.pendingLogins.keep(strong)
            #expect(try await stores.pendingLogins.assurance(of: session.id) == strong)
            let pending = PendingLogin(
                hash: Secret("state").hash, session: session.id, provider: "plan", sealedLaunch: nil, maxAge: nil,
                expiresAt: Sample.now + 10)
            try await stores.pendingLogins.insert(pending)
            #expect(try await stores.sessions.end(session.id, record: Sample.record()))
            #expect(try await stores.pendingLogins.assurance(of: session.id) == nil)
            let gone = try await stores.pendingLogins.take(
                pending.hash, session: session.id, provider: "plan", at: Sample.now)
            #expect(gone == nil)
            // A session that is gone is not known anything of.
            try await stores.pendingLogins.keep(strong)
            #expect(try await stores.pendingLogins.assurance(of: session.id) == nil)
        },
    ]
}

extension Sample {
    static func external(account: String = "external") throws -> ExternalAccount {
        ExternalAccount(
            identity: ExternalIdentity(
                provider: "plan", issuer: "https://idp.example", subject: "s-1", identifier: "M-1"),
            subject: SubjectID(account), fhirUser: InstanceKey(type: .patient, id: try patient("p1")),
            patients: [LinkedPatient(id: try patient("p1"), label: "Anna")], displayName: "Anna", at: now)
    }

    static func insert(_ made: ExternalAccount, _ stores: AuthorizationStores) async throws -> Bool {
        try await stores.externalLogins.insert(
            made.login, account: made.account, link: made.link, record: record())
    }
}
