internal import FHIRCore
public import OAuthCore

/// How far a feed has delivered, signed: whoever can write to the store must not be able to make a feed pass over records.
public struct SignedAuditFeedCursor: Hashable, Sendable {
    /// The feed.
    public let feed: String
    /// What the running number counts; nil where an older release signed it, which did not say.
    public let source: AuditFeedSource?
    /// The running number up to which it has delivered.
    public let position: Int64
    /// The compact JWS.
    public let compact: String

    private static let type = "audit-cursor+jwt"
    private static let rules = JWSRules(algorithms: [.es256, .es384], types: [type])

    /// Signs a cursor.
    public init(feed: String, source: AuditFeedSource, position: Int64, signedWith key: PrivateJWK) throws(JOSEError) {
        self.feed = feed
        self.source = source
        self.position = position
        compact = try JWS.sign(
            .object([
                .init("feed", .string(feed)), .init("source", .string(source.rawValue)),
                .init("position", .int(position)),
            ]), type: Self.type, with: key)
    }

    /// Reads a compact text and checks its signature against the keys.
    public init(verifying compact: String, keys: JWKSet) throws(AuditFormatError) {
        let claims: JSONValue
        do throws(JOSEError) { claims = try JWS.verify(compact, keys: keys, rules: Self.rules).claims } catch {
            throw AuditFormatError(detail: "its signature does not hold: \(error)")
        }
        let members = MemberReader(value: claims)
        feed = try members.required("feed")
        source = claims["source"] == nil ? nil : try members.known("source") { AuditFeedSource(rawValue: $0) }
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
    public func finding(keys: JWKSet) -> AuditFinding? { finding(keys: keys) { _ in nil } }

    /// What is wrong with it for a feed that carries `source`; nil when it provably counts that.
    ///
    /// A cursor of an older release does not say what it counts. Where it stands further than there are checkpoints it can
    /// only have counted records; any other may have counted either, and is believed for neither.
    ///
    /// - Parameter checkpoints: the running number of the newest checkpoint.
    public func finding(counting source: AuditFeedSource, newest checkpoints: Int64, keys: JWKSet) -> AuditFinding? {
        finding(keys: keys) { signed in
            if let counted = signed.source {
                return counted == source ? nil : "it counted \(counted.rawValue), and carries \(source.rawValue)"
            }
            return source == .records && signed.position > checkpoints
                ? nil : "nobody signed whether it counted records or checkpoints"
        }
    }

    private func finding(keys: JWKSet, against demand: (SignedAuditFeedCursor) -> String?) -> AuditFinding? {
        guard let compact else {
            return position == 0 ? nil : AuditFinding(.feed(feed), .forged, "nobody signed how far it has come")
        }
        do throws(AuditFormatError) {
            let signed = try SignedAuditFeedCursor(verifying: compact, keys: keys)
            guard signed.feed == feed, signed.position == position else {
                return AuditFinding(.feed(feed), .changed, "`\(signed.feed)` had come to \(signed.position)")
            }
            return demand(signed).map { AuditFinding(.feed(feed), .changed, $0) }
        } catch {
            return AuditFinding(.feed(feed), .forged, error.detail)
        }
    }
}
