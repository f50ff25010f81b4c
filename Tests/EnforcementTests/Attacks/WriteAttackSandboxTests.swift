import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// The same attacks against the embedded server, which resolves names, conditions and versions by itself.
@Suite(.underMutation) struct WriteAttackSandboxTests {
    static let rows = (try? WriteAttackCatalogue.shared.get().attacks) ?? []

    @Test func `there are rows`() { #expect(Self.rows.count > 100) }

    @Test(arguments: Self.rows)
    func `a real server is written to in the same way`(row: WriteAttackCatalogue.Attack) async throws {
        let shared = try AttackCatalogue.shared.get()
        let sandbox = try SandboxUpstream(shared.records, deleted: shared.deleted)
        let harness = try GatewayHarness(upstream: sandbox.upstream)
        let token = try WriteAttackCatalogue.shared.get().token(row.token, from: harness)
        let before = try sandbox.currentRecords()

        let answer = await harness.send(row.method, row.target, token: token, headers: row.headers, body: row.body)

        let note = Comment(rawValue: "\(answer.status) \(answer.text)")
        #expect(row.status.contains(answer.status), note)
        if let entries = row.entries { #expect(answer.entryStatuses == entries, note) }
        let changes = ScriptedRecords.changes(from: before, to: try sandbox.currentRecords())
        #expect(changes.isSubset(of: row.changes), note)
        #expect(changes.isEmpty == row.changes.isEmpty, note)
        try expectNoLeak(answer)
    }
}
