/// How a person proved who they are: what `acr` and `amr` of an id_token say (OpenID Connect Core §2, RFC 8176), and who
/// says so.
public struct AuthenticationContext: Hashable, Sendable {
    /// Who saw the person sign in.
    public enum Witness: Hashable, Sendable {
        /// This server, by a password and perhaps a second factor of its own.
        case local
        /// An OpenID Provider, named by its issuer: a name in the configuration may come to mean another one.
        case provider(issuer: String)
        /// Nobody knows any more: kept by a release that did not note it. It meets no demand.
        case unknown
    }

    /// The class of the authentication, `acr`; nil where nobody vouches for one.
    public let classReference: String?
    /// The methods that were used, `amr`, in the words of RFC 8176.
    public let methods: [String]
    /// Whose word the two are.
    public let witness: Witness

    public init(classReference: String?, methods: [String], witness: Witness) {
        self.classReference = classReference
        self.methods = methods
        self.witness = witness
    }

    /// The class of a login with a password alone.
    public static let passwordClass = "urn:chaperone:acr:password"
    /// The class of a login with a password and something that the person has.
    public static let secondFactorClass = "urn:chaperone:acr:second-factor"
    /// The classes that logins at this server can have, the weaker first.
    public static let classes = [passwordClass, secondFactorClass]

    /// A password and nothing else.
    public static let password = AuthenticationContext(
        classReference: passwordClass, methods: ["pwd"], witness: .local)
    /// A password and a code of an authenticator app.
    public static let oneTimePassword = AuthenticationContext(
        classReference: secondFactorClass, methods: ["pwd", "otp", "mfa"], witness: .local)
    /// A password and a recovery code, for which RFC 8176 has no word of its own.
    public static let recoveryCode = AuthenticationContext(
        classReference: secondFactorClass, methods: ["pwd", "mfa"], witness: .local)

    /// Whether a second factor of this server was shown.
    public var hasLocalSecondFactor: Bool { witness == .local && methods.contains("mfa") }
}
