internal import AccessPolicy
internal import OAuthCore

/// The places at which a sign-in is held against what is demanded today. What they share is that they decide nothing:
/// `AssurancePolicy` does.
extension ServerParts {
    /// The demands in force.
    var assurance: AssurancePolicy { AssurancePolicy(of: configuration, federation) }

    /// The roles by which an account is judged; see `GrantFooting`.
    func roles(of account: UserAccount) async throws -> Set<UserRole> {
        GrantFooting.roles(of: account, as: try await stores.memberLinks.link(for: account.subject)?.fhirUser)
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

    /// Whether the sign-in of a grant is enough for tokens of it today.
    func isEnough(_ grant: Grant, for client: ClientRegistration) async throws -> Bool {
        guard let subject = grant.subject else { return true }
        var footing = GrantFooting(grant: grant, client: client)
        footing.account = try await stores.users.user(subject)
        footing.person = try await stores.memberLinks.link(for: subject)?.fhirUser
        return assurance.isEnough(footing)
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

extension AssurancePolicy {
    /// What a configuration demands, and what it says of the providers at which people sign in.
    init(of configuration: AuthorizationConfiguration, _ federation: Federation) {
        self.init(
            minimum: federation.assurance, secondFactor: configuration.secondFactor,
            providers: Dictionary(
                federation.providers.map { ($0.issuer, $0.assurance) }, uniquingKeysWith: { first, _ in first }))
    }
}
