import AccessPolicy
import Audit
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// What a person reads of what became of an access.
@Suite struct ActivityOutcomeTests {
    @Test(arguments: [PageLanguage.english, .spanish])
    func `only what cannot have left is called refused, and every outcome has words of its own`(
        _ language: PageLanguage
    ) {
        let t = AccountTexts.texts(language)
        let outcomes: [(AccessOutcome, isRefused: Bool)] = [
            (.refused(reason: "no"), true), (.failed(reason: "no"), true), (.pending, false), (.permitted, false),
            (.decisionGiven, false), (.interrupted(reason: "cut"), false),
        ]
        let said = outcomes.map { outcome, _ in
            ActivityOutcome.words(
                for: AccessRecord(
                    decisionID: DecisionID("d"), interaction: .read, method: "GET", path: "Patient/a", outcome: outcome,
                    startedAt: 0),
                t)
        }
        #expect(said.map(\.isRefused) == outcomes.map(\.isRefused))
        #expect(Set(said.map(\.text)).count == outcomes.count)
        // A key that has no text would be shown as itself.
        for key in [
            "allowed", "records", "askedOnly", "pending", "decisionGiven", "interrupted", "refused", "failed",
            "noScope",
        ] {
            #expect(t[key]?.isEmpty == false, "no words for \(key)")
        }
        #expect(said[3].text.hasPrefix(t["allowed"] ?? "?") && said[3].text.contains("0"))
        #expect(said[0].text.contains(t["refused"] ?? "?"))
    }

    @Test(
        .verifies("audit@patients-asked"), arguments: [PageLanguage.english, .spanish],
        [AccessOutcome.permitted, .interrupted(reason: "cut")])
    func `who was only asked for does not read that something of theirs was given`(
        _ language: PageLanguage, outcome: AccessOutcome
    ) {
        let t = AccountTexts.texts(language)
        var record = AccessRecord(
            decisionID: DecisionID("d"), patients: ["p", "q"], interaction: .searchType, method: "GET",
            path: "/Observation", outcome: outcome, released: 5, startedAt: 0)
        record.askedOnly = ["p"]

        let asked = ActivityOutcome.words(for: record, of: "p", t)
        let given = ActivityOutcome.words(for: record, of: "q", t)

        #expect(asked.text == t["askedOnly"] && asked.isRefused)
        #expect(given.text != asked.text && !given.isRefused)
    }

    @Test(.verifies("audit@patients-asked"))
    func `the console says of whom an access had nothing`() throws {
        var record = AccessRecord(
            decisionID: DecisionID("d"), patients: ["p", "q"], interaction: .searchType, method: "GET",
            path: "/Observation", outcome: .permitted, released: 5, startedAt: 0)
        record.askedOnly = ["p"]
        let statement = AuditStatement(event: .access(record), phase: .whole)
        let entry = AuditEntry(
            node: "n", sequence: 1, recordedAt: 0, previous: .origin, hash: .origin, body: statement.encoded,
            index: AuditIndex(statement))

        let row = try AuditListing(names: [:]).row(entry)

        #expect(AuditPageFacts.Entry(row).patients == "p (only asked for), q")
        var summary = AccessSummary()
        summary.add(row)
        #expect(summary.sums.first { $0.key.patient == "p" }?.value.released == 0)
        #expect(summary.sums.first { $0.key.patient == "q" }?.value.released == 5)
    }
}
