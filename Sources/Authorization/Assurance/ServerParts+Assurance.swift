internal import AccessPolicy
internal import OAuthCore

/// The places at which a sign-in is held against what is demanded today. What they share is that they decide nothing:
/// `AssurancePolicy` does.
extension ServerParts {
    /// The demands in force.
    var assurance: AssurancePolicy {
        AssurancePolicy(
            minimum: federation.assurance, secondFactor: configuration.secondFactor,
            providers: Dictionary(
                federation.providers.map { ($0.issuer, $0.assurance) }, uniquingKeysWith: { first, _ in first }))
    }

    /// The roles by which an account is judged. What the site demands of an account it demands wherever its person signs
    /// in, and of who they are by now, local account or a provider's login: whoever opens records as a practitioner is a
    /// clinician, whatever roles were given to the account.
    func roles(of account: UserAccount) async throws -> Set<UserRole> {
        guard let person = try await stores.memberLinks.link(for: account.subject)?.fhirUser else {
            return account.roles
        }
        return account.roles.union([UserRole(of: person)])
    }

    /// What is demanded of an account's sign-in for a launch.
    func demands(of step: Step, by roles: Set<UserRole>) -> SignInDemands {
        let request = step.transaction.request
        return assurance.demands(
            programs: [step.client.program], scopes: request.scopes.scopes, roles: roles,
            isAsked: request.needsSecondFactor)
    }

    /// Whether a sign-in is enough for a launch; nothing is enough of an account that is gone.
    func finding(
        _ proved: AuthenticationContext, of subject: SubjectID, for step: Step
    ) async throws -> SignInFinding {
        guard let account = try await stores.users.user(subject) else { return .tooWeak }
        return assurance.finding(proved, against: demands(of: step, by: try await roles(of: account)))
    }

    /// Whether the sign-in of a grant is enough for tokens of it today. Nobody signed in for a backend service.
    func isEnough(_ grant: Grant, for client: ClientRegistration) async throws -> Bool {
        guard let subject = grant.subject else { return true }
        guard let account = try await stores.users.user(subject) else { return false }
        let demands = assurance.demands(
            // Tokens carry the program of the grant; the client may have been moved to another one since.
            programs: [grant.program, client.program],
            scopes: grant.scopes.intersection(client.approvedScopes).scopes,
            roles: try await roles(of: account))
        return assurance.finding(grant.authentication, against: demands) == .enough
    }

    /// Refuses tokens of a grant whose sign-in proved less than is demanded today. The grant stays: it gives again what it
    /// gave when the demand is lowered.
    func demandAssurance(of grant: Grant, _ call: AuthenticatedCall) async throws {
        guard try await isEnough(grant, for: call.client) else {
            throw OAuthError(
                .invalidGrant, "a stronger sign-in is demanded by now; the person must sign in again",
                detail: "the sign-in of the grant proved less than is demanded by now")
        }
    }
}

extension InteractionEndpoint {
    /// Who comes with a session, as far as a launch is concerned.
    func visitor(of session: BrowserSession, to step: Step) async throws -> LaunchVisitor {
        guard let signIn = session.signIn else { return LaunchVisitor(session, finding: .tooWeak) }
        return LaunchVisitor(
            session, finding: try await parts.finding(signIn.authentication, of: signIn.subject, for: step))
    }
}
