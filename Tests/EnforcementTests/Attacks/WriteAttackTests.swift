import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Writes that are attacks, through the whole gateway without sockets, against a server that obeys and one that ignores
/// every search parameter. The rows are in `fixtures/attacks/writes.json`.
@Suite(.underMutation) struct WriteAttackTests {
    /// Runs every row of an id, each on a store of its own.
    private func attack(_ id: String) async throws {
        let catalogue = try WriteAttackCatalogue.shared.get()
        let rows = catalogue.attacks.filter { $0.id == id }
        #expect(!rows.isEmpty)
        for obedience in [ScriptedRecords.Obedience.obedient, .lenient] {
            for row in rows { try await run(row, obedience, catalogue) }
        }
    }

    private func run(
        _ row: WriteAttackCatalogue.Attack, _ obedience: ScriptedRecords.Obedience, _ catalogue: WriteAttackCatalogue
    ) async throws {
        let store = try AttackCatalogue.shared.get().store(obedience)
        let harness = try GatewayHarness(upstream: store.upstream)
        let token = try catalogue.token(row.token, from: harness)
        let before = store.currentRecords

        let answer = await harness.send(row.method, row.target, token: token, headers: row.headers, body: row.body)

        let note = Comment(rawValue: "\(row.testDescription) against \(obedience): \(answer.status) \(answer.text)")
        #expect(row.status.contains(answer.status), note)
        if let entries = row.entries { #expect(answer.entryStatuses == entries, note) }
        if row.mustNotAskUpstream { #expect(answer.upstream.isEmpty, note) }
        for text in row.absent { #expect(!answer.text.contains(text), note) }
        let changes = ScriptedRecords.changes(from: before, to: store.currentRecords)
        #expect(changes.isSubset(of: row.changes), note)
        #expect(changes.isEmpty == row.changes.isEmpty, note)
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-104"))
    func `no record is made for another patient`() async throws { try await attack("ATK-104") }

    @Test(.verifies("attack@ATK-105"))
    func `a record cannot be made for nobody`() async throws { try await attack("ATK-105") }

    @Test(.verifies("attack@ATK-106"))
    func `a new record cannot name another patient`() async throws { try await attack("ATK-106") }

    @Test(.verifies("attack@ATK-107"))
    func `a subject without an address is nobody`() async throws { try await attack("ATK-107") }

    @Test(.verifies("attack@ATK-108"))
    func `an address beside an identifier is not trusted`() async throws { try await attack("ATK-108") }

    @Test(.verifies("attack@ATK-110"))
    func `only canonical spellings name the patient`() async throws { try await attack("ATK-110") }

    @Test(.verifies("attack@ATK-111"))
    func `a foreign reference is answered like one to nothing`() async throws { try await attack("ATK-111") }

    @Test(.verifies("attack@ATK-114"))
    func `a constraint is held against its own element`() async throws { try await attack("ATK-114") }

    @Test(.verifies("attack@ATK-115"))
    func `a patient's token makes no patients`() async throws { try await attack("ATK-115") }

    @Test(.verifies("attack@ATK-116"))
    func `a record of somebody else cannot be taken over`() async throws { try await attack("ATK-116") }

    @Test(.verifies("attack@ATK-117"))
    func `a record cannot be moved to another patient`() async throws { try await attack("ATK-117") }

    @Test(.verifies("attack@ATK-118"))
    func `a record cannot leave the granted category`() async throws { try await attack("ATK-118") }

    @Test(.verifies("attack@ATK-119"))
    func `a hidden record cannot be moved into view`() async throws { try await attack("ATK-119") }

    @Test(.verifies("attack@ATK-120"))
    func `an id is not free for whoever asks`() async throws { try await attack("ATK-120") }

    @Test(.verifies("attack@ATK-121"))
    func `a body bears the id of its address`() async throws { try await attack("ATK-121") }

    @Test(.verifies("attack@ATK-122"))
    func `a body is of the type of its address`() async throws { try await attack("ATK-122") }

    @Test(.verifies("attack@ATK-123"))
    func `a patient cannot be linked to another`() async throws { try await attack("ATK-123") }

    @Test(.verifies("attack@ATK-124"))
    func `a patient cannot take another's number`() async throws { try await attack("ATK-124") }

    @Test(.verifies("attack@ATK-125"))
    func `a version that is gone is not written over`() async throws { try await attack("ATK-125") }

    @Test(.verifies("attack@ATK-128"))
    func `a patch is judged by what it makes`() async throws { try await attack("ATK-128") }

    @Test(.verifies("attack@ATK-129"))
    func `a patch that tells what is stored needs the right to read it`() async throws { try await attack("ATK-129") }

    @Test(.verifies("attack@ATK-130"))
    func `patches that are not computed here are refused`() async throws { try await attack("ATK-130") }

    @Test(.verifies("attack@ATK-131"))
    func `a patch of nothing is still a patch of something`() async throws { try await attack("ATK-131") }

    @Test(.verifies("attack@ATK-132"))
    func `a patch needs the letter for updates`() async throws { try await attack("ATK-132") }

    @Test(.verifies("attack@ATK-134"))
    func `deleting what is foreign and what is nothing look alike`() async throws { try await attack("ATK-134") }

    @Test(.verifies("attack@ATK-135"))
    func `a patient does not delete itself`() async throws { try await attack("ATK-135") }

    @Test(.verifies("attack@ATK-136"))
    func `a delete reaches no further than its resource`() async throws { try await attack("ATK-136") }

    @Test(.verifies("attack@ATK-137"))
    func `writing does not include reading`() async throws { try await attack("ATK-137") }

    @Test(.verifies("attack@ATK-138"))
    func `no header stores a second resource`() async throws { try await attack("ATK-138") }

    @Test(.verifies("attack@ATK-139"))
    func `a subscription is not made by a patient`() async throws { try await attack("ATK-139") }

    @Test(.verifies("attack@ATK-140"))
    func `a file cannot be attached to another patient`() async throws { try await attack("ATK-140") }

    @Test(.verifies("attack@ATK-141"))
    func `definitions are not written`() async throws { try await attack("ATK-141") }

    @Test(.verifies("attack@ATK-142"))
    func `what decides about access is not written`() async throws { try await attack("ATK-142") }

    @Test(.verifies("attack@ATK-143"))
    func `a condition looks only where its token may`() async throws { try await attack("ATK-143") }

    @Test(.verifies("attack@ATK-144"))
    func `a condition is a search and needs its letter`() async throws { try await attack("ATK-144") }

    @Test(.verifies("attack@ATK-147"))
    func `hidden rows do not count for a conditional update`() async throws { try await attack("ATK-147") }

    @Test(.verifies("attack@ATK-148"))
    func `a conditional delete takes one of one's own or nothing`() async throws { try await attack("ATK-148") }

    @Test(.verifies("attack@ATK-149"))
    func `a delete without a condition is refused`() async throws { try await attack("ATK-149") }

    @Test(.verifies("attack@ATK-150"))
    func `a conditional patch finds nothing foreign`() async throws { try await attack("ATK-150") }

    @Test(.verifies("attack@ATK-151"))
    func `a condition is no subject`() async throws { try await attack("ATK-151") }

    @Test(.verifies("attack@ATK-154"))
    func `each entry of a batch stands on its own`() async throws { try await attack("ATK-154") }

    @Test(.verifies("attack@ATK-155"))
    func `an entry has no address elsewhere`() async throws { try await attack("ATK-155") }

    @Test(.verifies("attack@ATK-157"))
    func `a Bundle is no entry`() async throws { try await attack("ATK-157") }

    @Test(.verifies("attack@ATK-158"))
    func `a search in an entry is narrowed like any other`() async throws { try await attack("ATK-158") }

    @Test(.verifies("attack@ATK-159"))
    func `a POST in an entry is what its address says`() async throws { try await attack("ATK-159") }

    @Test(.verifies("attack@ATK-162"))
    func `a name is that of one entry`() async throws { try await attack("ATK-162") }

    @Test(.verifies("attack@ATK-163"))
    func `one instance is written once`() async throws { try await attack("ATK-163") }

    @Test(.verifies("attack@ATK-164"))
    func `deletes need their letter and come first`() async throws { try await attack("ATK-164") }

    @Test(.verifies("attack@ATK-165"))
    func `methods are those of FHIR`() async throws { try await attack("ATK-165") }

    @Test(.verifies("attack@ATK-166"))
    func `only a batch and a transaction ask for something`() async throws { try await attack("ATK-166") }

    @Test(.verifies("attack@ATK-167"))
    func `conditions of entries are those of requests`() async throws { try await attack("ATK-167") }

    @Test(.verifies("attack@ATK-170"))
    func `reads beside writes are judged after them`() async throws { try await attack("ATK-170") }

    @Test(.verifies("attack@ATK-185"))
    func `a header does not change the method`() async throws { try await attack("ATK-185") }
}
