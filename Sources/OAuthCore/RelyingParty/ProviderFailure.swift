/// Why an answer of an OpenID Provider is not accepted. The texts are for the log and hold no token and no code.
public enum ProviderFailure: Error, Hashable, Sendable {
    /// The discovery document is not one, or lacks what we need: which member.
    case metadataRefused(String)
    /// The document speaks for another issuer than the one that is configured (OpenID Connect Discovery §4.3).
    case wrongIssuer
    /// The authorization response lacks what it must have, or has it in a form that nobody sends: which parameter.
    case responseRefused(String)
    /// The response came from another issuer than the one that was asked (RFC 9207 §2.4).
    case responseOfAnotherIssuer
    /// The provider reported this error instead of a code.
    case reported(String)
    /// The token response holds no ID token that could be read.
    case noIDToken
    /// The ID token does not hold.
    case idTokenRefused(JOSEError)

    /// The reason in words, for the log.
    public var detail: String {
        switch self {
        case .metadataRefused(let member): "the provider's discovery document is not usable: `\(member)`"
        case .wrongIssuer: "the provider's discovery document names another issuer"
        case .responseRefused(let name): "the provider's answer is not usable: `\(name)`"
        case .responseOfAnotherIssuer: "the answer names another issuer than the one that was asked, or none"
        case .reported(let code): "the provider answered `\(code)`"
        case .noIDToken: "the provider's token response holds no ID token"
        case .idTokenRefused(let error): "the provider's ID token: \(error.detail)"
        }
    }
}
