public import OAuthCore

/// Says whether an authority that counts here vouches for a certificate, for the use that clients make of it, at a
/// moment in Unix seconds, and has not withdrawn it. Certificate paths are checked elsewhere (decision 26).
public struct CertificateValidator: Sendable {
    /// What a certificate is worth.
    public enum Verdict: Hashable, Sendable {
        case trusted
        /// No path leads to an authority that counts.
        case untrusted
        /// It, or an authority between it and the one that counts, was withdrawn or is on hold.
        case withdrawn
        /// Whether it was withdrawn cannot be told, and that is not enough; why, for the record.
        case statusUnknown(String)
    }

    /// May have to ask others, within the time that outbound requests have.
    public let judge: @Sendable (_ certificate: ClientCertificate, _ now: Int64) async -> Verdict

    /// Whether a certificate that was judged before is known to be withdrawn, by its thumbprint (`x5t#S256`); from memory.
    public let isWithdrawn: @Sendable (_ thumbprint: String) -> Bool

    public init(
        isWithdrawn: @escaping @Sendable (String) -> Bool = { _ in false },
        judge: @escaping @Sendable (ClientCertificate, Int64) async -> Verdict
    ) {
        self.isWithdrawn = isWithdrawn
        self.judge = judge
    }

    /// One for which nothing is ever withdrawn.
    public init(isTrusted: @escaping @Sendable (ClientCertificate, Int64) -> Bool) {
        isWithdrawn = { _ in false }
        judge = { isTrusted($0, $1) ? .trusted : .untrusted }
    }
}
