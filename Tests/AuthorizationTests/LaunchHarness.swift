import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import Synchronization
import Testing

/// A whole authorization server in memory, with a manual clock, a deterministic random source, clients and people, and
/// the moves of a browser. A class because its tests share its state.
final class LaunchHarness: Sendable {
    static let issuer = "https://as.example"
    static let fhirBase = "https://as.example/fhir"
    static let redirect = "https://app.example/cb"
    static let verifier = "verifier-verifier-verifier-verifier-verifier-1"
    static let scope =
        "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs patient/Condition.rs"

    let clock: ManualClock
    let store: InMemoryAuthorizationStore
    let server: AuthorizationServer
    let log: AuditLogDouble
    let federation: Federation
    let source = RequestSource(address: "192.0.2.1", traceID: "trace")

    init(
        store: InMemoryAuthorizationStore = InMemoryAuthorizationStore(), clock: ManualClock = ManualClock(),
        seed: UInt64 = 7, isFresh: Bool = true, directory: DirectoryDouble? = nil, lookup: ContextLookup? = nil,
        fetch: (any OutboundFetching)? = nil, certificates: CertificateValidator? = nil,
        readsCertificates: Bool = false, demandsProofNonces: Bool = false,
        federation: Federation = .none, takesPasswords: Bool = true, foreignTokenLife: Int64? = nil,
        configure: (inout AuthorizationConfiguration) -> Void = { _ in }, sealer: Sealer? = nil, seam: Seam? = nil
    ) async throws {
        self.clock = clock
        self.store = store
        self.federation = federation
        let stores = seam.map { SeamStore(inner: store, seam: $0).stores } ?? store.stores
        let log = AuditLogDouble()
        self.log = log
        if isFresh { try await SharedKeys.put(into: store) }
        var configuration = AuthorizationConfiguration(
            issuer: Self.issuer, fhirBases: [Self.fhirBase, "https://as.example/other"])
        configuration.shortestPassword = 4
        configuration.foreignTokenLife = foreignTokenLife
        configuration.defaultStyleURL = "https://as.example/smart-style/1.json"
        configuration.takesPasswords = takesPasswords
        configuration.demandsProofNonces = demandsProofNonces
        if readsCertificates {
            configuration.clientCertificates = .init(
                origin: "https://mtls.as.example", hasAuthorities: certificates != nil)
        }
        configure(&configuration)
        let site = SiteMemberDirectory(
            links: stores.memberLinks, logins: stores.externalLogins, sources: federation.sources,
            panels: try Self.panels(), clock: clock.clock)
        let links = LocalMemberDirectory(links: store, panels: try Self.panels())
        directory?.follow(links)
        server = try await AuthorizationServer.start(
            configuration: configuration, stores: stores, directory: directory ?? site,
            sealer: try sealer ?? SharedKeys.sealer(),
            clock: clock.clock, random: SeededRandom(seed: seed).source,
            passwordCost: Argon2Parameters(passes: 1, memoryKiB: 64),
            publishedKeys: fetch.map { PublishedClientKeys(fetch: $0, clock: clock.clock) },
            certificates: certificates, lookup: lookup, federation: federation,
            record: { try await log.record($0) })
        guard isFresh else { return }
        for client in try Self.clients() { #expect(try await server.clients.reconcile(client, from: source) == .added) }
        try await addPeople()
    }

    // MARK: - who there is

    static func panels() throws -> PractitionerPanels {
        let doctor = try #require(InstanceKey("Practitioner/doctor"))
        let chief = try #require(InstanceKey("Practitioner/chief"))
        let patients = try ["patient-a", "patient-c"].map { try #require(ResourceID($0)) }
        return PractitionerPanels([doctor: .patients(Set(patients)), chief: .everyone])
    }

    private func addPeople() async throws {
        let a = LinkedPatient(id: try #require(ResourceID("patient-a")), label: "Anna")
        let b = LinkedPatient(id: try #require(ResourceID("patient-b")), label: "Ben")
        let c = LinkedPatient(id: try #require(ResourceID("patient-c")), label: "Carl")
        let people: [(String, String?, [LinkedPatient])] = [
            ("anna", "Patient/patient-a", [a]), ("ben", "Patient/patient-b", [b]),
            ("parent", "RelatedPerson/parent", [b, c]),
            ("doctor", "Practitioner/doctor", []), ("chief", "Practitioner/chief", []), ("clerk", nil, []),
        ]
        for (name, user, patients) in people {
            let account = NewAccount(
                username: name, password: Secret("pass-\(name)"), displayName: name.uppercased(),
                fhirUser: try user.map { try #require(InstanceKey($0)) }, patients: patients)
            #expect(try await server.accounts.add(account, by: "test", from: source) != nil)
        }
    }

    static func clients() throws -> [ClientRegistration] {
        let patientScopes = try ScopeSet(
            parsing: scope + " launch launch/encounter online_access patient/Observation.cud user/Patient.rs"
                + " profile system/Patient.rs")
        func app(
            _ id: String, method: ClientAuthenticationMethod = .none, redirects: [String] = [redirect],
            isNative: Bool = false, isTrusted: Bool = true,
            grants: Set<GrantType> = [.authorizationCode, .refreshToken],
            profile: ClientProfile = .smart22, usesReferenceTokens: Bool = false
        ) throws -> ClientRegistration {
            ClientRegistration(
                id: ClientID(id),
                metadata: try ClientMetadata(
                    name: "App \(id)", redirectURIs: redirects, grantTypes: grants, authenticationMethod: method,
                    isNative: isNative),
                status: .active, isTrusted: isTrusted,
                secrets: method == .clientSecretBasic ? [ClientSecret(hash: Secret("\(id)-secret").hash)] : [],
                approvedScopes: patientScopes, profile: profile, program: .patientAccess,
                usesReferenceTokens: usesReferenceTokens)
        }
        return [
            try app("app"), try app("app-2"), try app("untrusted", isTrusted: false),
            try app("query", redirects: ["https://app.example/cb?a=1&b=2"]),
            try app("two", redirects: [redirect, "https://app.example/second"]),
            try app("native", redirects: ["http://127.0.0.1/cb"], isNative: true),
            try app("confidential", method: .clientSecretBasic),
            try app("smart1", method: .clientSecretBasic, profile: .smart10(until: ManualClock().now + 1000)),
            try app("smart2", method: .clientSecretBasic, profile: .smart20),
            try app("references", method: .clientSecretBasic, usesReferenceTokens: true),
            try app("no-refresh", grants: [.authorizationCode]),
            try service("service", key: SharedKeys.serviceKey.publicKey),
            try service("service-2", key: SharedKeys.serviceKey.publicKey),
            try service("ehr", key: SharedKeys.serviceKey.publicKey, scopes: "__launch.create"),
            try service("resource-server", key: SharedKeys.serviceKey.publicKey, scopes: "__introspect"),
        ]
    }

    private static func service(
        _ id: String, key: PublicJWK, scopes: String = "system/Patient.rs system/Observation.rs"
    ) throws -> ClientRegistration {
        ClientRegistration(
            id: ClientID(id),
            metadata: try ClientMetadata(
                name: "Service", grantTypes: [.clientCredentials], authenticationMethod: .privateKeyJWT,
                keys: .value(JWKSet([key]))),
            status: .active, approvedScopes: try ScopeSet(parsing: scopes),
            program: .payerToPayer)
    }

    // MARK: - the browser

    /// The parameters of a good request, with changes; nil removes one.
    static func parameters(_ changes: [String: String?] = [:]) throws -> [(String, String)] {
        let verifier = try #require(CodeVerifier(Self.verifier))
        var parameters: [String: String] = [
            "response_type": "code", "client_id": "app", "redirect_uri": redirect, "scope": scope, "state": "state-1",
            "aud": fhirBase, "code_challenge": CodeChallenge(of: verifier).text, "code_challenge_method": "S256",
            "nonce": "nonce-1",
        ]
        for (name, value) in changes { parameters[name] = value }
        return parameters.map { ($0.key, $0.value) }
    }

    static func form(_ parameters: [(String, String)]) throws -> FormParameters {
        var limits = FormParameters.Limits()
        limits.maxParameters = 4096
        let text = parameters.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }
        return try FormParameters(parsing: text.joined(separator: "&"), repetition: .noted, limits: limits)
    }

    func begin(
        _ changes: [String: String?] = [:], adding extra: [(String, String)] = [], session: Secret? = nil
    ) async throws -> InteractionAnswer {
        let form = try Self.form(try Self.parameters(changes) + extra)
        return await server.authorization.begin(form, session: session, from: source)
    }

    /// From the request to the consent page.
    func reachConsent(
        as person: String = "anna", _ changes: [String: String?] = [:], choosing patient: String? = nil,
        session: Secret? = nil
    ) async throws -> (page: ConsentPage, session: Secret) {
        var answer = try await begin(changes, session: session)
        var cookie = try session ?? #require(answer.newCookie)
        if let login = answer.login {
            answer = await server.interaction.login(
                transaction: login.transaction, username: person, password: Secret("pass-\(person)"), session: cookie,
                from: source)
            cookie = try #require(answer.newCookie)
        }
        if let patient, let page = answer.patientChoice {
            answer = await server.interaction.choosePatient(
                transaction: page.transaction, patient: patient, session: cookie, from: source)
        }
        return (try #require(answer.consent, "\(answer.outcome)"), cookie)
    }

    func decide(
        _ page: ConsentPage, session: Secret, leavingOut untouched: Set<String> = [], deny: Bool = false
    ) async throws -> InteractionAnswer {
        var parameters = [("decision", deny ? "deny" : "allow")]
        for item in page.offer.items {
            if !untouched.contains(item.value) { parameters.append((item.field, item.value)) }
            for part in item.parts where !untouched.contains(part.value) { parameters.append((part.field, part.value)) }
        }
        return await server.interaction.consent(
            transaction: page.transaction, form: try Self.form(parameters), session: session, from: source)
    }

    /// The whole launch; answers the code.
    func launch(
        as person: String = "anna", _ changes: [String: String?] = [:], choosing patient: String? = nil,
        leavingOut: Set<String> = []
    ) async throws -> String {
        let (page, session) = try await reachConsent(as: person, changes, choosing: patient)
        let answer = try await decide(page, session: session, leavingOut: leavingOut)
        let redirect = try #require(answer.redirectParameters, "\(answer.outcome)")
        return try #require(redirect["code"])
    }

    // MARK: - the client

    func token(_ parameters: [String: String?], authorization: String? = nil) async throws -> TokenAnswer {
        let pairs = parameters.compactMap { name, value in value.map { (name, $0) } }
        return await server.token.answer(try Self.form(pairs), authorization: authorization, from: source)
    }

    func exchange(
        _ code: String, _ changes: [String: String?] = [:], authorization: String? = nil
    ) async throws -> TokenAnswer {
        var parameters: [String: String?] = [
            "grant_type": "authorization_code", "code": code, "redirect_uri": Self.redirect, "client_id": "app",
            "code_verifier": Self.verifier,
        ]
        for (name, value) in changes { parameters[name] = value }
        return try await token(parameters, authorization: authorization)
    }

    func refresh(
        _ token: String, client: String = "app", scope: String? = nil, authorization: String? = nil
    ) async throws -> TokenAnswer {
        try await self.token(
            ["grant_type": "refresh_token", "refresh_token": token, "client_id": client, "scope": scope],
            authorization: authorization)
    }

    static func basic(_ client: String, _ secret: String) -> String {
        // The test's own encoder: base64 from base64url.
        let text = Base64URL.encode(Array("\(client):\(secret)".utf8)).map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        return "Basic " + String(text) + String(repeating: "=", count: (4 - text.count % 4) % 4)
    }

    /// The facts of an access token, as the enforcer would read them.
    func access(_ response: TokenResponse) throws -> AccessTokenClaims {
        if let kept = try server.references.claims(
            of: response.accessToken.reveal(), audience: Self.fhirBase, at: clock.now)
        {
            return kept
        }
        let token = try JWS.verify(
            response.accessToken.reveal(), keys: server.keys.signer.verificationKeys, rules: .accessToken)
        return try AccessTokenClaims(
            token, expecting: .init(issuer: Self.issuer, audience: Self.fhirBase), now: clock.now)
    }

    /// Whether the enforcer would refuse the token for revocation.
    func isRefused(_ response: TokenResponse) throws -> Bool {
        server.revocationState.refuses(try access(response).grantedAccess())
    }
}

/// Stands for a directory outside the server, which can change its mind without telling. A class for its state.
final class DirectoryDouble: MemberDirectory {
    private let links = Mutex<LocalMemberDirectory?>(nil)

    func follow(_ directory: LocalMemberDirectory) { links.withLock { $0 = directory } }
    /// From now on nobody is known.
    func forget() { links.withLock { $0 = nil } }

    func member(for subject: SubjectID) async throws -> Member? {
        try await links.withLock { $0 }?.member(for: subject)
    }

    func subjects(of user: InstanceKey) async throws -> [SubjectID] {
        try await links.withLock { $0 }?.subjects(of: user) ?? []
    }
}

/// Stands for the audit log: keeps what reached it, and can fail.
final class AuditLogDouble: Sendable {
    struct Full: Error {}
    private let state = Mutex<(records: [AuthorizationRecord], isFull: Bool)>(([], false))
    private let refused = Mutex<AuthorizationRecord.Kind?>(nil)

    var records: [AuthorizationRecord] { state.withLock { $0.records } }
    var kinds: [AuthorizationRecord.Kind] { records.map(\.kind) }
    func fill() { state.withLock { $0.isFull = true } }
    func empty() {
        state.withLock { $0.isFull = false }
        refuse(nil)
    }
    /// Fails from the moment on in which such a record comes.
    func refuse(_ kind: AuthorizationRecord.Kind?) { refused.withLock { $0 = kind } }

    func record(_ new: [AuthorizationRecord]) async throws {
        if let kind = refused.withLock({ $0 }), new.contains(where: { $0.kind == kind }) { throw Full() }
        try state.withLock { state in
            guard !state.isFull else { throw Full() }
            state.records += new
        }
    }
}

/// Keys that are made once for all tests: RSA keys are slow to make.
enum SharedKeys {
    static let serviceKey = try! PrivateJWK.generate(.es384, keyID: "service-key")
    private static let access = try! PrivateJWK.generate(.es256)
    private static let identity = try! PrivateJWK.generate(.rs256)

    static func sealer() throws -> Sealer { try #require(Sealer(keys: [[UInt8](repeating: 9, count: 32)])) }

    static func put(into store: InMemoryAuthorizationStore) async throws {
        for (purpose, key) in [(StoredKey.Purpose.accessToken, access), (.idToken, identity)] {
            let sealed = try sealer().seal(
                try key.json().serialized, context: "key:\(purpose.rawValue):\(key.keyID)")
            let stored = StoredKey(id: key.keyID, purpose: purpose, sealed: sealed, createdAt: 0)
            let record = AuthorizationRecord(
                id: DecisionID(key.keyID), kind: .keyChanged, outcome: .succeeded, at: 0)
            #expect(try await store.insertFirst(stored, record: record))
        }
    }
}

extension InteractionAnswer {
    var newCookie: Secret? { if case .set(let value, _) = session { value } else { nil } }
    var login: LoginPage? { if case .page(.login(let page)) = outcome { page } else { nil } }
    var patientChoice: PatientPage? { if case .page(.choosePatient(let page)) = outcome { page } else { nil } }
    var consent: ConsentPage? { if case .page(.consent(let page)) = outcome { page } else { nil } }
    var leaving: LeavingPage? { if case .page(.leaving(let page)) = outcome { page } else { nil } }
    var shownError: OAuthError? { if case .shownToUser(let error) = outcome { error } else { nil } }
    var isUnavailable: Bool { if case .unavailable = outcome { true } else { false } }
    var location: String? { if case .redirect(let redirect) = outcome { redirect.location } else { nil } }

    /// What stands in the query of the redirect, decoded.
    var redirectParameters: [String: String]? { location.flatMap(Self.query) }

    static func query(of location: String) -> [String: String]? {
        guard let mark = location.firstIndex(of: "?"),
            let form = try? FormParameters(parsing: String(location[location.index(after: mark)...]))
        else { return nil }
        return Dictionary(uniqueKeysWithValues: form.names.map { ($0, form[$0] ?? "") })
    }
}

extension TokenAnswer {
    var response: TokenResponse? { if case .issued(let response) = self { response } else { nil } }
    var error: OAuthError? { if case .refused(let error) = self { error } else { nil } }
    var face: String? { error.map { "\($0.status) \($0.code.rawValue)" } }
    var isTooMany: Bool { if case .tooManyRequests = self { true } else { false } }
}
