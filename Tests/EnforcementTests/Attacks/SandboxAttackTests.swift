import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// The attack catalogue against a FHIR server that does everything it is asked: the embedded one, in process.
@Suite(.underMutation) struct SandboxAttackTests {
    /// What the embedded server does not offer is a refusal of ours too, and never somebody's record.
    private static let notOffered: Set<Int> = [400, 404, 502]

    @Test(.verifies("house@attacks-on-sandbox"))
    func `no row of the catalogue gets more from a whole FHIR server than it says`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: try SandboxUpstream(catalogue.records, deleted: catalogue.deleted).upstream,
            panels: catalogue.panels)
        var answered = 0
        for row in catalogue.attacks {
            let token = try catalogue.token(row.token, from: harness)

            let answer = await harness.send(row.method, row.target, token: token, headers: row.headers)

            let note = Comment(rawValue: "\(row.testDescription): \(answer.status) \(answer.text)")
            let isExpected = row.status.contains(answer.status)
            #expect(isExpected || (row.status.contains(200) && Self.notOffered.contains(answer.status)), note)
            if row.mustNotAskUpstream { #expect(answer.upstream.isEmpty, note) }
            if answer.status == 200, row.method != "HEAD", let only = row.only {
                let keys = Set(answer.keys).subtracting(only)
                #expect(keys.allSatisfy { $0.hasPrefix("OperationOutcome") }, note)
            }
            if answer.status == 200 { answered += 1 }
            for text in row.absent { #expect(!answer.text.contains(text), note) }
            try expectNoLeak(answer)
        }
        #expect(answered > 30)
    }
}
