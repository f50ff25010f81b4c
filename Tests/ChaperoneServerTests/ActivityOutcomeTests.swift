import AccessPolicy
import Audit
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
        for key in ["allowed", "records", "pending", "decisionGiven", "interrupted", "refused", "failed", "noScope"] {
            #expect(t[key]?.isEmpty == false, "no words for \(key)")
        }
        #expect(said[3].text.hasPrefix(t["allowed"] ?? "?") && said[3].text.contains("0"))
        #expect(said[0].text.contains(t["refused"] ?? "?"))
    }
}
