import Audit
import FHIRCore
import RequirementTraits
import Testing

@testable import Enforcement

@Suite struct RecordedTargetTests {
    private static let key = ResourceID("p").map { InstanceKey(type: .patient, id: $0) }

    @Test(
        .verifies("house@every-interaction-recorded"),
        arguments: [
            (FHIRInteraction.capabilities, AccessInteraction.capabilities), (.systemHistory, .historySystem),
            (.typeHistory(.patient), .historyType), (.search(.patient), .searchType), (.searchSystem, .searchSystem),
            (.create(.patient), .create), (.conditionalCreate(.patient), .create),
            (.conditionalUpdate(.patient), .update),
            (.conditionalPatch(.patient), .patch), (.conditionalDelete(.patient), .delete), (.batch, .batch),
            (.transaction, .transaction), (.operation(name: "export", .system), .operation),
            (.page("x"), .unclassified),
        ])
    func `every interaction has its word in the record`(interaction: FHIRInteraction, word: AccessInteraction) {
        #expect(RecordedTarget(interaction).interaction == word)
    }

    @Test func `a compartment is none of the resources in it`() throws {
        let key = try #require(Self.key)

        let target = RecordedTarget(.searchCompartment(.patient, key.id, .observation))

        #expect(target.type == .observation && target.id == nil)
        #expect(target.compartment == "Patient/p")
    }

    @Test func `interactions with one resource name it`() throws {
        let key = try #require(Self.key)

        let targets = [.read(key), .instanceHistory(key), .update(key), .patch(key), .delete(key)].map(
            RecordedTarget.init)

        #expect(targets.map(\.interaction) == [.read, .historyInstance, .update, .patch, .delete])
        #expect(targets.allSatisfy { $0.type == .patient && $0.id == key.id })
    }
}
