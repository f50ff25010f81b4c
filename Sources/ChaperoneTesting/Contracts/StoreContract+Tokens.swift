internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let codes = [
        StoreContract("a code, its grant and the end of the launch come into being together") { stores async throws in
            try await Sample.issueCode(stores)
            #expect(try await stores.codes.code(Secret("code").hash) == Sample.code())
            #expect(try await stores.grants.grant(GrantID("g")) == Sample.grant())
            #expect(try await stores.transactions.transaction(TransactionID(presented: Secret("t")))?.revision == 2)
        },
        StoreContract("a launch that has moved on gives no second code") { stores async throws in
            try await Sample.issueCode(stores)
            let session = Sample.session("s", signedIn: true)
            let closing = try Sample.moved(try Sample.transaction(session: session), in: session)
            #expect(
                try await !stores.codes.issue(
                    Sample.code("second", grant: "g2"), for: try Sample.grant("g2"), closing: closing,
                    record: Sample.record()))
            #expect(try await stores.codes.code(Secret("second").hash) == nil)
            #expect(try await stores.grants.grant(GrantID("g2")) == nil)
        },
        StoreContract("no grant for a client that is not active, and the launch stays open") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            let begun = try Sample.transaction(session: session)
            try await stores.transactions.insert(begun)
            _ = try await stores.revocations.revoke(
                .client(Sample.client), because: .clientSuspended, at: Sample.now, record: Sample.record())
            #expect(
                try await !stores.codes.issue(
                    Sample.code(), for: try Sample.grant(), closing: try Sample.moved(begun, in: session),
                    record: Sample.record()))
            #expect(try await stores.grants.grant(GrantID("g")) == nil)
            #expect(try await stores.transactions.transaction(begun.id) == begun)
            let service = try Sample.grant("b", subject: nil)
            #expect(try await !stores.grants.insert(service, record: Sample.record()))
        },
        StoreContract("no grant for a disabled account") { stores async throws in
            try await Sample.populate(stores)
            _ = try await stores.revocations.revoke(
                .user(Sample.subject), because: .accountDisabled, at: Sample.now, record: Sample.record())
            #expect(try await !stores.grants.insert(try Sample.grant(), record: Sample.record()))
            #expect(try await stores.users.enable(Sample.subject, record: Sample.record()))
            #expect(try await stores.grants.insert(try Sample.grant(), record: Sample.record()))
        },
        StoreContract("of 64 parallel redemptions exactly one wins") { stores async throws in
            try await Sample.issueCode(stores)
            let before = try await Sample.outboxCount(stores)
            let results = try await race(64) { _ in
                try await stores.codes.redeem(
                    Secret("code").hash, at: Sample.now, opening: Sample.family(), record: Sample.record())
            }
            #expect(results.filter { $0 == .redeemed }.count == 1)
            #expect(try await stores.codes.code(Secret("code").hash)?.state == .redeemed(at: Sample.now))
            #expect(try await stores.refreshTokens.family(RefreshFamilyID(text: "f")) == Sample.family())
            #expect(try await Sample.outboxCount(stores) == before + 1)
        },
        StoreContract("a code that expired, was burned or lost its grant is not redeemed") { stores async throws in
            try await Sample.issueCode(stores)
            let hash = Secret("code").hash
            func redeem(at now: Int64) async throws -> Redemption {
                try await stores.codes.redeem(hash, at: now, opening: nil, record: Sample.record())
            }
            #expect(try await redeem(at: Sample.now + 60) == .refused)
            #expect(try await stores.codes.burn(hash, at: Sample.now, record: Sample.record()))
            #expect(try await !stores.codes.burn(hash, at: Sample.now, record: Sample.record()))
            #expect(try await redeem(at: Sample.now) == .refused)
            #expect(try await stores.codes.code(hash)?.state == .burned(at: Sample.now))
        },
        StoreContract("a revoked grant's code is not redeemed") { stores async throws in
            try await Sample.issueCode(stores)
            _ = try await stores.revocations.revoke(
                .grant(GrantID("g")), because: .person, at: Sample.now, record: Sample.record())
            let result = try await stores.codes.redeem(
                Secret("code").hash, at: Sample.now, opening: nil, record: Sample.record())
            #expect(result == .refused)
        },
        StoreContract("grants are found by person, client, patient and standing, newest first") { stores async throws in
            try await Sample.issueCode(stores)
            #expect(try await stores.grants.insert(try Sample.grant("h"), record: Sample.record()))
            _ = try await stores.revocations.revoke(
                .grant(GrantID("g")), because: .person, at: Sample.now, record: Sample.record())
            func ids(_ filter: GrantFilter, limit: Int = 10) async throws -> [String] {
                try await stores.grants.grants(matching: filter, limit: limit).map(\.id.text)
            }
            #expect(try await ids(GrantFilter()) == ["h", "g"])
            #expect(try await ids(GrantFilter(), limit: 1) == ["h"])
            #expect(try await ids(GrantFilter(subject: Sample.subject, onlyActive: true)) == ["h"])
            #expect(try await ids(GrantFilter(clientID: ClientID("other"))) == [])
            #expect(try await ids(GrantFilter(patient: try Sample.patient("p1"))) == ["h", "g"])
            #expect(try await ids(GrantFilter(patient: try Sample.patient("p2"))) == [])
        },
    ]

    static let refreshTokens = [
        StoreContract("of 64 parallel rotations exactly one moves the family") { stores async throws in
            try await Sample.openFamily(stores)
            let id = Sample.family().id
            let wins = try await race(64) { _ in
                try await stores.refreshTokens.rotate(
                    id, from: Secret("token-0").hash, to: Secret("token-1").hash, at: Sample.now + 1,
                    record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            let family = try await stores.refreshTokens.family(id)
            #expect(family?.generation == 1)
            #expect(family?.currentHash == Secret("token-1").hash)
            #expect(family?.previousHash == Secret("token-0").hash)
            #expect(family?.rotatedAt == Sample.now + 1)
        },
        StoreContract("a successor is undelivered until somebody says that it is given away") { stores async throws in
            try await Sample.openFamily(stores)
            let id = Sample.family().id
            let (first, second) = (Secret("token-0").hash, Secret("token-1").hash)
            #expect(try await stores.refreshTokens.family(id)?.isDelivered == true)
            #expect(
                try await stores.refreshTokens.rotate(
                    id, from: first, to: second, at: Sample.now + 1, record: Sample.record()))
            try await stores.refreshTokens.deliver(id, first, at: Sample.now + 2)
            var family = try await stores.refreshTokens.family(id)
            #expect(family?.isDelivered == false && family?.rotatedAt == Sample.now + 1)
            try await stores.refreshTokens.deliver(id, second, at: Sample.now + 9)
            try await stores.refreshTokens.deliver(id, second, at: Sample.now + 20)
            family = try await stores.refreshTokens.family(id)
            #expect(family?.isDelivered == true && family?.rotatedAt == Sample.now + 9)
        },
        StoreContract("a family is not used after its idle limit, its end or its grant") { stores async throws in
            try await Sample.openFamily(stores)
            let id = Sample.family().id
            func use(at now: Int64) async throws -> Bool {
                try await stores.refreshTokens.use(id, at: now, record: Sample.record())
            }
            func rotate(at now: Int64) async throws -> Bool {
                try await stores.refreshTokens.rotate(
                    id, from: Secret("token-0").hash, to: Secret("token-1").hash, at: now, record: Sample.record())
            }
            #expect(try await !use(at: Sample.now + 500))
            #expect(try await !rotate(at: Sample.now + 500))
            #expect(try await use(at: Sample.now + 499))
            #expect(try await use(at: Sample.now + 998))
            #expect(try await !use(at: Sample.now + 1000))
            _ = try await stores.revocations.revoke(
                .grant(GrantID("g")), because: .person, at: Sample.now, record: Sample.record())
            #expect(try await !use(at: Sample.now + 999))
            #expect(try await !rotate(at: Sample.now + 999))
        },
    ]

    static let revocations = [
        StoreContract("a grant is revoked once, with one number") { stores async throws in
            try await Sample.issueCode(stores)
            let results = try await race(16) { _ in
                try await stores.revocations.revoke(
                    .grant(GrantID("g")), because: .codeReplay, at: Sample.now, record: Sample.record())
            }
            #expect(results.compactMap { $0 }.count == 1)
            let grant = try await stores.grants.grant(GrantID("g"))
            #expect(grant?.revocation == GrantRevocation(at: Sample.now, reason: .codeReplay))
            #expect(try await stores.revocations.revocations(after: 0).map(\.target) == [.grant(GrantID("g"))])
        },
        StoreContract("revoking a client suspends it and ends all its grants") { stores async throws in
            try await Sample.issueCode(stores)
            let outcome = try await stores.revocations.revoke(
                .client(Sample.client), because: .clientSuspended, at: Sample.now, record: Sample.record())
            #expect(outcome?.entries.map(\.target) == [.client(Sample.client), .grant(GrantID("g"))])
            #expect(try await stores.clients.client(Sample.client)?.status == .suspended)
            #expect(try await stores.clients.client(Sample.client)?.revision == 2)
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation?.reason == .clientSuspended)
        },
        StoreContract("revoking a person disables the account and ends grants and sessions") { stores async throws in
            try await Sample.issueCode(stores)
            let outcome = try await stores.revocations.revoke(
                .user(Sample.subject), because: .accountDisabled, at: Sample.now, record: Sample.record())
            #expect(outcome?.grants == [GrantID("g")])
            #expect(try await stores.users.user(Sample.subject)?.isDisabled == true)
            #expect(try await stores.sessions.session(SessionID(presented: Secret("s"))) == nil)
        },
        StoreContract("numbers never go back and unknown targets add none") { stores async throws in
            try await Sample.issueCode(stores)
            let targets: [RevocationTarget] = [
                .token(TokenID("t")), .token(TokenID("t")), .grant(GrantID("nope")), .client(ClientID("nope")),
                .user(SubjectID("nope")), .grant(GrantID("g")),
            ]
            for target in targets {
                _ = try await stores.revocations.revoke(
                    target, because: .administrator, at: Sample.now, record: Sample.record())
            }
            let all = try await stores.revocations.revocations(after: 0)
            #expect(all.map(\.target) == [.token(TokenID("t")), .grant(GrantID("g"))])
            #expect(all.map(\.sequence) == [1, 2])
            #expect(try await stores.revocations.revocations(after: 1).count == 1)
            _ = try await stores.sweep.sweep(at: Sample.now + 8 * 86_400)
            #expect(try await stores.revocations.revocations(after: 0).isEmpty)
            let next = try await stores.revocations.revoke(
                .token(TokenID("u")), because: .client, at: Sample.now, record: Sample.record())
            #expect(next?.entries.map(\.sequence) == [3])
        },
    ]
}

extension Sample {
    static func openFamily(_ stores: AuthorizationStores) async throws {
        try await issueCode(stores)
        let result = try await stores.codes.redeem(
            Secret("code").hash, at: now, opening: family(), record: record())
        #expect(result == .redeemed)
    }
}
