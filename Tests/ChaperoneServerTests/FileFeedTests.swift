import Foundation
import RequirementTraits
import Testing

@testable import Audit
@testable import ChaperoneServer

/// A feed into a file, which may have been cut off in the middle of a line.
@Suite(.verifies("audit@feeds")) struct FileFeedTests {
    private func checkpoint(_ number: Int64) -> AuditFeedBatch {
        AuditFeedBatch(
            items: [
                .checkpoint(
                    StoredAuditCheckpoint(
                        position: number, node: "n", number: number, sequence: number, compact: "compact-\(number)"))
            ], through: number)
    }

    @Test func `what follows a torn line is a line of its own`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "feed-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let feed = FileTransport(
            path: path, system: AuditSystem(name: "c", fhirBase: "https://f", issuer: "https://i")
        ).transport

        try await feed.send(checkpoint(1))
        try Data("compact-1\ncompa".utf8).write(to: URL(filePath: path))
        try await feed.send(checkpoint(2))
        try await feed.send(checkpoint(3))

        #expect(try String(contentsOfFile: path, encoding: .utf8) == "compact-1\ncompa\ncompact-2\ncompact-3\n")
    }
}
