public import Testing

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Ties a test to the requirements it shows, by their ids in `conformance/requirements/*.yaml`.
///
/// When the environment names a file in `CHAPERONE_REQUIREMENTS_LOG`, each run of a test (each case of a
/// parameterised one) appends a line `test id ⇥ requirement id`. The coverage gate joins that file with the
/// outcome of the run, so a requirement counts as shown only when its test has really passed.
public struct RequirementTrait: TestTrait, SuiteTrait, TestScoping {
    /// The requirement ids, such as `attack@ATK-001` or `rfc6749@code-single-use`.
    public let requirements: [String]

    init(requirements: [String]) { self.requirements = requirements }

    /// A suite's requirements belong to each test in it.
    public var isRecursive: Bool { true }

    /// Writes one line per requirement, then runs the test.
    @concurrent public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        if testCase != nil {
            RequirementLog.append(requirements.map { "\(test.id)\t\($0)\n" }.joined())
        }
        try await function()
    }
}

extension Trait where Self == RequirementTrait {
    /// States which requirements a test shows, e.g. `@Test(.verifies("attack@ATK-001"))`.
    public static func verifies(_ requirements: String...) -> RequirementTrait {
        RequirementTrait(requirements: requirements)
    }
}

/// The file that the coverage gate reads; lines are appended whole, so parallel tests do not mix.
private enum RequirementLog {
    static func append(_ text: String) {
        guard let path = getenv("CHAPERONE_REQUIREMENTS_LOG") else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}
