internal import AccessPolicy
public import FHIRCore

/// What a grant rests on, as it stood in the store at one moment: by whom, for whom, and who the person is. From these
/// facts alone it is judged whether its sign-in is enough.
public struct GrantFooting: Hashable, Sendable {
    public let grant: Grant
    /// The grant's client; nil where it is not there any more.
    public var client: ClientRegistration?
    /// The account of the grant's person; nil for a backend service, and where it is not there any more.
    public var account: UserAccount?
    /// Who the person is in FHIR by now; nil where that is linked to nobody.
    public var person: InstanceKey?

    public init(
        grant: Grant, client: ClientRegistration?, account: UserAccount? = nil, person: InstanceKey? = nil
    ) {
        self.grant = grant
        self.client = client
        self.account = account
        self.person = person
    }
}

extension GrantFooting {
    /// The roles by which the person is judged. What the site demands of an account it demands wherever its person signs
    /// in, and of who they are by now, local account or a provider's login: whoever opens records as a practitioner is a
    /// clinician, whatever roles were given to the account.
    static func roles(of account: UserAccount, as person: InstanceKey?) -> Set<UserRole> {
        guard let person else { return account.roles }
        return account.roles.union([UserRole(of: person)])
    }
}

extension AssurancePolicy {
    /// Whether the sign-in of a grant is enough for tokens of it today. Nobody signed in for a backend service.
    ///
    /// What the app asked for counts as what the site demands: it was promised to it with the grant.
    public func isEnough(_ footing: GrantFooting) -> Bool {
        let grant = footing.grant
        guard grant.subject != nil else { return true }
        guard grant.isReadable, let client = footing.client, let account = footing.account else { return false }
        let demands = demands(
            // Tokens carry the program of the grant; the client may have been moved to another one since.
            programs: [grant.program, client.program],
            scopes: grant.scopes.intersection(client.approvedScopes).scopes,
            roles: GrantFooting.roles(of: account, as: footing.person), isAsked: grant.needsSecondFactor)
        return finding(grant.authentication, against: demands) == .enough
    }
}
