internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// Whether a person may hold what a grant gives, asked when a code is made, when it is redeemed and at every refresh.
///
/// The account must be good, and the directory must still say that the login is the same person and may act for the
/// patient, so that an undone link ends open launches as it ends grants (decision 23).
struct PersonStanding: Sendable {
    enum Finding: Hashable, Sendable {
        case good, disabled, linkChanged
        /// Nobody is there who could say it: the provider of the login is configured no more, or is another one by now.
        case unvouched
    }

    let users: any UserStore
    let directory: any MemberDirectory

    /// Throws when the stores or the directory cannot say; the caller then refuses.
    func finding(for subject: SubjectID, in launch: LaunchContext) async throws -> Finding {
        guard let account = try await users.user(subject), !account.isDisabled else { return .disabled }
        guard launch.patient != nil || launch.fhirUser != nil else { return .good }
        guard try await directory.canTell(of: subject) else { return .unvouched }
        let member = try await directory.member(for: subject)
        let isSamePerson = member?.fhirUser == launch.fhirUser
        let mayAct = launch.patient.map { member?.selection.allows($0) ?? false } ?? true
        return isSamePerson && mayAct ? .good : .linkChanged
    }
}

extension ServerParts {
    var persons: PersonStanding { PersonStanding(users: stores.users, directory: directory) }

    /// Refuses a token for a grant whose person may no longer hold it; when the link has changed the grant ends.
    func demandPerson(of grant: Grant, _ call: AuthenticatedCall) async throws {
        guard let subject = grant.subject else { return }
        switch try await persons.finding(for: subject, in: grant.launch) {
        case .good: return
        case .disabled: throw OAuthError(.invalidGrant, detail: "the account is disabled")
        // A provider that is taken out of the configuration or renamed may be back tomorrow (record 72): nothing ends.
        case .unvouched:
            throw OAuthError(
                .invalidGrant, "the place where the person signs in is not known here; they must sign in again",
                detail: "no configured provider vouches for the login")
        case .linkChanged:
            _ = try await access.revoke(
                .grant(grant.id), because: .memberChanged,
                record: call.maker.record(.revoke, grant: grant, detail: RevocationReason.memberChanged.rawValue))
            throw OAuthError(
                .invalidGrant, detail: "the person may no longer act for the patient; the grant was revoked")
        }
    }
}
