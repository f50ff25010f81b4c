public import Audit
internal import GRDB
public import OAuthCore
internal import Synchronization

/// Verifies a whole log in SQLite, offline or beside a server that writes it: every entry, every chain, every checkpoint
/// and removal, and the indexes through which answers are found. It only reads, in parts side by side on all cores.
public enum AuditSQLiteVerification {
    /// Verifies the log at a path.
    ///
    /// - Parameters:
    ///   - keys: the public keys whose signatures count, from a place that the log's administrator cannot reach.
    ///   - anchors: copies of checkpoints that were sent outside.
    ///   - progress: told now and then how many entries of how many have been walked, from several threads.
    /// - Throws: when there is no log that can be opened.
    public static func verify(
        path: String, keys: JWKSet, anchors: [String] = [],
        progress: (@Sendable (_ done: Int64, _ of: Int64) -> Void)? = nil
    ) throws -> AuditVerification {
        let facts = try AuditSQLiteFacts(path: path)
        let review = AuditCheckpointReview(facts.checkpoints, anchors: anchors, keys: keys)
        let walk = AuditSQLiteWalk(path: path, expecting: review.ends)
        let done = Mutex<Int64>(0)
        // Indexes first: each is one piece of work, and the longest ones must not be left for the end.
        let tasks = facts.shapes.map { Task.index($0) } + parts(facts).map { .part($0) }
        let results = Workers.map(tasks) { task -> Outcome in
            switch task {
            case .index(let shape):
                return .index(AuditIndexWalk(path: path, newest: facts.newest).walk(shape))
            case .part(let range):
                let outcome = walk.walk(range)
                let sum = done.withLock { done in
                    done += outcome.rows
                    return done
                }
                progress?(sum, facts.newest)
                return .part(outcome)
            }
        }
        let verification = join(results, facts: facts, review: review, keys: keys, path: path)
        // Retention that went on meanwhile took out entries that one part saw and another did not.
        guard !verification.isWhole, try AuditSQLiteFacts(path: path).removals.count != facts.removals.count else {
            return verification
        }
        return try verify(path: path, keys: keys, anchors: anchors, progress: progress)
    }

    private enum Task: Sendable {
        case index(AuditIndexShape)
        case part(Range<Int64>)
    }

    private enum Outcome: Sendable {
        case index(AuditIndexWalk.Outcome)
        case part(AuditSQLiteWalk.Outcome)
    }

    /// Ranges without a gap between them, so that nothing lies beside all of them.
    private static func parts(_ facts: AuditSQLiteFacts) -> [Range<Int64>] {
        let ends = facts.starts.dropFirst() + [facts.newest.following]
        return zip([Int64.min] + facts.starts.dropFirst(), ends).map { $0..<max($0, $1) }
    }

    private static func join(
        _ results: [Outcome], facts: AuditSQLiteFacts, review: AuditCheckpointReview, keys: JWKSet, path: String
    ) -> AuditVerification {
        var segments: [AuditSegment] = []
        var expected = AuditIndexDigest()
        var findings = facts.findings
        var walked: [AuditIndexWalk.Outcome] = []
        for result in results {
            switch result {
            case .index(let outcome): walked.append(outcome)
            case .part(let outcome):
                segments.append(outcome.segment)
                expected.add(outcome.digest)
                findings += outcome.findings
            }
        }
        for outcome in walked { findings += outcome.findings(against: expected) }
        let stitching = AuditStitching(segments)
        findings += facts.openFindings(unclosed: stitching.unclosed, path: path)
        findings += stitching.holds.findings(comparing: facts.holds)
        findings += facts.cursors.compactMap { $0.finding(keys: keys) }
        let removals = AuditRemovalReview(facts.removals, keys: keys)
        let verification = stitching.verification(review, removals: removals)
        return AuditVerification(
            chains: verification.chains, checkpoints: verification.checkpoints, anchors: verification.anchors,
            findings: verification.findings + findings)
    }
}
