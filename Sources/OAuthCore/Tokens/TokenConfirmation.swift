public import FHIRCore

/// To what a token is bound: whoever presents it must show the same (RFC 7800 `cnf`).
public enum TokenConfirmation: Hashable, Sendable {
    /// The SHA-256 thumbprint of a proof key (RFC 9449 §6).
    case proofKey(thumbprint: String)
    /// The SHA-256 thumbprint of a client certificate (RFC 8705 §3.1).
    case certificate(thumbprint: String)

    /// The value of the claim.
    public var json: JSONValue {
        switch self {
        case .proofKey(let thumbprint): ["jkt": .string(thumbprint)]
        case .certificate(let thumbprint): ["x5t#S256": .string(thumbprint)]
        }
    }

    /// Reads the claim. A confirmation that is not known must not be taken for none, so it refuses the token.
    public init(parsing json: JSONValue) throws(JOSEError) {
        guard let members = json.object, members.count == 1, let member = members.first,
            let text = member.value.string, let digest = Base64URL.decode(text), digest.count == 32
        else { throw .claimMalformed("cnf") }
        switch member.name {
        case "jkt": self = .proofKey(thumbprint: text)
        case "x5t#S256": self = .certificate(thumbprint: text)
        default: throw .claimRefused("cnf")
        }
    }
}
