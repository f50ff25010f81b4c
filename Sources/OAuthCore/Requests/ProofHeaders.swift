/// The proofs of a key that came with a request, before they are looked at (RFC 9449 §4.1).
public struct ProofHeaders: Sendable {
    /// The values of every `DPoP` header.
    public let values: [String]
    /// The method of the request, which a proof names.
    public let method: String

    /// Takes what came; nothing unless told otherwise.
    public init(_ values: [String] = [], method: String = "POST") {
        self.values = values
        self.method = method
    }
}
