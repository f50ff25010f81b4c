import Foundation
import Testing

@testable import AccessPolicy
@testable import Enforcement

/// Runs the tests of a suite with the rule broken that `CHAPERONE_MUTANT` names, for `Tests/Mutants/run.py`.
///
/// Without the variable, and where the name is that of no rule, nothing is broken.
struct UnderMutation: TestTrait, SuiteTrait, TestScoping {
    var isRecursive: Bool { true }

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        #if POLICY_MUTANTS
            let name = ProcessInfo.processInfo.environment["CHAPERONE_MUTANT"]
            try await PolicyMutation.$active.withValue(name.flatMap(PolicyMutation.init(rawValue:))) {
                try await EnforcementMutation.$active.withValue(name.flatMap(EnforcementMutation.init(rawValue:))) {
                    try await function()
                }
            }
        #else
            try await function()
        #endif
    }
}

extension Trait where Self == UnderMutation {
    /// The suite is one of those that must see a broken rule.
    static var underMutation: UnderMutation { UnderMutation() }
}
