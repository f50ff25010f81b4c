public import AccessPolicy
public import OAuthCore

/// A client as the configuration writes it: approved beforehand, with its program and its ceiling of scopes.
public struct ConfiguredClient: Hashable, Sendable {
    /// How a client proves who it is.
    public enum Kind: String, CaseIterable, Sendable {
        /// An app on a device or in a browser: PKCE only.
        case `public`
        /// A server with a shared secret.
        case symmetric
        /// A server with a key pair.
        case asymmetric
        /// A server with a certificate that an authority vouches for.
        case certificate
        /// A server with a certificate that stands among its keys.
        case selfSigned = "self-signed-certificate"
    }

    /// The dialect of SMART that it speaks (decision 20).
    public enum Profile: String, CaseIterable, Sendable {
        case smart22 = "smart-2.2"
        case smart20 = "smart-2.0"
        case smart10 = "smart-1.0"
    }

    /// What it may ask the token endpoint for.
    public enum GrantType: String, CaseIterable, Sendable {
        case authorizationCode = "authorization_code"
        case refreshToken = "refresh_token"
        case clientCredentials = "client_credentials"
    }

    public var id: String
    public var name: String
    public var kind: Kind
    public var profile: Profile
    /// Until when a weak profile is allowed, in Unix seconds; required with `smart-1.0` (decision 20).
    public var profileUntil: Int64?
    /// Whether the operator vouches for it: errors before login are then sent to it without a page between.
    public var isTrusted: Bool
    /// There is no default program (decision 28).
    public var program: APIProgram
    public var redirectURIs: [String]
    /// Where it may have a browser sent after a sign-out.
    public var postLogoutRedirectURIs: [String] = []
    /// Where an EHR opens it (SMART app launch).
    public var launchURL: String?
    /// Whether it is marked native: any port for loopback IP redirects (decision 37).
    public var isNative: Bool
    public var grantTypes: [GrantType]
    /// The approved ceiling, as scope text.
    public var scopes: String
    /// The file that holds its secret.
    public var secretFile: String?
    /// From when on that secret counts no longer, in Unix seconds.
    public var secretUntil: Int64? = nil
    /// The file that holds the secret before that one, and until when it counts: both secrets work in between.
    public var previousSecretFile: String? = nil
    public var previousSecretUntil: Int64? = nil
    /// The file that holds its public keys as a JWK set.
    public var keysFile: String?
    /// Where it publishes its public keys, instead of a file.
    public var keysURL: String? = nil
    /// The name by which its certificate is known.
    public var certificateSubject: CertificateSubject? = nil
    /// Whether its access tokens are bound to its certificate.
    public var bindsTokensToCertificate = false
    /// The life of its access tokens, when it differs from the server's.
    public var accessTokenSeconds: Int?
    /// Whether its access tokens are references to what is kept here, and never JWTs.
    public var usesReferenceTokens = false
    /// Until when its ceiling may hold `system/*` or a wildcard that writes, in Unix seconds.
    public var wildcardsUntil: Int64?
    /// Patients that it may see under `system/` scopes: a list, or everyone.
    public var systemPanel: SystemPanel
    /// A secret that stands in the program itself; demo only.
    public var demoSecret: String?
    /// The public keys that come with the program itself; demo only.
    public var demoKeys: String?

    /// The members that a backend client may see.
    public enum SystemPanel: Hashable, Sendable {
        case none
        case everyone
        case patients([String])
    }
}

extension ConfiguredClient {
    /// The scopes of the ceiling that reach kinds of record that nobody has thought of: `system/*` and wildcard writes
    /// (decision 22). They are an exception with an end.
    var riskyWildcards: [String] {
        scopes.split(separator: " ").map(String.init).filter { Scope(parsing: $0).isRiskyWildcard }
    }
}

/// A local account as the configuration writes it.
public struct ConfiguredUser: Hashable, Sendable {
    /// What an account may do on the admin side.
    public enum Role: String, CaseIterable, Sendable {
        case auditor
        case admin
        case steward
        case security
        case developer
    }

    public var login: String
    public var name: String
    /// Who it is in FHIR, such as `Patient/patient-a`; nil for people who only work on the admin side.
    public var fhirUser: String?
    /// The patients that it may choose among: itself, or those it represents.
    public var patients: [ConfiguredPatient]
    public var roles: [Role]
    /// The file that holds the password, read once when the account is first made.
    public var passwordFile: String?
    /// A password that stands in the program itself; demo only.
    public var demoPassword: String?

    /// A patient that an account may act for.
    public struct ConfiguredPatient: Hashable, Sendable {
        public var id: String
        /// The name shown on the choice page.
        public var name: String
        /// Why: `self`, `parent`, `guardian`, …
        public var relation: String

        /// How the record is named on pages: the relation is the site's own words, in whatever language, and is left out
        /// where it says nothing.
        var label: String { ["", "self"].contains(relation) ? name : "\(name), \(relation)" }
    }
}
