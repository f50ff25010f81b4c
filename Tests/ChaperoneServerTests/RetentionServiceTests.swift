import Audit
import Foundation
import Logging
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Retention does not wait for a server that stands for hours.
@Suite(.verifies("audit@retention"), .timeLimit(.minutes(2))) struct RetentionServiceTests {
    @Test func `what is due goes soon after the start`() async throws {
        let folder = try RunningServer.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let yaml = """
            issuer: http://localhost:8080
            state-directory: \(folder)
            fhir-server: {upstream: "http://127.0.0.1:9"}
            """
        let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
        try await Installation(configuration: configuration).close()
        let later = Clock(milliseconds: { Clock.system.milliseconds() + 4018 * 86_400_000 })
        let installation = try await Installation(configuration: configuration, clock: later)
        let side = installation.auditSide
        try await side.checkpoint()

        let service = RetentionService(
            side: side, logger: Logger(label: "test"), pauses: (first: .milliseconds(1), between: .seconds(3600)))
        let running = Task { try await service.run() }
        while try installation.auditReader.search(AuditQuery(kinds: ["records-removed"])).entries.isEmpty {
            await Task.yield()
        }
        running.cancel()
        try await running.value

        #expect(RetentionService(side: side, logger: Logger(label: "test")).pauses.first <= .seconds(300))
        try await installation.close()
    }
}
