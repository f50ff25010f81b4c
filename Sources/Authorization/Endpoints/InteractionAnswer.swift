public import OAuthCore

/// What the browser gets for one step of a launch, and what becomes of its session cookie.
public struct InteractionAnswer: Sendable {
    public let outcome: InteractionOutcome
    public let session: SessionInstruction

    init(_ outcome: InteractionOutcome, session: SessionInstruction = .keep) {
        self.outcome = outcome
        self.session = session
    }
}

/// What is done with the session cookie.
public enum SessionInstruction: Sendable {
    case keep
    /// Give the browser this value.
    case set(Secret, expiresAt: Int64)
    case clear
}

/// The face of one step.
public enum InteractionOutcome: Sendable {
    /// A page of ours.
    case page(InteractionPage)
    /// 303 to the client (RFC 9700 §4.12: never 307 or 308).
    case redirect(ClientRedirect)
    /// 303 to the authorization endpoint again, by GET and with this query.
    case again(query: String)
    /// An error page, because there is no redirect that could be trusted.
    case shownToUser(OAuthError)
    /// 503: a store or the audit log failed. Nothing was given. The cause is for the log.
    case unavailable(cause: String)
}

/// An answer on its way to a client, by way of the browser.
public struct ClientRedirect: Hashable, Sendable {
    /// The full address.
    public let location: String

    /// A code for the client (RFC 6749 §4.1.2, RFC 9207).
    init(code: Secret, state: String, issuer: String, to redirect: ValidatedRedirect) {
        location = redirect.location(adding: [("code", code.reveal()), ("state", state), ("iss", issuer)])
    }

    /// An error for the client; nil when the failure may not be told to it.
    init?(_ failure: AuthorizationFailure, issuer: String) {
        guard let location = failure.location(issuer: issuer) else { return nil }
        self.location = location
    }
}

/// The pages that a launch can need.
public enum InteractionPage: Sendable {
    case login(LoginPage)
    case secondFactor(SecondFactorPage)
    case recoveryCodes(RecoveryCodesPage)
    case choosePatient(PatientPage)
    case chooseEncounter(EncounterPage)
    case consent(ConsentPage)
    case leaving(LeavingPage)
}

extension InteractionPage {
    /// The languages in which the app of the launch wants the page, the best first.
    public var uiLocales: [String] {
        switch self {
        case .login(let page): page.uiLocales
        case .secondFactor(let page): page.uiLocales
        case .recoveryCodes(let page): page.uiLocales
        case .choosePatient(let page): page.uiLocales
        case .chooseEncounter(let page): page.uiLocales
        case .consent(let page): page.uiLocales
        case .leaving(let page): page.uiLocales
        }
    }
}

/// The page that asks who is there.
public struct LoginPage: Sendable {
    /// The handle of the launch, for a hidden field. Bound to the session, so it also proves that the form is ours.
    public let transaction: Secret
    public let clientName: String
    /// Where the launch ends; the page's policy must let its form be redirected there.
    public let redirectURI: String
    public let problem: LoginProblem?
    /// The languages in which the app wants the page, the best first.
    public let uiLocales: [String]
}

/// Why a login was not accepted.
public enum LoginProblem: Hashable, Sendable {
    /// The same for an unknown name, a wrong password and a disabled account.
    case wrongCredentials
    case tooManyAttempts(retryAfter: Int64)
    case busy
}

/// The page that asks for whose record the app is opened.
public struct PatientPage: Sendable {
    public let transaction: Secret
    public let clientName: String
    /// Where the launch ends; the page's policy must let its form be redirected there.
    public let redirectURI: String
    public let patients: [LinkedPatient]
    /// What was searched for.
    public let search: PatientSearch
    /// What asks for the next page of the list.
    public let next: String?
    /// Whether the list is worth a search field.
    public let canSearch: Bool
    /// Whether any patient id may be typed.
    public let acceptsAnyPatient: Bool
    /// Whether the person works here, and so chooses among patients and not among relatives.
    public let isStaff: Bool
    /// Whether a choice was made that is not open to the person.
    public let hasProblem: Bool
    /// The languages in which the app wants the page, the best first.
    public let uiLocales: [String]
}

/// The page that asks for which encounter the app is opened.
public struct EncounterPage: Sendable {
    public let transaction: Secret
    public let clientName: String
    /// Where the launch ends; the page's policy must let its form be redirected there.
    public let redirectURI: String
    public let patient: LinkedPatient?
    public let encounters: [ContextLookup.Encounter]
    /// Whether a choice was made that is not one of the patient's.
    public let hasProblem: Bool
    /// The languages in which the app wants the page, the best first.
    public let uiLocales: [String]
}

/// The page that asks what the app may do.
public struct ConsentPage: Sendable {
    public let transaction: Secret
    public let clientName: String
    public let clientIsTrusted: Bool
    /// Who is signed in.
    public let personName: String
    /// Whose record it is about, if it is about one.
    public let patient: LinkedPatient?
    public let offer: ConsentOffer
    /// Where the browser goes afterwards, for people to read.
    public let redirectHost: String
    /// Where the launch ends; the page's policy must let its form be redirected there.
    public let redirectURI: String
    /// The languages in which the app wants the page, the best first.
    public let uiLocales: [String]
}

/// The page between us and an app that nobody vouches for, when an error would send the browser there
/// (RFC 9700 §4.11.2).
public struct LeavingPage: Sendable {
    public let clientName: String
    public let redirectHost: String
    public let location: String
    /// The languages in which the app wants the page, the best first.
    public let uiLocales: [String]
}
