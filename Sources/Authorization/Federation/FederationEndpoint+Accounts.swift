public import AccessPolicy
internal import Audit
public import FHIRCore
internal import OAuthCore

extension FederationEndpoint {
    /// What an account has instead of a password hash: no password verifies against it.
    static let noPassword = PasswordHash(encoded: "$argon2id$none")

    /// The account of a login that is linked to somebody. A login that is not gets nothing: no account, no session.
    func account(
        of token: ProviderIDToken, at provider: IdentityProvider, _ maker: RecordMaker
    ) async throws -> UserAccount {
        guard let identifier = token.identifier(provider.claim) else {
            throw try await refusal("no-identifier", nil, maker, "the ID token holds no usable `\(provider.claim)`")
        }
        let identity = ExternalIdentity(
            provider: provider.id, issuer: provider.issuer, subject: token.subject, identifier: identifier)
        let known = try await parts.stores.externalLogins.login(issuer: identity.issuer, subject: identity.subject)
        if let known, known.undoneAt != nil { throw try await refusal("link-undone", known.account, maker) }
        switch parts.federation.sources[provider.id]?.source {
        case nil, .links?:
            guard let known, try await parts.stores.memberLinks.link(for: known.account) != nil else {
                throw try await refusal("not-linked", known?.account, maker, Self.name(of: identity))
            }
            return try await entered(known, identity, maker)
        case .asked?:
            let choice: MemberChoice
            do { choice = try await ownDirectory.choice(of: identity) } catch {
                throw try await outage("the member directory of `\(provider.id)`: \(error)", maker)
            }
            guard case .member(let member) = choice else {
                guard case .nobody(let reason) = choice else { throw InteractionEndpoint.notYours }
                throw try await refusal("directory-\(reason.rawValue)", known?.account, maker, Self.name(of: identity))
            }
            guard let known else { return try await newAccount(for: identity, member, maker) }
            try await follow(member, of: known, maker)
            return try await entered(known, identity, maker)
        }
    }

    private var ownDirectory: SiteMemberDirectory {
        SiteMemberDirectory(
            links: parts.stores.memberLinks, logins: parts.stores.externalLogins, sources: parts.federation.sources,
            panels: parts.federation.panels, clock: parts.clock)
    }

    private static func name(of identity: ExternalIdentity) -> String {
        "`\(identity.subject)` at `\(identity.provider)`"
    }

    /// The account of a known login, with what the provider told this time.
    private func entered(
        _ known: ExternalLogin, _ identity: ExternalIdentity, _ maker: RecordMaker
    ) async throws -> UserAccount {
        guard try await parts.stores.externalLogins.note(identity, of: known.account, at: parts.clock.now()) else {
            throw try await refusal("link-undone", known.account, maker)
        }
        guard let account = try await parts.stores.users.user(known.account), !account.isDisabled else {
            throw try await refusal("disabled", known.account, maker)
        }
        return account
    }

    /// Where the source says another person than the link, the link follows, and what rested on the old one ends.
    private func follow(_ member: Member, of known: ExternalLogin, _ maker: RecordMaker) async throws {
        let link = try await parts.stores.memberLinks.link(for: known.account)
        guard link?.fhirUser != member.fhirUser else { return }
        if link != nil {
            _ = try await parts.access.unlink(known.account, by: "directory", from: maker.source)
        }
        let record = maker.record(
            .userChanged, subject: known.account, by: "directory", detail: "linked to \(member.fhirUser)")
        let new = MemberLink(subject: known.account, fhirUser: member.fhirUser, patients: [])
        // Whoever loses a race with another sign-in or with an undoing is told apart below, by what stands then.
        if try await parts.stores.externalLogins.relink(new, record: record) { parts.signIns.changed() }
        try await parts.audit.flush()
    }

    private func newAccount(
        for identity: ExternalIdentity, _ member: Member, _ maker: RecordMaker
    ) async throws -> UserAccount {
        let made = ExternalAccount(
            identity: identity, subject: SubjectID(parts.random.identifier()), fhirUser: member.fhirUser,
            patients: [], displayName: Self.displayName(of: member), at: parts.clock.now())
        let record = maker.record(
            .userChanged, subject: made.account.subject, by: "directory",
            detail: "login \(Self.name(of: identity)) linked to \(member.fhirUser)")
        guard
            try await parts.stores.externalLogins.insert(
                made.login, account: made.account, link: made.link, record: record)
        else {
            // Two first sign-ins of one person at one moment: the other one made it.
            guard
                let known = try await parts.stores.externalLogins.login(
                    issuer: identity.issuer, subject: identity.subject)
            else { throw InteractionEndpoint.notYours }
            return try await entered(known, identity, maker)
        }
        try await parts.audit.flush()
        return made.account
    }

    /// How the person is greeted: by the record that is their own.
    private static func displayName(of member: Member) -> String {
        if case .among(let patients) = member.selection,
            let own = patients.first(where: { member.fhirUser == InstanceKey(type: .patient, id: $0.id) })
        {
            return own.label
        }
        return member.fhirUser.description
    }

    // MARK: - failures

    /// Records why a sign-in came to nothing and gives the error for the person, which does not say why.
    func refusal(
        _ reason: String, _ subject: SubjectID?, _ maker: RecordMaker, _ detail: String? = nil
    ) async throws -> OAuthError {
        guard let record = parts.refusal(.loginFailed, reason, subject: subject, detail: detail, maker) else {
            return InteractionEndpoint.tooMany
        }
        try await parts.audit.note(record)
        return OAuthError(
            .accessDenied, "this sign-in opens nothing here; please ask your health plan", detail: reason)
    }

    private func outage(_ cause: String, _ maker: RecordMaker) async throws -> OAuthError {
        guard let record = parts.refusal(.loginFailed, "unavailable", detail: cause, maker) else {
            return InteractionEndpoint.tooMany
        }
        try await parts.audit.note(record)
        return OAuthError(
            .temporarilyUnavailable, "the place where you sign in cannot be reached just now", detail: cause)
    }

    /// Does what needs the provider. What is wrong with it is recorded; the person hears whether to try again.
    func demand<Value>(
        _ provider: IdentityProvider, _ maker: RecordMaker, _ work: () async throws -> Value
    ) async throws -> Value {
        do { return try await work() } catch let failure as ProviderFailure {
            switch failure {
            case .reported, .responseRefused, .responseOfAnotherIssuer, .idTokenRefused:
                throw try await unaccepted(failure.detail, provider, maker)
            case .metadataRefused, .wrongIssuer, .noIDToken:
                throw try await outage("`\(provider.id)`: \(failure.detail)", maker)
            }
        } catch let failure as JOSEError {
            throw try await unaccepted(ProviderFailure.idTokenRefused(failure).detail, provider, maker)
        } catch let failure as OutboundFailure {
            throw try await outage("`\(provider.id)`: \(failure)", maker)
        }
    }

    private func unaccepted(
        _ detail: String, _ provider: IdentityProvider, _ maker: RecordMaker
    ) async throws -> OAuthError {
        guard
            let record = parts.refusal(.loginFailed, "provider", detail: "`\(provider.id)`: \(detail)", maker)
        else { return InteractionEndpoint.tooMany }
        try await parts.audit.note(record)
        return OAuthError(.accessDenied, "the sign-in was not completed", detail: detail)
    }

    /// Turns what goes wrong into an answer, once. Every refusal that is told was recorded where it was made, but for
    /// pages that are not this browser's.
    func answered(
        _ source: RequestSource, _ work: (RecordMaker) async throws -> FederationAnswer
    ) async -> FederationAnswer {
        let maker = parts.records(for: source)
        do { return try await work(maker) } catch let error as OAuthError {
            guard error == InteractionEndpoint.notYours else {
                return .interaction(InteractionAnswer(.shownToUser(error)))
            }
            return .interaction(await interaction.refuse(error, client: nil, maker))
        } catch {
            return .interaction(InteractionAnswer(.unavailable(cause: "\(error)")))
        }
    }
}

/// What is made for a login that is linked for the first time.
public struct ExternalAccount: Hashable, Sendable {
    public let account: UserAccount
    public let login: ExternalLogin
    public let link: MemberLink

    public init(
        identity: ExternalIdentity, subject: SubjectID, fhirUser: InstanceKey, patients: [LinkedPatient],
        displayName: String, at now: Int64
    ) {
        account = UserAccount(
            // A name with a line break in it: nobody can type it where names and passwords are asked for.
            subject: subject, username: "\(identity.issuer)\n\(identity.subject)",
            passwordHash: FederationEndpoint.noPassword, displayName: displayName,
            roles: [UserRole(of: fhirUser)], createdAt: now)
        login = ExternalLogin(account: subject, identity: identity, createdAt: now)
        link = MemberLink(subject: subject, fhirUser: fhirUser, patients: patients)
    }
}
