internal import Audit
internal import Authorization
internal import OAuthCore
internal import Persistence

/// What keeps the audit trail provable and in order beside the writing itself: checkpoints, and whoever watches them.
struct AuditSide: Sendable {
    let store: AuditSQLiteSink
    let checkpointer: AuditCheckpointer
    /// The public halves of the keys that sign checkpoints and removals.
    let keys: JWKSet
    let watch: AuditWatch

    init(store: AuditSQLiteSink, node: String, keys: ServerKeys, recorder: AuditRecorder, clock: Clock) {
        self.store = store
        self.keys = keys.checkpointKeys
        watch = AuditWatch()
        checkpointer = AuditCheckpointer(
            node: node, store: store, key: keys.checkpointKey, clock: AuditClock(milliseconds: clock.milliseconds)
        ) { record in try await recorder.recordOnce(record) }
    }

    /// Makes a checkpoint when there is something new, and remembers how that went.
    @discardableResult func checkpoint() async throws -> SignedAuditCheckpoint? {
        do {
            let made = try await checkpointer.make()
            watch.succeeded("checkpoints")
            return made
        } catch {
            watch.failed("checkpoints", "\(error)")
            throw error
        }
    }
}
