import AccessPolicy
import Audit
import FHIRCore
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// A cursor counts records or checkpoints, and is believed for what it counts only.
@Suite(.verifies("audit@cursors-counted")) struct FeedCursorTests {
    private let folder: LogFolder
    private let key: PrivateJWK
    private let sink: AuditSQLiteSink
    private var keys: JWKSet { JWKSet([key.publicKey]) }

    init() throws {
        folder = try LogFolder()
        key = try PrivateJWK.generate(.es256)
        sink = try AuditSQLiteSink(path: "\(folder.path)/audit.db")
    }

    /// A cursor as a release before this one signed it.
    private func old(_ position: Int64) throws -> StoredAuditFeedCursor {
        let compact = try JWS.sign(
            .object([.init("feed", .string("f")), .init("position", .int(position))]), type: "audit-cursor+jwt",
            with: key)
        return StoredAuditFeedCursor(feed: "f", position: position, compact: compact)
    }

    @Test(arguments: AuditFeedSource.allCases, AuditFeedSource.allCases)
    func `a cursor is believed for the source that it counted`(counted: AuditFeedSource, carried: AuditFeedSource)
        throws
    {
        try sink.advance(SignedAuditFeedCursor(feed: "f", source: counted, position: 7, signedWith: key))

        let delivered = try sink.delivered(by: "f", of: carried, keys: keys)

        #expect(delivered == (counted == carried ? 7 : 0))
        // It is not what the feed may begin from, and yet it is what was signed.
        #expect(try sink.cursor(of: "f")?.finding(keys: keys) == nil)
    }

    /// There are three checkpoints.
    @Test(arguments: [
        (Int64(4), AuditFeedSource.records, true), (3, .records, false), (1, .records, false), (4, .checkpoints, false),
        (3, .checkpoints, false),
    ]) func `an older cursor is believed where it can only have counted records`(
        position: Int64, source: AuditFeedSource, isBelieved: Bool
    ) throws {
        let cursor = try old(position)

        #expect((cursor.finding(counting: source, newest: 3, keys: keys) == nil) == isBelieved)
        #expect(cursor.finding(keys: keys) == nil)
    }

    @Test func `a source that is none of ours is no cursor`() throws {
        let compact = try JWS.sign(
            .object([
                .init("feed", .string("f")), .init("source", .string("secrets")), .init("position", .int(9)),
            ]), type: "audit-cursor+jwt", with: key)
        let cursor = StoredAuditFeedCursor(feed: "f", position: 9, compact: compact)

        #expect(cursor.finding(counting: .records, newest: 0, keys: keys)?.fault == .forged)
        #expect(cursor.finding(keys: keys)?.fault == .forged)
    }
}
