import Audit
import Foundation
import OAuthCore
import Persistence
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Cursors of feeds that are configured no longer, and that nobody signed, do not stand for ever.
@Suite(.verifies("audit@cursors-signed")) struct StrayCursorTests {
    @Test func `a cursor without a good signature and without a feed is recorded and forgotten, and no other`()
        async throws
    {
        let folder = try RunningServer.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let yaml = """
            issuer: http://localhost:8080
            state-directory: \(folder)
            fhir-server: {upstream: "http://127.0.0.1:9"}
            audit: {feeds: [{name: siem, carries: records, file: \(folder)/siem.log}]}
            """
        let installation = try await Installation(
            configuration: try Configuration(settings: try Setting(yaml: yaml), isDemo: false))
        let (side, stranger) = (installation.auditSide, try PrivateJWK.generate(.es256))
        try side.advance("signed", of: .records, to: 3)
        for feed in ["siem", "gone"] {
            try side.store.advance(
                SignedAuditFeedCursor(feed: feed, source: .records, position: 7, signedWith: stranger))
        }

        for _ in 0..<2 { try await side.forgetStrayCursors() }

        // That of a feed that is configured is for the feed's own beginning.
        #expect(try side.store.cursors().map(\.feed) == ["siem", "signed"])
        let records = try installation.auditReader.search(
            AuditQuery(kinds: ["configuration-changed"], outcomes: ["failed"], limit: 10)
        ).entries.compactMap { entry -> AuthorizationRecord? in
            guard case .authorization(let record) = try entry.statement().event else { return nil }
            return record
        }
        #expect(records.count == 1)
        #expect(records.first?.outcome.reason == "cursor-not-signed")
        #expect(records.first?.detail?.contains("feed gone") == true)
        #expect(try side.store.delivered(by: "signed", of: .records, keys: side.keys) == 3)
        try await installation.close()
    }

    @Test(.verifies("audit@cursors-counted"))
    func `a feed that carries something else begins anew, with a record, and holds retention back until then`()
        async throws
    {
        let folder = try RunningServer.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let yaml = """
            issuer: http://localhost:8080
            state-directory: \(folder)
            fhir-server: {upstream: "http://127.0.0.1:9"}
            audit: {feeds: [{name: siem, carries: records, file: \(folder)/siem.log}]}
            """
        let installation = try await Installation(
            configuration: try Configuration(settings: try Setting(yaml: yaml), isDemo: false))
        let side = installation.auditSide
        try side.advance("siem", of: .checkpoints, to: 9)

        #expect(try side.feedLags().map(\.delivered) == [0])
        let beginning = try await side.beginning(of: "siem", carrying: .records)
        #expect(beginning.position == 0)
        #expect(beginning.fault?.detail == "it counted checkpoints, and carries records")
        try side.advance("siem", of: .records, to: 2)

        #expect(try await side.beginning(of: "siem", carrying: .records).position == 2)
        let reasons = try installation.auditReader.search(
            AuditQuery(kinds: ["configuration-changed"], outcomes: ["failed"], limit: 10)
        ).entries.compactMap { entry -> String? in
            guard case .authorization(let record) = try entry.statement().event else { return nil }
            return record.outcome.reason
        }
        #expect(reasons == ["cursor-counts-other"])
        try await installation.close()
    }
}
