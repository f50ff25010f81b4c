import AccessPolicy
import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

/// What proves nothing cannot fill the log, and is not lost either.
@Suite(.verifies("audit@junk-bounded")) struct RefusalLedgerTests {
    private static let start: Int64 = 1_760_000_000_000

    @Test(arguments: [
        ("192.0.2.7", "192.0.2.0/24"), ("192.0.2.255", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("2001:0DB8:0001:ffff::", "2001:db8:1::/48"), ("::1", "0:0:0::/48"), ("fe80::1%eth0", "fe80:0:0::/48"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("64:ff9b::192.0.2.1", "64:ff9b:0::/48"), ("local", "unknown"), ("", "unknown"), ("1.2.3", "unknown"),
        ("1.2.3.4.5", "unknown"), ("1.2.3.256", "unknown"), ("a::b::c", "unknown"), ("1:2:3", "unknown"),
    ]) func `addresses of one network are one source`(address: String, network: String) {
        #expect(SourceClass(of: address).text == network)
    }

    @Test func `the first are recorded one by one, the others are in a sum that says what they were`() throws {
        let ledger = RefusalLedger(.init(burst: 10, perSecond: 0, perSource: 2, sources: 4))

        let verdicts = (0..<6).map { number in
            ledger.enter(
                number < 4 ? "no-token" : "expired", from: "192.0.2.\(number)", at: Self.start + Int64(number) * 1000)
        }
        let summaries = ledger.close()

        #expect(
            verdicts == [
                .recorded(unrecordedBefore: 0), .recorded(unrecordedBefore: 0), .summed, .summed, .summed, .summed,
            ]
        )
        #expect(summaries.count == 1)
        let record = summaries[0].record(id: DecisionID("s"), place: "fhir", at: Self.start + 60_000)
        #expect(record.kind == .refusalsSummed)
        #expect(record.sourceAddress == "192.0.2.0/24")
        #expect(
            record.detail
                == "fhir: 4 refusals not recorded one by one, 2025-10-09T08:53:22.000Z to 2025-10-09T08:53:25.000Z: "
                + "expired 2, no-token 2")
        #expect(AuditRecordClass(AuditStatement(event: .authorization(record), phase: .whole)) == .anonymous)
        #expect(ledger.close().isEmpty)
        #expect(ledger.total == 4)
    }

    @Test func `one network's flood leaves the others their records`() {
        let ledger = RefusalLedger(.init(burst: 10, perSecond: 0, perSource: 2))
        for _ in 0..<1000 { _ = ledger.enter("no-token", from: "203.0.113.1", at: Self.start) }
        #expect(ledger.enter("no-token", from: "192.0.2.1", at: Self.start) == .recorded(unrecordedBefore: 998))
    }

    @Test func `each interval begins anew`() {
        let ledger = RefusalLedger(.init(burst: 100, perSecond: 0, perSource: 1, interval: 60))
        #expect(ledger.enter("no-token", from: "192.0.2.1", at: Self.start) == .recorded(unrecordedBefore: 0))
        #expect(ledger.enter("no-token", from: "192.0.2.1", at: Self.start + 59_999) == .summed)
        #expect(ledger.enter("no-token", from: "192.0.2.1", at: Self.start + 60_000) == .recorded(unrecordedBefore: 1))
    }

    @Test func `a sum that could not be written is in the next one`() {
        let ledger = RefusalLedger(.init(burst: 0, perSecond: 0))
        ledger.count("throttled", from: "192.0.2.1", at: Self.start)
        ledger.putBack(ledger.close())
        ledger.count("no-token", from: "192.0.2.1", at: Self.start + 5)

        let summaries = ledger.close()

        #expect(summaries.map(\.reasons) == [["throttled": 1, "no-token": 1]])
        #expect(summaries.map { $0.last - $0.first } == [5])
    }

    /// A day of the worst that can come, from more networks than there are places, with a clock that jumps back too.
    @Test func `a day's flood from everywhere makes no more records than foretold, and none is lost`() {
        let limits = RefusalLedger.Limits(burst: 50, perSecond: 0.1, perSource: 5, sources: 4, interval: 60)
        let ledger = RefusalLedger(limits)
        var (records, summed, sent) = (0, 0, 0)
        for second in 0..<86_400 {
            let now = Self.start + Int64(second) * 1000 - (second.isMultiple(of: 97) ? 5000 : 0)
            for _ in 0..<5 {
                sent += 1
                let address = "\(sent % 223 + 1).\(sent % 251).\(sent % 241).1"
                if case .recorded = ledger.enter("no-token", from: address, at: now) { records += 1 }
            }
            if second % 60 == 59 {
                let summaries = ledger.close()
                records += summaries.count
                summed += summaries.reduce(0) { $0 + $1.count }
            }
        }

        #expect(Double(records) <= limits.recordsPerDay + 1)
        #expect(summed == ledger.total)
        #expect(records < 18_000)
        #expect(sent == 432_000)
    }

    @Test func `the house's limits bound a day of flood by what any disk holds`() {
        // At about a kilobyte each.
        #expect(RefusalLedger.Limits().recordsPerDay < 70_000)
    }
}
