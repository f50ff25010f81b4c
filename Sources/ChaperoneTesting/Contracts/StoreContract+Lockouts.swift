internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let lockouts = [
        StoreContract("a lockout is announced by the count that begins it, and by that one alone") {
            stores async throws in
            let policy = ThrottlePolicy(free: 3, window: 100, firstWait: 10, longestWait: 30)
            let key = ThrottleKey.account("anna")
            let verdicts = try await race(20) { index in
                try await stores.throttle.admit(
                    [key: policy], at: Sample.now,
                    announcing: [key: Sample.record(.accountLocked, id: "lockout-\(index)-")])
            }
            #expect(verdicts.filter { $0 == .last(under: [key]) }.count == 1)
            // It is known to nobody until the attempt is known to have failed, and outlasts who tried it.
            #expect(try await Sample.outboxCount(stores) == 0)
            #expect(try await stores.throttle.confirm(announcedBy: Sample.now - 1) == 0)
            #expect(try await stores.throttle.confirm(announcedBy: Sample.now) == 1)
            #expect(try await stores.throttle.confirm(announcedBy: .max) == 0)
            let rows = try await stores.outbox.pending(limit: 9)
            #expect(rows.map(\.kind) == [.accountLocked])
        },
        StoreContract("an attempt that failed confirms what it announced, as it is told by then, once") {
            stores async throws in
            let policy = ThrottlePolicy(free: 1, window: 100, firstWait: 10, longestWait: 30)
            let (account, source) = (ThrottleKey.account("anna"), ThrottleKey.loginSource("10.0.0.1"))
            let records = [
                account: Sample.record(.accountLocked, id: "a"), source: Sample.record(.accountLocked, id: "s"),
            ]
            let verdict = try await stores.throttle.admit(
                [account: policy, source: policy], at: Sample.now, announcing: records)
            #expect(verdict == .last(under: [account, source]))
            var told = try #require(records[account])
            told.detail = "told by then"
            let stranger = Sample.record(.accountLocked, id: "never announced")
            let confirmed = told
            _ = try await race(8) { _ in try await stores.throttle.confirm([confirmed, stranger]) }
            #expect(try await stores.outbox.pending(limit: 9) == [told])
            #expect(try await stores.throttle.confirm(announcedBy: .max) == 1, "the other one")
        },
        StoreContract("an attempt that succeeded announced nothing, and a closed one neither") { stores async throws in
            let policy = ThrottlePolicy(free: 1, window: 100, firstWait: 10, longestWait: 30)
            let key = ThrottleKey.account("anna")
            let record = Sample.record(.accountLocked)
            _ = try await stores.throttle.admit([key: policy], at: Sample.now, announcing: [key: record])
            let closed = try await stores.throttle.admit(
                [key: policy], at: Sample.now + 1, announcing: [key: Sample.record(.accountLocked)])
            #expect(closed == .closed(until: Sample.now + 10))
            try await stores.throttle.giveBack(all: [key], one: [], withdrawing: [record.id])
            try await stores.throttle.confirm([record])
            #expect(try await stores.throttle.confirm(announcedBy: .max) == 0)
            #expect(try await Sample.outboxCount(stores) == 0)
            // A count that begins no lockout keeps nothing either.
            let lenient = ThrottlePolicy(free: 9, window: 100, firstWait: 10, longestWait: 30)
            _ = try await stores.throttle.admit([key: lenient], at: Sample.now, announcing: [key: record])
            #expect(try await stores.throttle.confirm(announcedBy: .max) == 0)
        },
    ]
}
