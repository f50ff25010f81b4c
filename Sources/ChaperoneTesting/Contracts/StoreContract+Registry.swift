internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let registry = [
        StoreContract("a client comes back as it was stored") { stores async throws in
            let client = try Sample.registration()
            #expect(try await stores.clients.insert(client, record: Sample.record()))
            #expect(try await stores.clients.client(client.id) == client)
            #expect(try await stores.clients.clients() == [client])
            #expect(try await stores.clients.client(ClientID("CLIENT")) == nil)
        },
        StoreContract("a client with keys comes back with its keys") { stores async throws in
            let key = try PrivateJWK.generate(.es384).publicKey
            let client = ClientRegistration(
                id: ClientID("service"),
                metadata: try ClientMetadata(
                    name: "Service", grantTypes: [.clientCredentials], authenticationMethod: .privateKeyJWT,
                    keys: .value(JWKSet([key])), assertionAlgorithm: .es384),
                approvedScopes: try ScopeSet(parsing: "system/Patient.rs"), program: .payerToPayer)
            #expect(try await stores.clients.insert(client, record: Sample.record()))
            #expect(try await stores.clients.client(client.id) == client)
        },
        StoreContract("a client id is given once") { stores async throws in
            #expect(try await stores.clients.insert(try Sample.registration(), record: Sample.record()))
            let second = try Sample.registration(name: "Another")
            #expect(try await !stores.clients.insert(second, record: Sample.record()))
            #expect(try await stores.clients.client(second.id)?.name == "App")
            #expect(try await Sample.outboxCount(stores) == 1)
        },
        StoreContract("of two changes of one client revision one wins") { stores async throws in
            #expect(try await stores.clients.insert(try Sample.registration(), record: Sample.record()))
            let changed = try Sample.registration(revision: 2, name: "New")
            #expect(try await stores.clients.replace(changed, record: Sample.record()))
            #expect(try await !stores.clients.replace(changed, record: Sample.record()))
            #expect(try await stores.clients.client(changed.id) == changed)
        },
        StoreContract("a retired client stays retired") { stores async throws in
            #expect(
                try await stores.clients.insert(try Sample.registration(status: .retired), record: Sample.record()))
            #expect(try await !stores.clients.replace(try Sample.registration(revision: 2), record: Sample.record()))
            #expect(try await stores.clients.client(Sample.client)?.status == .retired)
        },
        StoreContract("an account and its link come back as they were stored") { stores async throws in
            try await Sample.populate(stores)
            #expect(try await stores.users.user(named: "anna") == Sample.account())
            #expect(try await stores.users.user(Sample.subject) == Sample.account())
            #expect(try await stores.users.user(named: "Anna") == nil)
            #expect(try await stores.memberLinks.link(for: Sample.subject) == Sample.link())
            #expect(try await stores.users.users() == [Sample.account()])
        },
        StoreContract("a name is found by all of its bytes, also after a NUL") { stores async throws in
            try await Sample.populate(stores)
            #expect(try await stores.users.user(named: "anna\0x") == nil)
            #expect(try await stores.users.user(SubjectID(Sample.subject.text + "\0")) == nil)
        },
        StoreContract("undoing a link ends the person's open launches and no other") { stores async throws in
            try await Sample.populate(stores)
            let own = Sample.session("own", signedIn: true)
            let other = Sample.session("other")
            for session in [own, other] { try await stores.sessions.insert(session) }
            let ownLaunch = try Sample.transaction("own", session: own)
            let otherLaunch = try Sample.transaction("other", session: other)
            for launch in [ownLaunch, otherLaunch] { try await stores.transactions.insert(launch) }
            _ = try await stores.memberLinks.remove(linkOf: Sample.subject, at: Sample.now, record: Sample.record())
            #expect(try await stores.transactions.transaction(ownLaunch.id) == nil)
            #expect(try await stores.transactions.transaction(otherLaunch.id) == otherLaunch)
        },
        StoreContract("a username and a subject are given once") { stores async throws in
            try await Sample.populate(stores)
            let sameName = Sample.account(SubjectID("other"))
            let sameSubject = Sample.account(username: "other")
            #expect(try await !stores.users.insert(sameName, link: nil, record: Sample.record()))
            #expect(try await !stores.users.insert(sameSubject, link: nil, record: Sample.record()))
            #expect(try await stores.users.users().count == 1)
        },
        StoreContract("an account is linked once, and only if it exists") { stores async throws in
            try await Sample.populate(stores)
            #expect(try await !stores.memberLinks.insert(try Sample.link(), record: Sample.record()))
            let nobody = MemberLink(
                subject: SubjectID("nobody"), fhirUser: InstanceKey(type: .patient, id: try Sample.patient("x")),
                patients: [])
            #expect(try await !stores.memberLinks.insert(nobody, record: Sample.record()))
        },
        StoreContract("undoing a link ends the person's grants") { stores async throws in
            try await Sample.issueCode(stores)
            let outcome = try await stores.memberLinks.remove(
                linkOf: Sample.subject, at: Sample.now, record: Sample.record())
            #expect(outcome?.grants == [GrantID("g")])
            #expect(try await stores.memberLinks.link(for: Sample.subject) == nil)
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation?.reason == .memberChanged)
            let again = try await stores.memberLinks.remove(
                linkOf: Sample.subject, at: Sample.now, record: Sample.record())
            #expect(again == nil)
        },
        StoreContract("a new password ends the sessions") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            let hash = PasswordHash(encoded: "$argon2id$new")
            #expect(try await stores.users.setPassword(hash, of: Sample.subject, record: Sample.record()))
            #expect(try await stores.users.user(Sample.subject)?.passwordHash == hash)
            #expect(try await stores.sessions.session(session.id) == nil)
            #expect(try await !stores.users.setPassword(hash, of: SubjectID("nobody"), record: Sample.record()))
        },
        StoreContract("other roles end the sessions") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            for roles in [Set<UserRole>([.member, .auditor]), []] {
                #expect(try await stores.users.setRoles(roles, of: Sample.subject, record: Sample.record()))
                #expect(try await stores.users.user(Sample.subject)?.roles == roles)
            }
            #expect(try await stores.sessions.session(session.id) == nil)
            #expect(try await !stores.users.setRoles([], of: SubjectID("nobody"), record: Sample.record()))
        },
    ]
}
