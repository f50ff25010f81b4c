import RequirementTraits
import Testing

@Suite struct RequirementTraitTests {
    @Test(.verifies("house@requirement-trait")) func `a test can name the requirement it shows`() {
        let named = Test.current?.traits.compactMap { $0 as? RequirementTrait }.flatMap(\.requirements)
        #expect(named == ["house@requirement-trait"])
    }
}
