internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let passwords = [
        StoreContract("a password is changed by the person who knows it, and only their own browser stays") {
            stores async throws in
            let (old, new) = (Sample.account().passwordHash, PasswordHash(encoded: "$argon2id$other"))
            try await Sample.issueCode(stores)
            let own = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(Sample.session("elsewhere", signedIn: true))
            try await stores.transactions.insert(try Sample.transaction("open", session: own))
            #expect(
                try await stores.codes.redeem(
                    Secret("code").hash, at: Sample.now,
                    opening: RefreshFamily(
                        id: RefreshFamilyID(text: "f"), grantID: GrantID("g"), clientID: Sample.client, rotates: true,
                        createdAt: Sample.now, idleLimit: 500, expiresAt: nil, generation: 0,
                        currentHash: Secret("token-0").hash, lastUsedAt: Sample.now, session: own.id),
                    record: Sample.record()) == .redeemed)
            let next = Sample.session("next", signedIn: true)
            func change(_ verified: PasswordHash, _ session: SessionID) async throws -> Bool {
                try await stores.users.changePassword(
                    to: new, of: Sample.subject, verified: verified, replacing: session, by: next,
                    record: Sample.record(.userChanged))
            }
            let before = try await Sample.outboxCount(stores)
            #expect(try await !change(new, own.id), "another hash was verified")
            #expect(try await !change(old, SessionID(presented: Secret("nowhere"))))
            #expect(try await stores.sessions.sessions(of: Sample.subject).count == 2)
            #expect(try await Sample.outboxCount(stores) == before)

            #expect(try await change(old, own.id))

            #expect(try await stores.users.user(Sample.subject)?.passwordHash == new)
            #expect(try await stores.sessions.sessions(of: Sample.subject).map(\.id) == [next.id])
            let launch = try await stores.transactions.transaction(TransactionID(presented: Secret("open")))
            #expect(launch?.session == next.id)
            #expect(try await stores.refreshTokens.family(RefreshFamilyID(text: "f"))?.session == next.id)
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation == nil)
            #expect(try await Sample.outboxCount(stores) == before + 1)
            #expect(try await !change(old, next.id), "the old password is nobody's any more")
        },
        StoreContract("a password is not changed by a session that has not shown a factor that is there by now") {
            stores async throws in
            try await Sample.populate(stores)
            let own = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(own)
            let factor = SecondFactor(
                subject: Sample.subject, sealedKey: "sealed", session: own.id, createdAt: Sample.now)
            #expect(try await stores.secondFactors.begin(factor))
            #expect(
                try await stores.secondFactors.confirm(
                    Sample.subject, sealedKey: "sealed", step: 1, recovery: [], in: own.id, at: Sample.now,
                    record: Sample.record()))
            #expect(
                try await !stores.users.changePassword(
                    to: PasswordHash(encoded: "$argon2id$other"), of: Sample.subject,
                    verified: Sample.account().passwordHash, replacing: own.id,
                    by: Sample.session("next", signedIn: true), record: Sample.record()))
            #expect(try await stores.users.user(Sample.subject)?.passwordHash == Sample.account().passwordHash)
        },
        StoreContract("a code moves with its session, bound to the same key, and so does what is opened with it") {
            stores async throws in
            try await Sample.issueCode(stores, inSession: true)
            let before = try #require(try await stores.codes.code(Secret("code").hash))
            let (own, next) = (Sample.session("s"), Sample.session("next", signedIn: true))
            #expect(before.session == own.id)
            #expect(before.proofKey == Sample.proofKey)
            #expect(
                try await stores.users.changePassword(
                    to: PasswordHash(encoded: "$argon2id$other"), of: Sample.subject,
                    verified: Sample.account().passwordHash, replacing: own.id, by: next,
                    record: Sample.record(.userChanged)))
            #expect(
                try await stores.codes.code(before.hash)
                    == CodeRecord(
                        hash: before.hash, grantID: before.grantID, clientID: before.clientID,
                        redirectURI: before.redirectURI, challenge: before.challenge, expiresAt: before.expiresAt,
                        session: next.id, proofKey: Sample.proofKey))

            // Whoever redeems it read the code before.
            let family = Sample.family().moved(to: own.id)
            #expect(
                try await stores.codes.redeem(
                    before.hash, at: Sample.now, opening: family, record: Sample.record()) == .redeemed)

            #expect(try await stores.refreshTokens.family(family.id) == family.moved(to: next.id))
            #expect(try await stores.refreshTokens.use(family.id, at: Sample.now, record: Sample.record()))
        },
        StoreContract("lasting access lives by no session, though its code came out of one") { stores async throws in
            try await Sample.issueCode(stores, inSession: true)
            let family = Sample.family()
            #expect(
                try await stores.codes.redeem(
                    Secret("code").hash, at: Sample.now, opening: family, record: Sample.record()) == .redeemed)
            #expect(try await stores.refreshTokens.family(family.id) == family)
        },
    ]
}
