public import FHIRCore

/// What an operator says about the authorization server.
public struct AuthorizationConfiguration: Hashable, Sendable {
    /// The issuer, without a trailing slash.
    public let issuer: String
    /// The bases of the protected FHIR servers: the values of `aud` that are accepted, compared exactly.
    public let fhirBases: [String]
    /// Whether a base with one more trailing slash is taken for the base.
    public var toleratesTrailingSlash = false
    /// Life of an authorization code in seconds (SMART 2.2: about a minute).
    public var codeLifetime: Int64 = 60
    /// How long a launch may take, from the request to the consent.
    public var launchLifetime: Int64 = 1800
    /// How long a pushed request may wait for its browser.
    public var pushedRequestLifetime: Int64 = 90
    /// How long a launch that an EHR made may wait for its app.
    public var launchHandleLifetime: Int64 = 300
    /// The style document for EHR launches whose EHR names none; nil for none.
    public var defaultStyleURL: String?
    /// Whether addresses on loopback may stand where only `https` may.
    public var isDemonstration = false
    /// Whether people may sign in with a name and a password of this server, on its public pages.
    public var takesPasswords = true
    /// The longest that a token of somebody else's issuer may live, in seconds, with what clocks may differ; nil where
    /// tokens are our own.
    public var foreignTokenLife: Int64?
    /// A signed-in session's absolute life.
    public var sessionLifetime: Int64 = 12 * 3600
    /// A session that is not used for this long is over.
    public var sessionIdleLimit: Int64 = 1800
    /// How long the second step of a login may take, in seconds.
    public var secondStepLifetime: Int64 = 600
    /// Who must show a second factor.
    public var secondFactor = SecondFactorPolicy()
    public var secondFactorThrottle = ThrottlePolicy.secondFactor
    /// How long a choice on the consent page is remembered when the person wants it to be.
    public var consentMemory: Int64 = 90 * 86_400
    /// Within this many seconds a rotated refresh token gets the same successor again.
    public var refreshGrace: Int64 = 30
    /// Where the user-access brands are, and which of them this server is; nil for none.
    public var brandBundle: String?
    public var brandIdentifier: JSONValue?
    /// How long keys live.
    public var keyLifetimes = KeyLifetimes()
    /// The fewest characters of a password. Demonstrations may have shorter ones.
    public var shortestPassword = 8
    /// The scopes that discovery names.
    public var scopesSupported = AuthorizationConfiguration.usualScopes
    /// Tries for one account from one address.
    public var accountThrottle = ThrottlePolicy.account
    /// Tries for one account from all addresses together.
    public var accountAnywhereThrottle = ThrottlePolicy.accountAnywhere
    public var sourceThrottle = ThrottlePolicy.source
    public var guessThrottle = ThrottlePolicy.guesses
    /// How much unproved requests may make the server write.
    public var budget = BudgetLimits()

    /// Whether DPoP proofs have to carry a nonce of ours (RFC 9449 §8).
    public var demandsProofNonces = false
    /// How certificates of clients are read; nil where they are not.
    public var clientCertificates: ClientCertificates?

    /// That certificates of clients are read (RFC 8705).
    public struct ClientCertificates: Hashable, Sendable {
        /// The origin at which they are asked for, without a final slash.
        public let origin: String
        /// Whether there are authorities that vouch for them.
        public let hasAuthorities: Bool

        public init(origin: String, hasAuthorities: Bool) {
            self.origin = origin
            self.hasAuthorities = hasAuthorities
        }
    }

    public init(issuer: String, fhirBases: [String]) {
        self.issuer = issuer
        self.fhirBases = fhirBases
    }

    /// The identity and context scopes, and reading and searching the types of US Core and CARIN.
    public static let usualScopes: [String] = {
        let types = usualTypes
        let resources = ["patient", "user", "system"].flatMap { level in types.map { "\(level)/\($0).rs" } }
        return [
            "openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access",
        ]
            + resources + ConsentCatalogue.categoryScopes
    }()

    /// The types of US Core and CARIN.
    static let usualTypes = [
        "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
        "DocumentReference", "Encounter", "ExplanationOfBenefit", "Goal", "Immunization", "Location", "Medication",
        "MedicationDispense", "MedicationRequest", "Observation", "Organization", "Patient", "Practitioner",
        "PractitionerRole", "Procedure", "Provenance", "QuestionnaireResponse", "RelatedPerson",
        "ServiceRequest", "Specimen",
    ]

    public var authorizationEndpoint: String { issuer + "/oauth/authorize" }
    public var tokenEndpoint: String { issuer + "/oauth/token" }
    public var revocationEndpoint: String { issuer + "/oauth/revoke" }
    public var introspectionEndpoint: String { issuer + "/oauth/introspect" }
    public var pushedRequestEndpoint: String { issuer + "/oauth/par" }
    public var userInfoEndpoint: String { issuer + "/oauth/userinfo" }
    public var launchEndpoint: String { issuer + "/launch" }
    public var endSessionEndpoint: String { issuer + "/oauth/logout" }
    public var managementEndpoint: String { issuer + "/account" }
    public var jwksURL: String { issuer + "/.well-known/jwks.json" }

    /// The protected base that an `aud` names, or nil.
    func fhirBase(named audience: String) -> String? {
        if let exact = fhirBases.first(where: { $0.utf8.elementsEqual(audience.utf8) }) { return exact }
        guard toleratesTrailingSlash else { return nil }
        return fhirBases.first { ($0 + "/").utf8.elementsEqual(audience.utf8) }
    }
}
