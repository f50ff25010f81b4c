internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

/// Brings the clients and accounts of the configuration into the stores.
///
/// Only where the server serves: a command that looks into a database by another configuration, or by none, writes nobody
/// into it and changes nobody. A password is set when the account is made
/// and never again from here; what an administrator changed stays until the configuration says something new.
struct ConfiguredIdentities {
    let configuration: Configuration
    let server: AuthorizationServer
    let clock: Clock

    private static let source = RequestSource(address: "local")

    /// Something that the operator should know of.
    struct Remark: Hashable, Sendable {
        let text: String
        /// The client's id, or the name of the account.
        let about: String
    }

    /// A client of the configuration bears an id that was retired.
    struct RetiredClient: Error, CustomStringConvertible {
        let id: String
        var description: String { "the client `\(id)` was retired; its id is never given again" }
    }

    private var present: Set<ClientID> { Set(configuration.clients.map { ClientID($0.id) }) }

    /// Refuses a list of clients that would suspend many. Asked before anything is added, so that clients that are only
    /// there by the same mistake do not count.
    func demandFewAbsent() async throws {
        let absent = try await server.clients.absent(present)
        guard !absent.areMany else { throw Installation.ManyAbsentClients(absent: absent) }
    }

    /// Adds the clients and accounts that are not there, and changes nothing of those that are.
    func addMissing() async throws {
        for client in configuration.clients
        where try await server.stores.clients.client(ClientID(client.id)) == nil {
            try configuration.demandPlainSecrets(of: client, except: [])
            _ = try await server.clients.add(try registration(of: client), from: Self.source)
        }
        for user in configuration.users where try await server.stores.users.user(named: user.login) == nil {
            try await add(user)
        }
    }

    /// Brings clients and accounts that are there to what the configuration says, suspends the clients that are in it no
    /// longer, and says what the operator should know.
    func reconcile() async throws -> [Remark] {
        var remarks: [Remark] = []
        for client in configuration.clients { remarks += try await reconcile(client) }
        for user in configuration.users { remarks += try await reconcile(user) }
        for id in try await suspendAbsent() {
            remarks.append(
                Remark(
                    text: "a client is in the configuration no longer: suspended, its grants stay", about: id.text))
        }
        for account in try await server.stores.users.users() where UserAccount.isReservedName(account.username) {
            remarks.append(
                Remark(
                    text: "an account bears a name of the server's own, under which its deeds read as the server's",
                    about: account.username))
        }
        return remarks
    }

    /// Suspends the clients that are in the configuration no longer; gives their ids.
    func suspendAbsent() async throws -> [ClientID] {
        try await server.clients.suspendAbsent(present, from: Self.source)
    }

    private func reconcile(_ client: ConfiguredClient) async throws -> [Remark] {
        let stored = try await server.stores.clients.client(ClientID(client.id))
        try configuration.demandPlainSecrets(of: client, except: Set(stored?.secrets.map(\.hash) ?? []))
        switch try await server.clients.reconcile(try registration(of: client), from: Self.source) {
        case .added, .changed, .unchanged: break
        case .refused: throw RetiredClient(id: client.id)
        }
        guard try !configuration.oddSecrets(of: client).isEmpty else { return [] }
        return [Remark(text: "a client's secret holds `+` or `%`, which clients send in two ways", about: client.id)]
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

    private func reconcile(_ user: ConfiguredUser) async throws -> [Remark] {
        guard let account = try await server.stores.users.user(named: user.login) else { return [] }
        let deviations = try await server.accounts.reconcile(
            account.subject, roles: Self.roles(user), person: Self.link(account.subject, user), from: Self.source)
        var remarks = deviations.sorted { $0.rawValue < $1.rawValue }.map { deviation in
            let what =
                switch deviation {
                case .roles: "roles"
                case .person: "person"
                }
            return Remark(
                text: "an account has another \(what) than the configuration says; it stays until the configuration "
                    + "says something new", about: user.login)
        }
        if user.fhirUser == nil, !user.patients.isEmpty {
            remarks.append(
                Remark(text: "an account has patients and no fhir-user, so that it opens nothing", about: user.login))
        }
        return remarks
    }

    private func add(_ user: ConfiguredUser) async throws {
        let password = try user.demoPassword ?? user.passwordFile.map(Configuration.firstLine) ?? ""
        let link = Self.link(SubjectID(""), user)
        var new = NewAccount(
            username: user.login, password: Secret(password), displayName: user.name, roles: Self.roles(user),
            fhirUser: link?.fhirUser, patients: link?.patients ?? [])
        new.applied = AppliedConfiguration(roles: new.roles, link: link)
        // False where the account is there by now, which is what we want.
        _ = try await server.accounts.add(new, by: "configuration", from: Self.source)
    }

    /// Who an account is by the configuration; nil for nobody.
    private static func link(_ subject: SubjectID, _ user: ConfiguredUser) -> MemberLink? {
        guard let reference = user.fhirUser, case .relative(let key, nil) = LiteralReference(reference) else {
            return nil
        }
        let patients = user.patients.compactMap { patient in
            ResourceID(patient.id).map { LinkedPatient(id: $0, label: patient.label) }
        }
        return MemberLink(subject: subject, fhirUser: key, patients: patients)
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
