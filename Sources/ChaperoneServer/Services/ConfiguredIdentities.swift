internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

/// Brings the clients and accounts of the configuration into the stores.
///
/// Run at every start: what is not there is added, a client whose registration differs is replaced, an account's roles and
/// person become those of the configuration. A password is set when the account is made and never again from here; a link
/// that an administrator undid stays undone.
struct ConfiguredIdentities {
    let configuration: Configuration
    let server: AuthorizationServer
    let clock: Clock

    private static let source = RequestSource(address: "local")

    /// Suspends the clients that are in the configuration no longer, and ends their access; gives their ids. Only where
    /// the server serves: a command that looks into a database by another configuration changes nothing of it.
    func suspendAbsent() async throws -> [ClientID] {
        try await server.clients.suspendAbsent(Set(configuration.clients.map { ClientID($0.id) }), from: Self.source)
    }

    func apply() async throws {
        for client in configuration.clients { try await apply(client) }
        for user in configuration.users { try await apply(user) }
    }

    private func apply(_ client: ConfiguredClient) async throws {
        switch try await server.clients.reconcile(try registration(of: client), from: Self.source) {
        case .added, .changed, .unchanged: break
        case .refused: throw RetiredClient(id: client.id)
        }
    }

    /// A client of the configuration bears an id that was retired.
    struct RetiredClient: Error, CustomStringConvertible {
        let id: String
        var description: String { "the client `\(id)` was retired; its id is never given again" }
    }

    private func registration(of client: ConfiguredClient) throws -> ClientRegistration {
        let keysText = try client.demoKeys ?? client.keysFile.map(Configuration.content)
        let keys = try keysText.map { try JWKSet(parsing: Array($0.utf8), from: .registered) }
        var links = ClientMetadata.Links()
        links.launch = client.launchURL
        let metadata = try ClientMetadata(
            name: client.name, redirectURIs: client.redirectURIs,
            grantTypes: Set(client.grantTypes.map(Self.grantType)),
            authenticationMethod: Self.method(client.kind),
            keys: keys.map { .value($0) } ?? client.keysURL.map { .location($0) }, isNative: client.isNative,
            links: links, certificateSubject: client.certificateSubject,
            bindsTokensToCertificate: client.bindsTokensToCertificate, isDemonstration: configuration.isDemo)
        var registration = ClientRegistration(
            id: ClientID(client.id), metadata: metadata, status: .active, isTrusted: client.isTrusted,
            secrets: try configuration.secrets(of: client),
            approvedScopes: try ScopeSet(parsing: client.scopes), profile: Self.profile(client),
            program: client.program,
            lifetimes: ClientLifetimes(
                accessToken: Int64(client.accessTokenSeconds ?? configuration.lifetimes.accessToken),
                refreshIdle: Int64(configuration.lifetimes.refreshToken)),
            usesReferenceTokens: client.usesReferenceTokens)
        registration.wildcardsUntil = client.wildcardsUntil
        return registration
    }

    private static func grantType(_ type: ConfiguredClient.GrantType) -> GrantType {
        switch type {
        case .authorizationCode: .authorizationCode
        case .refreshToken: .refreshToken
        case .clientCredentials: .clientCredentials
        }
    }

    private static func method(_ kind: ConfiguredClient.Kind) -> ClientAuthenticationMethod {
        switch kind {
        case .public: .none
        case .symmetric: .clientSecretBasic
        case .asymmetric: .privateKeyJWT
        case .certificate: .tlsClientAuth
        case .selfSigned: .selfSignedTLSClientAuth
        }
    }

    private static func profile(_ client: ConfiguredClient) -> ClientProfile {
        switch client.profile {
        case .smart22: .smart22
        case .smart20: .smart20
        case .smart10: .smart10(until: client.profileUntil ?? 0)
        }
    }

    private func apply(_ user: ConfiguredUser) async throws {
        var fhirUser: InstanceKey?
        if let reference = user.fhirUser, case .relative(let key, nil) = LiteralReference(reference) { fhirUser = key }
        let patients = user.patients.compactMap { patient in
            ResourceID(patient.id).map { LinkedPatient(id: $0, label: patient.label) }
        }
        if let account = try await server.stores.users.user(named: user.login) {
            _ = try await server.accounts.setRoles(
                Self.roles(user), of: account.subject, by: "configuration", from: Self.source)
            let link = fhirUser.map { MemberLink(subject: account.subject, fhirUser: $0, patients: patients) }
            _ = try await server.accounts.relink(account.subject, to: link, by: "configuration", from: Self.source)
            return
        }
        let password = try user.demoPassword ?? user.passwordFile.map(Configuration.firstLine) ?? ""
        // Another server on the same database may have been faster; then the account is there, which is what we want.
        _ = try await server.accounts.add(
            NewAccount(
                username: user.login, password: Secret(password), displayName: user.name, roles: Self.roles(user),
                fhirUser: fhirUser, patients: patients), by: "configuration", from: Self.source)
    }

    private static func roles(_ user: ConfiguredUser) -> Set<UserRole> {
        let staff = user.roles.map { role -> UserRole in
            switch role {
            case .auditor: .auditor
            case .admin: .admin
            case .steward: .steward
            case .security: .security
            case .developer: .developer
            }
        }
        if !staff.isEmpty { return Set(staff) }
        return user.fhirUser?.hasPrefix("Practitioner") == true ? [.clinician] : [.member]
    }
}
