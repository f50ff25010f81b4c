internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let operation = [
        StoreContract("of 20 parallel uses of one assertion one is the first") { stores async throws in
            let firsts = try await race(20) { _ in
                try await stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 60)
            }
            #expect(firsts.filter { $0 }.count == 1)
            #expect(try await stores.replayCache.remember("jti", of: ClientID("other"), until: Sample.now + 60))
            #expect(try await stores.replayCache.remember("jti2", of: Sample.client, until: Sample.now + 60))
        },
        StoreContract("an assertion is remembered to its end and not for ever") { stores async throws in
            #expect(try await stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 60))
            _ = try await stores.sweep.sweep(at: Sample.now + 60)
            #expect(try await !stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 60))
            #expect(try await stores.sweep.sweep(at: Sample.now + 61) == 1)
            #expect(try await stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 120))
        },
        StoreContract("of two servers that make the first key one wins") { stores async throws in
            let wins = try await race(8) { index in
                try await stores.keys.insertFirst(
                    StoredKey(id: "k\(index)", purpose: .idToken, sealed: "s", createdAt: Sample.now),
                    record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await stores.keys.keys().count == 1)
        },
        StoreContract("a key is followed by its successor and stays for verifying") { stores async throws in
            let first = StoredKey(id: "k1", purpose: .idToken, sealed: "s1", createdAt: Sample.now)
            let second = StoredKey(id: "k2", purpose: .idToken, sealed: "s2", createdAt: Sample.now + 1)
            #expect(try await stores.keys.insertFirst(first, record: Sample.record()))
            #expect(try await stores.keys.rotate(to: second, at: Sample.now + 1, record: Sample.record()))
            #expect(try await !stores.keys.rotate(to: second, at: Sample.now + 2, record: Sample.record()))
            let keys = try await stores.keys.keys()
            #expect(keys.map(\.id) == ["k1", "k2"])
            #expect(keys.map(\.retiredAt) == [Sample.now + 1, nil])
        },
        StoreContract("attempts are counted one by one, also in parallel") { stores async throws in
            let policy = ThrottlePolicy(free: 5, window: 100, firstWait: 10, longestWait: 30)
            let key = ThrottleKey.account("anna")
            let verdicts = try await race(20) { _ in
                try await stores.throttle.admit([key: policy], at: Sample.now)
            }
            #expect(verdicts.filter { $0 == .admitted }.count == 5)
            #expect(
                try await stores.throttle.admit([key: policy], at: Sample.now + 9) == .closed(until: Sample.now + 10))
            #expect(try await stores.throttle.admit([key: policy], at: Sample.now + 10) == .admitted)
            #expect(
                try await stores.throttle.admit([key: policy], at: Sample.now + 11) == .closed(until: Sample.now + 30))
        },
        StoreContract("a success clears the account and gives the source one attempt back") { stores async throws in
            let policy = ThrottlePolicy(free: 2, window: 100, firstWait: 10, longestWait: 30)
            let account = ThrottleKey.account("anna")
            let source = ThrottleKey.loginSource("10.0.0.1")
            #expect(try await stores.throttle.admit([account: policy, source: policy], at: Sample.now) == .admitted)
            #expect(try await stores.throttle.admit([account: policy, source: policy], at: Sample.now) == .admitted)
            try await stores.throttle.giveBack(all: [account], one: [source])
            #expect(try await stores.throttle.admit([account: policy, source: policy], at: Sample.now) == .admitted)
            let closed = ThrottleVerdict.closed(until: Sample.now + 10)
            #expect(try await stores.throttle.admit([source: policy], at: Sample.now) == closed)
            #expect(try await stores.throttle.admit([account: policy], at: Sample.now) == .admitted)
        },
        StoreContract("audit rows come out in order, whole, and stay until acknowledged") { stores async throws in
            let records = [
                Sample.record(.login, id: "a"), Sample.record(.code, id: "b"), Sample.record(.token, id: "c"),
            ]
            for record in records { try await stores.outbox.append(record) }
            #expect(try await stores.outbox.pending(limit: 2) == Array(records.prefix(2)))
            try await stores.outbox.acknowledge([records[0].id, DecisionID("unknown")])
            #expect(try await stores.outbox.pending(limit: 9) == Array(records.dropFirst()))
            _ = try await stores.sweep.sweep(at: Sample.now + 1_000_000)
            #expect(try await stores.outbox.pending(limit: 9).count == 2)
        },
        StoreContract("audit rows are read up to a number, and numbers only grow") { stores async throws in
            #expect(try await stores.outbox.newest() == nil)
            let records = [Sample.record(.login, id: "a"), Sample.record(.code, id: "b")]
            try await stores.outbox.append(records[0])
            let first = try #require(try await stores.outbox.newest())
            try await stores.outbox.append(records[1])
            let second = try #require(try await stores.outbox.newest())
            #expect(second > first)
            #expect(try await stores.outbox.pending(through: first, limit: 9) == [records[0]])
            try await stores.outbox.acknowledge([records[0].id])
            #expect(try await stores.outbox.pending(through: first, limit: 9).isEmpty)
            #expect(try await stores.outbox.pending(through: second, limit: 9) == [records[1]])
            try await stores.outbox.acknowledge([records[1].id])
            try await stores.outbox.append(Sample.record(.token, id: "c"))
            let third = try #require(try await stores.outbox.newest())
            #expect(third > second)
        },
        StoreContract("sweeping removes what is over and nothing else") { stores async throws in
            try await Sample.issueCode(stores)
            #expect(try await stores.grants.insert(try Sample.grant("b", subject: nil), record: Sample.record()))
            let session = SessionID(presented: Secret("s"))
            _ = try await stores.sweep.sweep(at: Sample.now + 99)
            #expect(try await stores.sessions.session(session) != nil)
            #expect(try await stores.grants.grant(GrantID("b")) != nil)
            _ = try await stores.sweep.sweep(at: Sample.now + 100)
            #expect(try await stores.sessions.session(session) == nil)
            // A replay of the code is still known for one.
            #expect(try await stores.codes.code(Secret("code").hash) != nil)
            _ = try await stores.sweep.sweep(at: Sample.now + 90_000)
            #expect(try await stores.codes.code(Secret("code").hash) == nil)
            #expect(try await stores.grants.grant(GrantID("b")) == nil)
            #expect(try await stores.grants.grant(GrantID("g")) != nil)
        },
    ]
}
