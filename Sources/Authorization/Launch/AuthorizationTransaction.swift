public import AccessPolicy
public import FHIRCore
public import OAuthCore

/// The name under which a launch in progress is kept: the hash of the handle that its pages carry.
public struct TransactionID: Hashable, Sendable {
    public let hash: SecretHash
    public init(hash: SecretHash) { self.hash = hash }
    /// The id of the launch whose handle was presented.
    public init(presented: Secret) { hash = SecretHash(of: presented) }
}

/// An authorization request after every check that needs no person: the facts on which the launch goes on.
public struct AcceptedRequest: Hashable, Sendable {
    public let clientID: ClientID
    /// The redirect URI that was matched. It is matched again, against the registration of that moment, before use.
    public let redirectURI: String
    public let state: String
    /// What was asked for, as far as the client is approved for it.
    public let scopes: ScopeSet
    public let challenge: CodeChallenge?
    /// The thumbprint of the key to which the code is bound (RFC 9449 §10); nil for none.
    public let proofKey: String?
    public let nonce: String?
    public let fhirBase: String
    /// Context that came with an EHR launch; empty for a standalone one.
    public let launch: LaunchContext
    /// Who must sign in, when an EHR launch or an `id_token_hint` says so.
    public let expectedSubject: SubjectID?
    /// Whom the app's `id_token_hint` names: nobody else gets a code.
    public let hintedSubject: SubjectID?
    /// A login before this moment does not count (`prompt=login`, `max_age`, a hint at somebody else).
    public internal(set) var loginNotBefore: Int64?
    /// Whether the consent page is to be shown whatever was remembered (`prompt=consent`).
    public let asksConsent: Bool
    /// Whether the app asked that a login with one factor does not count. What the site demands is looked up when needed.
    public let needsSecondFactor: Bool
    /// The languages in which the app wants its pages, the best first (`ui_locales`).
    public let uiLocales: [String]

    public init(
        clientID: ClientID, redirectURI: String, state: String, scopes: ScopeSet, challenge: CodeChallenge?,
        nonce: String?, fhirBase: String, launch: LaunchContext = LaunchContext(),
        expectedSubject: SubjectID? = nil, hintedSubject: SubjectID? = nil, loginNotBefore: Int64? = nil,
        asksConsent: Bool = false, needsSecondFactor: Bool = false, uiLocales: [String] = [], proofKey: String? = nil
    ) {
        self.proofKey = proofKey
        self.clientID = clientID
        self.redirectURI = redirectURI
        self.state = state
        self.scopes = scopes
        self.challenge = challenge
        self.nonce = nonce
        self.fhirBase = fhirBase
        self.launch = launch
        self.expectedSubject = expectedSubject
        self.hintedSubject = hintedSubject
        self.loginNotBefore = loginNotBefore
        self.asksConsent = asksConsent
        self.needsSecondFactor = needsSecondFactor
        self.uiLocales = uiLocales
    }

    /// Whether a person can be the one of the `id_token_hint`; everybody can without one.
    func means(_ subject: SubjectID) -> Bool { hintedSubject == nil || hintedSubject == subject }

    /// Whether a patient must be in context: it was asked for, or a `patient/` scope would otherwise reach nobody.
    public var needsPatient: Bool {
        scopes.resourceScopes.contains { $0.level == .patient } || scopes.scopes.contains(.launchPatient)
    }
}

/// The person who signed in, as far as a launch needs to know.
public struct SignedInMember: Hashable, Sendable {
    public let subject: SubjectID
    public let authenticatedAt: Int64
    /// How the person proved who they are.
    public let authentication: AuthenticationContext
    public let fhirUser: InstanceKey?
    /// The patients of which one may be put into context.
    public internal(set) var selection: PatientSelection

    public init(
        subject: SubjectID, authenticatedAt: Int64, authentication: AuthenticationContext = .password,
        fhirUser: InstanceKey?, selection: PatientSelection
    ) {
        self.subject = subject
        self.authenticatedAt = authenticatedAt
        self.authentication = authentication
        self.fhirUser = fhirUser
        self.selection = selection
    }
}

/// Who comes with an event: a browser session and the person who is signed in in it.
public struct LaunchVisitor: Hashable, Sendable {
    public let session: SessionID
    /// Nil while nobody is signed in.
    public let signIn: BrowserSession.SignIn?
    /// Who must still prove a second factor.
    public let pending: BrowserSession.SignIn?
    /// Whether the sign-in is enough for the launch by what is demanded now; means nothing while nobody is signed in.
    public let finding: SignInFinding

    public init(_ session: BrowserSession, finding: SignInFinding) {
        self.session = session.id
        signIn = session.signIn
        pending = session.pending
        self.finding = finding
    }

    /// Nil while nobody is signed in.
    public var subject: SubjectID? { signIn?.subject }
}

/// One launch on its way to a code, as a machine: login, context, consent, end.
///
/// It performs nothing. Each return of the browser is an event; the answer is the next page or the end. The machine is
/// bound to the browser session that began it and, from the login on, to the person who signed in; it refuses events
/// from any other.
public struct AuthorizationTransaction: Hashable, Sendable {
    public let id: TransactionID
    /// The browser session that the launch belongs to. A login moves it to the new session.
    public private(set) var session: SessionID
    public let request: AcceptedRequest
    public private(set) var state: State
    public let createdAt: Int64
    public let expiresAt: Int64
    /// Raised by every event that changes the machine; the store writes on it conditionally.
    public private(set) var revision: Int

    /// Where the launch stands.
    public enum State: Hashable, Sendable {
        case awaitingLogin
        case awaitingContext(SignedInMember)
        /// The patient is known, and the app asked for an encounter.
        case awaitingEncounter(SignedInMember, LaunchContext)
        case awaitingConsent(SignedInMember, LaunchContext)
        case closed(Closing)
    }

    /// Whose panel must be asked for before an event, because the launch keeps none; nil where there is nothing to ask.
    var unlistedMember: SubjectID? {
        guard let member = state.member, member.selection == .unlisted else { return nil }
        return member.subject
    }

    /// Takes what the directory has said now of the person's patients. It changes nothing that is kept.
    mutating func know(_ selection: PatientSelection) {
        guard unlistedMember != nil else { return }
        state = state.with(selection)
    }

    /// How the launch ended.
    public enum Closing: String, Hashable, Sendable {
        case granted, denied, failed
    }

    /// What the browser brings.
    public enum Event: Hashable, Sendable {
        case signedIn(SignedInMember)
        case patientChosen(ResourceID)
        /// One of the patient's encounters, which whoever brings the event has checked, or none.
        case encounterChosen(ResourceID?)
        /// The person allows these parts of the offer, named by their scope texts.
        case allowed(Set<String>)
        case declined
        /// The account or its link has changed since the login, so that it may no longer hold what it would be given.
        case memberLost
        /// More is demanded of the login by now than it proved.
        case loginTooWeak
    }

    /// What the driver does next.
    public enum Action: Hashable, Sendable {
        case show(Due)
        case issueCode(Approval)
        /// The end without a code: this goes to the client.
        case refuse(OAuthError)
    }

    /// What is to be shown.
    public enum Due: Hashable, Sendable {
        case login
        /// The password was right; a second factor must follow.
        case secondFactor(BrowserSession.SignIn)
        case patientChoice(SignedInMember)
        case encounterChoice(SignedInMember, LaunchContext)
        case consent(ConsentOffer, SignedInMember, LaunchContext)
        /// It is another browser session's or another person's launch, or it is too late: nothing was changed and nothing
        /// may be shown.
        case notYours
        /// The launch has ended already.
        case over
    }

    public init(
        id: TransactionID, session: SessionID, request: AcceptedRequest, state: State = .awaitingLogin,
        createdAt: Int64, expiresAt: Int64, revision: Int = 1
    ) {
        self.id = id
        self.session = session
        self.request = request
        self.state = state
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revision = revision
    }

    /// The page that belongs to the present state, for a reload or an event that does not fit.
    public func current(for visitor: LaunchVisitor, at now: Int64) -> Due {
        guard isOpen(to: visitor, at: now) else { return .notYours }
        switch state {
        case .awaitingLogin: return loginDue(for: visitor)
        case .awaitingContext(let member): return .patientChoice(member)
        case .awaitingEncounter(let member, let launch): return .encounterChoice(member, launch)
        case .awaitingConsent(let member, let launch):
            return .consent(ConsentOffer(of: request.scopes), member, launch)
        case .closed: return .over
        }
    }

    /// The password comes first, also when an old login does not count; then the second factor, of whoever must show one.
    private func loginDue(for visitor: LaunchVisitor) -> Due {
        let half = visitor.pending ?? (visitor.finding == .secondFactorMissing ? visitor.signIn : nil)
        let factor = half.flatMap { $0.authenticatedAt >= request.loginNotBefore ?? .min ? $0 : nil }
        return factor.map { .secondFactor($0) } ?? .login
    }

    /// Whether the launch is this visitor's: its browser session's, and from the login on also the person's who signed in
    /// (U-10).
    private func isOpen(to visitor: LaunchVisitor, at now: Int64) -> Bool {
        guard visitor.session == session, now < expiresAt else { return false }
        switch state {
        case .awaitingLogin, .closed: return true
        case .awaitingContext(let member), .awaitingEncounter(let member, _), .awaitingConsent(let member, _):
            return visitor.subject == member.subject
        }
    }

    /// Takes one event. An event that does not fit the state (a page of yesterday, a double click) changes nothing and
    /// is answered with the page that is due.
    public mutating func handle(_ event: Event, from visitor: LaunchVisitor, at now: Int64) -> Action {
        guard isOpen(to: visitor, at: now) else { return .show(.notYours) }
        switch (state, event) {
        case (.awaitingLogin, .signedIn(let member)):
            // INVARIANT: nobody enters a launch but the person of the visitor's session.
            guard visitor.subject == member.subject else { return .show(.notYours) }
            return signIn(member, visitor.finding)
        case (.awaitingContext(let member), .patientChosen(let patient)): return choose(patient, by: member)
        case (.awaitingEncounter(let member, var launch), .encounterChosen(let encounter)):
            launch.encounter = encounter
            return askConsent(of: member, in: launch)
        case (.awaitingConsent(let member, let launch), .allowed(let chosen)):
            return allow(chosen, by: member, in: launch)
        case (.awaitingLogin, .declined), (.awaitingContext, .declined), (.awaitingEncounter, .declined),
            (.awaitingConsent, .declined):
            return close(.denied, OAuthError(.accessDenied, detail: "the person declined"))
        case (.awaitingContext, .memberLost), (.awaitingEncounter, .memberLost), (.awaitingConsent, .memberLost):
            return close(
                .failed, OAuthError(.accessDenied, detail: "the person may no longer act for the patient"))
        case (.awaitingContext, .loginTooWeak), (.awaitingEncounter, .loginTooWeak),
            (.awaitingConsent, .loginTooWeak):
            return close(
                .failed, OAuthError(.accessDenied, detail: "the sign-in proved less than is demanded by now"))
        case (.closed, _): return .show(.over)
        case (.awaitingLogin, _), (.awaitingContext, _), (.awaitingEncounter, _), (.awaitingConsent, _):
            return .show(current(for: visitor, at: now))
        }
    }

    /// Whether the launch may follow the browser into the session that a login makes: only while nobody has entered it.
    /// What one person began is not left lying for the next one (U-10).
    public var followsLogin: Bool { state == .awaitingLogin }

    /// Follows the browser into the session that its login made.
    public mutating func move(to new: SessionID) {
        session = new
        revision += 1
    }

    private mutating func signIn(_ member: SignedInMember, _ finding: SignInFinding) -> Action {
        if let limit = request.loginNotBefore, member.authenticatedAt < limit { return .show(.login) }
        // U-21: no step of the launch is reached around it.
        switch finding {
        case .enough: break
        case .secondFactorMissing:
            return .show(
                .secondFactor(
                    .init(
                        subject: member.subject, authenticatedAt: member.authenticatedAt,
                        authentication: member.authentication)))
        case .tooWeak: return .show(.login)
        }
        if let expected = request.expectedSubject, expected != member.subject {
            // L-10: a launch that was made for somebody else.
            return close(
                .failed, OAuthError(.accessDenied, detail: "another person than the one launched for signed in"))
        }
        guard request.means(member.subject) else {
            // OpenID Connect Core §3.1.2.1: no positive answer for anybody but the person of the hint (U-15).
            return close(
                .failed,
                OAuthError(.loginRequired, detail: "another person than the one of the id_token_hint signed in"))
        }
        // Records are opened as somebody: without a FHIR identity no resource scope means anything.
        guard member.fhirUser != nil || request.scopes.resourceScopes.isEmpty else {
            return close(.failed, OAuthError(.accessDenied, detail: "the account is linked to nobody"))
        }
        if let patient = request.launch.patient {
            // The panel may have changed since the EHR made the launch.
            guard member.selection.allows(patient) else {
                return close(
                    .failed, OAuthError(.accessDenied, detail: "the person may not act for the patient of the launch"))
            }
            return enter(patient, by: member)
        }
        guard request.needsPatient else { return enter(nil, by: member) }
        switch member.selection {
        case .among(let patients) where patients.isEmpty:
            return close(.failed, OAuthError(.accessDenied, detail: "the person may act for no patient"))
        case .among(let patients) where patients.count == 1:
            return enter(patients[0].id, by: member)
        case .among, .anyPatient, .unlisted:
            return advance(to: .awaitingContext(member), .show(.patientChoice(member)))
        }
    }

    private mutating func choose(_ patient: ResourceID, by member: SignedInMember) -> Action {
        // The choice is checked here and not only offered: the form can carry anything.
        guard member.selection.allows(patient) else { return .show(.patientChoice(member)) }
        return enter(patient, by: member)
    }

    /// The patient is settled: next comes the encounter, if the app asked for one and there is none yet.
    private mutating func enter(_ patient: ResourceID?, by member: SignedInMember) -> Action {
        let launch = context(for: member, patient: patient)
        guard patient != nil, launch.encounter == nil, request.scopes.scopes.contains(.launchEncounter) else {
            return askConsent(of: member, in: launch)
        }
        return advance(to: .awaitingEncounter(member, launch), .show(.encounterChoice(member, launch)))
    }

    private mutating func allow(_ chosen: Set<String>, by member: SignedInMember, in launch: LaunchContext) -> Action {
        guard let scopes = ConsentOffer(of: request.scopes).scopes(chosen: chosen) else {
            return close(.denied, OAuthError(.accessDenied, detail: "the person allowed nothing"))
        }
        return advance(
            to: .closed(.granted), .issueCode(Approval(member: member, scopes: scopes, launch: launch)))
    }

    private func context(for member: SignedInMember, patient: ResourceID?) -> LaunchContext {
        var launch = request.launch
        launch.patient = patient
        launch.fhirUser = member.fhirUser
        // Nobody else shows the patient's name around an app that was not launched from an EHR.
        if patient != nil, launch.needPatientBanner == nil { launch.needPatientBanner = true }
        return launch
    }

    private mutating func askConsent(of member: SignedInMember, in launch: LaunchContext) -> Action {
        advance(
            to: .awaitingConsent(member, launch), .show(.consent(ConsentOffer(of: request.scopes), member, launch)))
    }

    private mutating func close(_ closing: Closing, _ error: OAuthError) -> Action {
        advance(to: .closed(closing), .refuse(error))
    }

    private mutating func advance(to next: State, _ action: Action) -> Action {
        // A panel of thousands would be written with every step; whoever goes on is looked up again.
        state = next.member.map { next.with($0.selection.kept) } ?? next
        revision += 1
        return action
    }
}

/// What a person has allowed at the end of a launch: from this a grant is made.
public struct Approval: Hashable, Sendable {
    public let member: SignedInMember
    public let scopes: ScopeSet
    public let launch: LaunchContext
}

extension Scope {
    /// `launch/patient`: a patient is to be chosen.
    static let launchPatient = Scope.launchContext(.patient, role: nil)
    /// `launch/encounter`: an encounter is to be chosen.
    static let launchEncounter = Scope.launchContext(.encounter, role: nil)
}

extension AuthorizationTransaction.State {
    /// The person who signed in; nil before and after.
    var member: SignedInMember? {
        switch self {
        case .awaitingLogin, .closed: nil
        case .awaitingContext(let member), .awaitingEncounter(let member, _), .awaitingConsent(let member, _): member
        }
    }

    /// The same state with another word on the person's patients.
    func with(_ selection: PatientSelection) -> AuthorizationTransaction.State {
        guard var member else { return self }
        member.selection = selection
        return switch self {
        case .awaitingLogin, .closed: self
        case .awaitingContext: .awaitingContext(member)
        case .awaitingEncounter(_, let launch): .awaitingEncounter(member, launch)
        case .awaitingConsent(_, let launch): .awaitingConsent(member, launch)
        }
    }
}
