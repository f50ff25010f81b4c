/// Nonces that a DPoP proof has to carry where that is demanded (RFC 9449 §8): then a proof cannot be made ahead of time.
///
/// A nonce is derived from a key and the time, so that none is kept and every process with the key knows it. It counts in
/// the period in which it was given and in the next one.
public struct ProofNonces: Sendable {
    /// How long one nonce is given, in seconds.
    public static let period: Int64 = 120

    private let key: DerivationKey

    public init(key: DerivationKey) { self.key = key }

    /// The nonce to give now.
    public func current(at now: Int64) -> String { nonce(of: now / Self.period) }

    /// Whether a proof with this nonce is new enough.
    public func accepts(_ presented: String?, at now: Int64) -> Bool {
        guard let presented else { return false }
        let period = now / Self.period
        let text = Secret(presented)
        return text == Secret(nonce(of: period)) || text == Secret(nonce(of: period - 1))
    }

    private func nonce(of period: Int64) -> String {
        key.secret(purpose: "dpop-nonce", String(period)).reveal()
    }
}
