internal import FHIRCore
public import OAuthCore

/// How far a feed has delivered, signed: whoever can write to the store must not be able to make a feed pass over records.
public struct SignedAuditFeedCursor: Hashable, Sendable {
    /// The feed.
    public let feed: String
    /// The running number up to which it has delivered.
    public let position: Int64
    /// The compact JWS.
    public let compact: String

    private static let type = "audit-cursor+jwt"
    private static let rules = JWSRules(algorithms: [.es256, .es384], types: [type])

    /// Signs a cursor.
    public init(feed: String, position: Int64, signedWith key: PrivateJWK) throws(JOSEError) {
        self.feed = feed
        self.position = position
        compact = try JWS.sign(
            .object([.init("feed", .string(feed)), .init("position", .int(position))]), type: Self.type, with: key)
    }

    /// Reads a compact text and checks its signature against the keys.
    public init(verifying compact: String, keys: JWKSet) throws(AuditFormatError) {
        let claims: JSONValue
        do throws(JOSEError) { claims = try JWS.verify(compact, keys: keys, rules: Self.rules).claims } catch {
            throw AuditFormatError(detail: "its signature does not hold: \(error)")
        }
        let members = MemberReader(value: claims)
        feed = try members.required("feed")
        position = try members.requiredTime("position")
        self.compact = compact
    }
}

/// A cursor as a store keeps it.
public struct StoredAuditFeedCursor: Hashable, Sendable {
    /// The feed.
    public let feed: String
    /// The position, as the store has it.
    public let position: Int64
    /// The compact JWS; nil where nobody signed it.
    public let compact: String?

    /// A cursor as a store found it.
    public init(feed: String, position: Int64, compact: String?) {
        self.feed = feed
        self.position = position
        self.compact = compact
    }

    /// What is wrong with it; nil when it is the one that was signed.
    public func finding(keys: JWKSet) -> AuditFinding? {
        guard let compact else {
            return position == 0 ? nil : AuditFinding(.feed(feed), .forged, "nobody signed how far it has come")
        }
        do throws(AuditFormatError) {
            let signed = try SignedAuditFeedCursor(verifying: compact, keys: keys)
            return signed.feed == feed && signed.position == position
                ? nil : AuditFinding(.feed(feed), .changed, "`\(signed.feed)` had come to \(signed.position)")
        } catch {
            return AuditFinding(.feed(feed), .forged, error.detail)
        }
    }
}
