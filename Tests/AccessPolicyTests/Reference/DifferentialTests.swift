import ReferencePolicy
import RequirementTraits
import Testing

/// The code under test against the slow reading of the rules, on random worlds: 10⁵ cases here, 10⁷ by
/// `Tests/Differential` in the nightly run.
@Suite(.underMutation) struct DifferentialTests {
    @Test(.verifies("house@differential"), arguments: UInt64(1)...8)
    func `reads and searches agree with the reference model`(shard: UInt64) throws {
        var run = try DifferentialRun(.reads, after: shard << 32)

        let tally = try run.run(12_500)

        // A model that never sees anything would agree with everything.
        #expect(tally.found > tally.judged / 16)
    }

    @Test(.verifies("house@differential"), arguments: UInt64(1)...8)
    func `writes agree with the reference model`(shard: UInt64) throws {
        var run = try DifferentialRun(.writes, after: shard << 40)

        let tally = try run.run(6_000)

        // A model that never accepts anything would agree with code that never does.
        #expect(tally.found > tally.judged / 40)
    }

    @Test(.verifies("house@differential"), arguments: UInt64(1)...8)
    func `conditions select what the reference model sees`(shard: UInt64) throws {
        var run = try DifferentialRun(.conditions, after: shard << 44)

        let tally = try run.run(3_000)

        #expect(tally.found > tally.judged / 60)
    }
}
