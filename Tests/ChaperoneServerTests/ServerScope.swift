import Testing

/// Runs a suite with one demo server, started before its first test and stopped cleanly after its last.
struct ServerScope: SuiteTrait, TestScoping {
    @TaskLocal static var current: RunningServer?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await RunningServer.with { server in
            try await Self.$current.withValue(server) { try await function() }
        }
    }
}

extension Trait where Self == ServerScope {
    /// One demo server for the whole suite.
    static var demoServer: ServerScope { ServerScope() }
}
