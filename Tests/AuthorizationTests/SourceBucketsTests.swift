import RequirementTraits
import Testing

@testable import Authorization

/// What sources without end can take, and what they cannot take from others.
struct SourceBucketsTests {
    private let limit = BudgetLimits.Rate(burst: 3, perSecond: 1)

    @Test(.verifies("house@source-network"))
    func `proofs are counted by network, not by address`() {
        let budget = VerificationBudget(limit)
        let taken = (0..<50).filter { budget.take(from: "2001:db8::\(String($0, radix: 16))", at: 100) }
        #expect(taken == [0, 1, 2])
        #expect(budget.take(from: "2001:db8:1::1", at: 100), "another site pays for it")
        #expect(budget.take(from: "192.0.2.1", at: 100))
    }

    @Test(
        .verifies("house@source-network"),
        arguments: [
            ("2001:db8::1", "2001:db8:0:0:ffff:1:2:3", true), ("2001:db8::1", "2001:0DB8::9", true),
            ("2001:db8::1", "2001:db8:0:1::1", false), ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false), ("fe80::1%eth0", "fe80::2%eth1", true), ("unix", "unix:", false),
        ])
    func `two addresses of one network share a bucket`(_ one: String, _ other: String, _ isSame: Bool) {
        var buckets = SourceBuckets()
        let single = BudgetLimits.Rate(burst: 1, perSecond: 0.001)
        let isFirstTaken = buckets.take(from: one, single, at: 1)
        let isSecondTaken = buckets.take(from: other, single, at: 1)
        #expect(isFirstTaken)
        #expect(isSecondTaken != isSame)
    }

    @Test(.verifies("house@source-network"))
    func `a site of many networks has ten times a network's budget`() {
        var buckets = SourceBuckets()
        let taken = (0..<500).filter { buckets.take(from: "2001:db8:0:\(String($0, radix: 16))::1", limit, at: 100) }
        #expect(taken.count == 30)
        let isOtherSiteFree = buckets.take(from: "2001:db8:1::1", limit, at: 100)
        let doesFill = buckets.take(from: "2001:db8:0:ffff::1", limit, at: 101)
        #expect(isOtherSiteFree)
        #expect(doesFill)
    }

    @Test(.verifies("house@source-network"))
    func `what is refused for one network costs its neighbours nothing`() {
        var buckets = SourceBuckets()
        for _ in 0..<1000 { _ = buckets.take(from: "2001:db8::1", limit, at: 100) }
        let neighbours = (1..<20).filter { buckets.take(from: "2001:db8:0:\($0)::1", limit, at: 100) }
        #expect(neighbours.count == 19)
    }

    /// So many sites that the first ones are forgotten.
    private func flood(_ buckets: inout SourceBuckets, at now: Int64) -> Int {
        var taken = 0
        for source in 0..<60_000 {
            let address = "2001:\(String(source >> 8 & 0xFFFF, radix: 16)):\(String(source & 0xFF, radix: 16))::1"
            if buckets.take(from: address, limit, at: now) { taken += 1 }
            if buckets.count > SourceBuckets.capacity + 2 { Issue.record("\(buckets.count) are remembered") }
        }
        return taken
    }

    @Test(.verifies("house@source-network"))
    func `sources without end have little more than those that are remembered, in bounded memory`() {
        var buckets = SourceBuckets()
        let taken = flood(&buckets, at: 100)
        // Up to the one by which others are forgotten each has its own; from then on all have one bucket.
        #expect(taken <= SourceBuckets.capacity / 2 + 151)
        #expect(taken >= 5_000)
        let again = flood(&buckets, at: 101)
        #expect(again <= 50, "forgetting fills nothing")
    }

    @Test(.verifies("house@source-network"))
    func `when no bucket is forgotten any longer, each source has its own again`() {
        var buckets = SourceBuckets()
        _ = flood(&buckets, at: 100)
        let isDuring = buckets.take(from: "192.0.2.1", limit, at: 100)
        #expect(!isDuring)
        let taken = (0..<4).filter { _ in buckets.take(from: "192.0.2.2", limit, at: 103) }
        #expect(taken == [0, 1, 2])
    }

    @Test(.verifies("house@source-network"))
    func `what turned out good is given back, and never more than a bucket holds`() {
        var buckets = SourceBuckets()
        for _ in 0..<100 {
            let isTaken = buckets.take(from: "2001:db8::1", limit, at: 100)
            #expect(isTaken)
            buckets.giveBack(to: "2001:db8::2", limit)
        }
        for _ in 0..<10 { buckets.giveBack(to: "2001:db8::1", limit) }
        let taken = (0..<9).filter { _ in buckets.take(from: "2001:db8::1", limit, at: 100) }
        #expect(taken.count == 3)
    }
}
