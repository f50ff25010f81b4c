internal import FHIRCore
public import OAuthCore

/// A checkpoint with the signature of the node that made it, as a compact JWS (RFC 7515).
public struct SignedAuditCheckpoint: Hashable, Sendable {
    /// What is signed.
    public let checkpoint: AuditCheckpoint
    /// The compact serialization; what is stored, sent and linked.
    public let compact: String

    /// The `typ` of its header: no other signature of ours can be taken for a checkpoint, or a checkpoint for another.
    static let type = "audit-checkpoint+jwt"

    /// Signs a checkpoint.
    public init(_ checkpoint: AuditCheckpoint, signedWith key: PrivateJWK) throws(JOSEError) {
        self.checkpoint = checkpoint
        compact = try JWS.sign(checkpoint.claims, type: Self.type, with: key)
    }

    /// Reads a compact text and checks its signature against the keys.
    public init(verifying compact: String, keys: JWKSet) throws(AuditFormatError) {
        let claims: JSONValue
        do throws(JOSEError) {
            claims = try JWS.verify(compact, keys: keys, rules: Self.rules).claims
        } catch {
            throw AuditFormatError(detail: "its signature does not hold: \(error)")
        }
        checkpoint = try AuditCheckpoint(claims: claims)
        self.compact = compact
    }

    private static let rules = JWSRules(algorithms: [.es256, .es384], types: [type])

    /// What the next checkpoint, and checkpoints of other nodes, name it by.
    public var digest: ChainHash { .digest(of: compact) }
}
