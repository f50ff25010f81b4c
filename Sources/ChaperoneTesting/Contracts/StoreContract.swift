internal import AccessPolicy
internal import Audit
public import Authorization
internal import FHIRCore
internal import OAuthCore
public import Testing

/// The promises of the authorization stores, each as a check that any engine must pass. One suite for memory, SQLite and
/// whatever comes later.
public struct StoreContract: Sendable, CustomTestStringConvertible {
    /// What is promised, as a sentence.
    public let promise: String
    /// Tries the promise on fresh, empty stores.
    public let check: @Sendable (AuthorizationStores) async throws -> Void

    init(_ promise: String, _ check: @escaping @Sendable (AuthorizationStores) async throws -> Void) {
        self.promise = promise
        self.check = check
    }

    public var testDescription: String { promise }

    /// Every check.
    public static let checks: [StoreContract] =
        registry + sessions + secondFactors + launches + codes + refreshTokens + revocations + operation + logins
        + exportJobs + endings + configured + signIns + lockouts + suspendedKeys + passwords + races
}

/// Values for the checks.
enum Sample {
    static let now: Int64 = 1_800_000_000
    static let client = ClientID("client")
    static let subject = SubjectID("person")
    static let proofKey = String(repeating: "k", count: 43)

    static func registration(
        _ id: ClientID = client, status: ClientStatus = .active, revision: Int = 1, name: String = "App"
    ) throws -> ClientRegistration {
        ClientRegistration(
            id: id,
            metadata: try ClientMetadata(
                name: name, redirectURIs: ["https://app.example/cb"], grantTypes: [.authorizationCode, .refreshToken],
                authenticationMethod: .clientSecretBasic),
            status: status, isTrusted: true,
            secrets: [
                ClientSecret(hash: Secret("secret").hash, expiresAt: 2_000_000_000),
                ClientSecret(hash: Secret("old secret").hash, expiresAt: 1_900_000_000),
            ],
            approvedScopes: try ScopeSet(parsing: "patient/Patient.rs offline_access"),
            profile: .smart10(until: now + 100), program: .patientAccess, assertionAudience: .issuer,
            lifetimes: ClientLifetimes(accessToken: 60, refreshIdle: 1000, refreshAbsolute: 5000), revision: revision)
    }

    static func account(_ subject: SubjectID = subject, username: String = "anna") -> UserAccount {
        UserAccount(
            subject: subject, username: username, passwordHash: PasswordHash(encoded: "$argon2id$hash"),
            displayName: "Anna Ä.", roles: [.member, .auditor], createdAt: now)
    }

    static func patient(_ text: String) throws -> ResourceID { try #require(ResourceID(text)) }

    static func link() throws -> MemberLink {
        MemberLink(
            subject: subject, fhirUser: InstanceKey(type: .relatedPerson, id: try patient("r")),
            patients: [
                LinkedPatient(id: try patient("p2"), label: "Zoë"), LinkedPatient(id: try patient("p1"), label: "Ben"),
            ])
    }

    static func record(_ kind: AuthorizationRecord.Kind = .launch, id: String = "r") -> AuthorizationRecord {
        AuthorizationRecord(
            id: DecisionID(id + String(UInt64.random(in: 0 ... .max), radix: 36)), kind: kind, clientID: client,
            scopes: ["patient/Patient.rs"], outcome: .refused(reason: "why"), detail: "ä\n", at: now * 1000)
    }

    static func grant(_ id: String = "g", client: ClientID = client, subject: SubjectID? = subject) throws -> Grant {
        Grant(
            id: GrantID(id), clientID: client, subject: subject,
            scopes: try ScopeSet(parsing: "patient/Observation.rs?category=http://x|y offline_access"),
            launch: LaunchContext(
                patient: try patient("p1"), encounter: try patient("e"),
                fhirUser: InstanceKey(type: .patient, id: try patient("p1")), intent: "look",
                needPatientBanner: false, fhirContext: [["reference": "ImagingStudy/1"]],
                smartStyleURL: "https://ehr.example/style-1.json", tenant: "ward"),
            program: .patientAccess, fhirBase: "https://fhir.example", nonce: "n",
            authenticatedAt: subject == nil ? nil : now, createdAt: now, expiresAt: subject == nil ? now + 300 : nil)
    }

    static func session(_ name: String, signedIn: Bool = false) -> BrowserSession {
        BrowserSession(
            id: SessionID(presented: Secret(name)),
            signIn: signedIn ? .init(subject: subject, authenticatedAt: now) : nil, createdAt: now,
            expiresAt: now + 100, lastSeenAt: now)
    }

    static func transaction(_ name: String = "t", session: BrowserSession) throws -> AuthorizationTransaction {
        let verifier = try #require(CodeVerifier(String(repeating: "v", count: 43)))
        return AuthorizationTransaction(
            id: TransactionID(presented: Secret(name)), session: session.id,
            request: AcceptedRequest(
                clientID: client, redirectURI: "https://app.example/cb", state: "s\u{e9}\"",
                scopes: try ScopeSet(parsing: "launch/patient patient/Patient.rs openid"),
                challenge: CodeChallenge(of: verifier), nonce: "n", fhirBase: "https://fhir.example",
                hintedSubject: subject, loginNotBefore: now - 5, proofKey: proofKey),
            createdAt: now, expiresAt: now + 100)
    }

    static func member(_ selection: PatientSelection) throws -> SignedInMember {
        SignedInMember(
            subject: subject, authenticatedAt: now, fhirUser: InstanceKey(type: .practitioner, id: try patient("d")),
            selection: selection)
    }

    static func code(_ name: String = "code", grant: String = "g", session: SessionID? = nil) -> CodeRecord {
        CodeRecord(
            hash: Secret(name).hash, grantID: GrantID(grant), clientID: client, redirectURI: "https://app.example/cb",
            challenge: nil, expiresAt: now + 60, session: session, proofKey: proofKey)
    }

    static func family(rotates: Bool = true, expiresAt: Int64? = now + 1000) -> RefreshFamily {
        RefreshFamily(
            id: RefreshFamilyID(text: "f"), grantID: GrantID("g"), clientID: client, rotates: rotates, createdAt: now,
            idleLimit: 500, expiresAt: expiresAt, generation: 0, currentHash: Secret("token-0").hash, lastUsedAt: now)
    }

    /// Stores with a client and a person.
    static func populate(_ stores: AuthorizationStores) async throws {
        #expect(try await stores.clients.insert(try registration(), record: record()))
        #expect(try await stores.users.insert(account(), link: try link(), record: record()))
    }

    /// Stores in which the launch `t`, in the session `s`, has led to the grant `g` and the code `code`, which knows its
    /// session if it is to.
    static func issueCode(_ stores: AuthorizationStores, inSession: Bool = false) async throws {
        try await populate(stores)
        let session = session("s", signedIn: true)
        try await stores.sessions.insert(session)
        let begun = try transaction(session: session)
        try await stores.transactions.insert(begun)
        #expect(
            try await stores.codes.issue(
                code(session: inSession ? session.id : nil), for: try grant(), closing: try moved(begun, in: session),
                record: record()))
    }

    /// The transaction after one event.
    static func moved(
        _ begun: AuthorizationTransaction, in signedIn: BrowserSession
    ) throws -> AuthorizationTransaction {
        var next = begun
        _ = next.handle(.signedIn(try member(.anyPatient)), from: LaunchVisitor(signedIn, finding: .enough), at: now)
        return next
    }

    static func outboxCount(_ stores: AuthorizationStores) async throws -> Int {
        try await stores.outbox.pending(limit: 10_000).count
    }
}
