import AccessPolicy
import FHIRCore
import Testing

/// The table of types is total, and agrees with the published compartment.
@Suite(.underMutation) struct TypeTableTests {
    let table = Exchange.policy.types

    @Test func `there are 146 types and each has a rule`() {
        #expect(ResourceType.allCases.count == 146)
        for type in ResourceType.allCases { #expect(table[type].type == type) }
    }

    @Test(arguments: ResourceType.allCases)
    func `a type of the published compartment is never shared`(type: ResourceType) {
        guard R4.patientMembership(type) != nil else { return }

        let rule = table[type]
        #expect(rule.typeClass == .compartment || rule.typeClass == .restricted)
        #expect(rule.typeClass == .restricted || rule.narrowingParameter != nil)
    }

    @Test(arguments: ResourceType.allCases)
    func `a shared type has no search parameter that leads to patients alone`(type: ResourceType) {
        guard table[type].typeClass == .shared else { return }

        #expect(R4.searchParameters(for: type).allSatisfy { $0.targets != [.patient] })
    }

    @Test func `a table with a missing, doubled or unreadable rule is none`() {
        let all = ResourceType.allCases.map { table[$0] }

        #expect(throws: TypeTable.Incomplete.missing([.account])) { try TypeTable(Array(all.dropFirst())) }
        #expect(throws: TypeTable.Incomplete.repeated([.account])) { try TypeTable(all + [all[0]]) }
    }
}
