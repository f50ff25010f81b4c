public import OAuthCore

/// A secret of a client as it is kept: its digest, and how long it counts. A client has at most two, so that a new one
/// can come into use while the old one still works.
public struct ClientSecret: Hashable, Sendable {
    public let hash: SecretHash
    /// From when on it counts no longer, in Unix seconds; nil for a secret without an end.
    public let expiresAt: Int64?

    public init(hash: SecretHash, expiresAt: Int64? = nil) {
        self.hash = hash
        self.expiresAt = expiresAt
    }

    /// The most secrets of one client.
    public static let most = 2

    /// Whether one of the secrets that count at `now` is the one that was presented.
    ///
    /// The presented secret is digested and compared as often for a client without secrets, for one that is not known and
    /// for one whose first secret fits: neither the work nor the way through the code tells which it was.
    ///
    /// - Parameter compare: says whether a digest is that of the presented secret; called `most` times.
    static func accepts(_ secrets: [ClientSecret], at now: Int64, compare: (SecretHash) -> Bool) -> Bool {
        var isAccepted = false
        for place in 0..<most {
            let secret = place < secrets.count ? secrets[place] : stranger
            let isSame = compare(secret.hash)
            let counts = place < secrets.count && secret.expiresAt.map { now < $0 } ?? true
            isAccepted = isAccepted || (isSame && counts)
        }
        return isAccepted
    }

    /// Stands where there is no secret; nobody's, whatever is presented.
    private static let stranger = ClientSecret(hash: SecretHash(of: Secret("")), expiresAt: .min)
}
