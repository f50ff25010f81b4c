/// How a person proved who they are: what `acr` and `amr` of an id_token say (OpenID Connect Core §2, RFC 8176).
public struct AuthenticationContext: Hashable, Sendable {
    /// The class of the authentication, `acr`; nil where nobody vouches for one.
    public let classReference: String?
    /// The methods that were used, `amr`, in the words of RFC 8176.
    public let methods: [String]

    public init(classReference: String?, methods: [String]) {
        self.classReference = classReference
        self.methods = methods
    }

    /// The class of a login with a password alone.
    public static let passwordClass = "urn:chaperone:acr:password"
    /// The class of a login with a password and something that the person has.
    public static let secondFactorClass = "urn:chaperone:acr:second-factor"
    /// The classes that logins at this server can have, the weaker first.
    public static let classes = [passwordClass, secondFactorClass]

    /// A password and nothing else.
    public static let password = AuthenticationContext(classReference: passwordClass, methods: ["pwd"])
    /// A password and a code of an authenticator app.
    public static let oneTimePassword = AuthenticationContext(
        classReference: secondFactorClass, methods: ["pwd", "otp", "mfa"])
    /// A password and a recovery code, for which RFC 8176 has no word of its own.
    public static let recoveryCode = AuthenticationContext(classReference: secondFactorClass, methods: ["pwd", "mfa"])

    /// Whether two factors were used.
    public var isMultiFactor: Bool { methods.contains("mfa") }
}
