import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// The attack catalogue run through the whole gateway without sockets, against a server that obeys and one that ignores
/// every search parameter. The rows are in `fixtures/attacks/attacks.json`.
@Suite(.underMutation) struct AttackTests {
    /// Runs every row of an id.
    static func attack(_ id: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let rows = catalogue.attacks.filter { $0.id == id }
        #expect(!rows.isEmpty)
        for obedience in [ScriptedRecords.Obedience.obedient, .lenient] {
            let harness = try GatewayHarness(
                upstream: catalogue.store(obedience).upstream, panels: catalogue.panels)
            for row in rows { try await Self.run(row, "\(obedience)", catalogue, harness) }
        }
    }

    /// Runs one row; `server` says behind which one, for the report.
    static func run(
        _ row: AttackCatalogue.Attack, _ server: String, _ catalogue: AttackCatalogue,
        _ harness: GatewayHarness
    ) async throws {
        let token = try catalogue.token(row.token, from: harness)

        let answer = await harness.send(row.method, row.target, token: token, headers: row.headers)

        let note = Comment(rawValue: "\(row.testDescription) against \(server): \(answer.status) \(answer.text)")
        #expect(row.status.contains(answer.status), note)
        if row.mustNotAskUpstream { #expect(answer.upstream.isEmpty, note) }
        if answer.status == 200, row.method != "HEAD" {
            let keys = Set(answer.keys)
            for key in row.contains { #expect(keys.contains(key), note) }
            if let only = row.only {
                #expect(keys.subtracting(only).allSatisfy { $0.hasPrefix("OperationOutcome") }, note)
            }
        }
        for text in row.absent { #expect(!answer.text.contains(text), note) }
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-001"))
    func `another patient's id is answered like one that never existed`() async throws {
        try await Self.attack("ATK-001")
    }

    @Test(.verifies("attack@ATK-003"))
    func `a foreign record is answered like one that never existed`() async throws { try await Self.attack("ATK-003") }

    @Test(.verifies("attack@ATK-004"))
    func `HEAD tells no more than GET`() async throws { try await Self.attack("ATK-004") }

    @Test(.verifies("attack@ATK-006"))
    func `a condition on a foreign record is not evaluated`() async throws { try await Self.attack("ATK-006") }

    @Test(.verifies("attack@ATK-008"))
    func `a deleted foreign record looks like none`() async throws { try await Self.attack("ATK-008") }

    @Test(.verifies("attack@ATK-009"))
    func `searching does not imply reading`() async throws { try await Self.attack("ATK-009") }

    @Test(.verifies("attack@ATK-010"))
    func `reading does not imply searching by id`() async throws { try await Self.attack("ATK-010") }

    @Test(.verifies("attack@ATK-011"))
    func `a type that was not granted is refused before anything is asked`() async throws {
        try await Self.attack("ATK-011")
    }

    @Test(.verifies("attack@ATK-012"))
    func `a granular constraint holds for reads`() async throws { try await Self.attack("ATK-012") }

    @Test(.verifies("attack@ATK-015"))
    func `a search without a patient is narrowed`() async throws { try await Self.attack("ATK-015") }

    @Test(.verifies("attack@ATK-016"))
    func `naming another patient is refused without asking`() async throws { try await Self.attack("ATK-016") }

    @Test(.verifies("attack@ATK-019"))
    func `every membership parameter is looked at`() async throws { try await Self.attack("ATK-019") }

    @Test(.verifies("attack@ATK-020"))
    func `a negated membership parameter is refused`() async throws { try await Self.attack("ATK-020") }

    @Test(.verifies("attack@ATK-021"))
    func `asking for rows without a patient is refused`() async throws { try await Self.attack("ATK-021") }

    @Test(.verifies("attack@ATK-022"))
    func `the identifier modifier on a membership parameter is refused`() async throws {
        try await Self.attack("ATK-022")
    }

    @Test(.verifies("attack@ATK-023"))
    func `the type modifier to another target is refused`() async throws { try await Self.attack("ATK-023") }

    @Test(.verifies("attack@ATK-025"))
    func `the legal type modifier with the own id works`() async throws { try await Self.attack("ATK-025") }

    @Test(.verifies("attack@ATK-027"))
    func `a path in a reference value is refused`() async throws { try await Self.attack("ATK-027") }

    @Test(.verifies("attack@ATK-028"))
    func `a reference to another server is not the patient in context`() async throws {
        try await Self.attack("ATK-028")
    }

    @Test(.verifies("attack@ATK-029"))
    func `an absolute reference to our own base is the patient in context`() async throws {
        try await Self.attack("ATK-029")
    }

    @Test(.verifies("attack@ATK-031"))
    func `an encoded comma is a comma`() async throws { try await Self.attack("ATK-031") }

    @Test(.verifies("attack@ATK-033"))
    func `parameter names are case-sensitive`() async throws { try await Self.attack("ATK-033") }

    @Test(.verifies("attack@ATK-036"))
    func `array brackets in a parameter name are refused`() async throws { try await Self.attack("ATK-036") }

    @Test(.verifies("attack@ATK-037"))
    func `a semicolon separates nothing`() async throws { try await Self.attack("ATK-037") }

    @Test(.verifies("attack@ATK-038"))
    func `a fragment in the target is refused`() async throws { try await Self.attack("ATK-038") }

    @Test(.verifies("attack@ATK-039"))
    func `an unknown parameter is never forwarded`() async throws { try await Self.attack("ATK-039") }

    @Test(.verifies("attack@ATK-040"))
    func `the filter language is refused`() async throws { try await Self.attack("ATK-040") }

    @Test(.verifies("attack@ATK-041"))
    func `named queries are refused`() async throws { try await Self.attack("ATK-041") }

    @Test(.verifies("attack@ATK-042"))
    func `searching by list membership is refused`() async throws { try await Self.attack("ATK-042") }

    @Test(.verifies("attack@ATK-043"))
    func `a type parameter on a type search is refused`() async throws { try await Self.attack("ATK-043") }

    @Test(.verifies("attack@ATK-044"))
    func `a search of all patients finds the own one`() async throws { try await Self.attack("ATK-044") }

    @Test(.verifies("attack@ATK-045"))
    func `an id list with another patient finds nobody else`() async throws { try await Self.attack("ATK-045") }

    @Test(.verifies("attack@ATK-046"))
    func `a linked patient is not the patient`() async throws { try await Self.attack("ATK-046") }

    @Test(.verifies("attack@ATK-047"))
    func `a demographic search finds nobody else`() async throws { try await Self.attack("ATK-047") }

    @Test(.verifies("attack@ATK-048"))
    func `an identifier is no oracle`() async throws { try await Self.attack("ATK-048") }

    @Test(.verifies("attack@ATK-049"))
    func `groups stay closed`() async throws { try await Self.attack("ATK-049") }

    @Test(.verifies("attack@ATK-050"))
    func `shared types can be searched`() async throws { try await Self.attack("ATK-050") }

    @Test(.verifies("attack@ATK-052"))
    func `devices of others and of nobody stay hidden`() async throws { try await Self.attack("ATK-052") }

    @Test(.verifies("attack@ATK-053"))
    func `a document about many patients is refused`() async throws { try await Self.attack("ATK-053") }

    @Test(.verifies("attack@ATK-054"))
    func `an included foreign patient does not leave`() async throws { try await Self.attack("ATK-054") }

    @Test(.verifies("attack@ATK-055"))
    func `an included subscriber does not leave`() async throws { try await Self.attack("ATK-055") }

    @Test(.verifies("attack@ATK-056"))
    func `a reverse include brings no foreign record`() async throws { try await Self.attack("ATK-056") }

    @Test(.verifies("attack@ATK-057"))
    func `a reverse include across patients brings nothing`() async throws { try await Self.attack("ATK-057") }

    @Test(.verifies("attack@ATK-058"))
    func `every hop of an iterated include is checked`() async throws { try await Self.attack("ATK-058") }

    @Test(.verifies("attack@ATK-059"))
    func `the old spelling of iterate gains nothing`() async throws { try await Self.attack("ATK-059") }

    @Test(.verifies("attack@ATK-060"))
    func `a reverse wildcard brings nothing that is not granted`() async throws { try await Self.attack("ATK-060") }

    @Test(.verifies("attack@ATK-061"))
    func `an include wildcard brings nothing that is not granted`() async throws { try await Self.attack("ATK-061") }

    @Test(.verifies("attack@ATK-062"))
    func `an included type needs its own grant`() async throws { try await Self.attack("ATK-062") }
}
