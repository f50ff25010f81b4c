public import Audit
public import OAuthCore

/// The authorization server: its endpoints and use-cases by name, nothing more.
public struct AuthorizationServer: Sendable {
    public let authorization: AuthorizationEndpoint
    public let interaction: InteractionEndpoint
    public let launch: LaunchEndpoint
    public let token: TokenEndpoint
    public let revocation: RevocationEndpoint
    public let introspection: IntrospectionEndpoint
    public let pushedRequests: PushedRequestEndpoint
    public let userInfo: UserInfoEndpoint
    public let discovery: DiscoveryEndpoint
    public let federation: FederationEndpoint
    /// What the enforcer in this process asks on every request.
    public let revocationState: RevocationState
    public let access: AccessRevoker
    public let accounts: AccountRegistry
    public let secondFactors: SecondFactorDesk
    public let passwords: PasswordDesk
    public let keys: ServerKeys
    /// The refusals without an audit record of their own, to be written as sums.
    public let refusals: RefusalLedger
    public let keyKeeper: KeyKeeper
    /// The nonces of DPoP proofs; nil where none is demanded.
    public let proofNonces: ProofNonces?
    /// What the enforcer in this process asks about tokens that are references.
    public let references: ReferenceTokens
    /// What the enforcer in this process asks about the sign-ins behind tokens.
    public let signIns: SignInStandings
    public let audit: AuditTrail
    public let clients: ClientRegistry
    public let stores: AuthorizationStores
    private let clock: Clock

    /// Makes a server over its stores: opens or makes the keys, loads the revocations, and brings into the audit log
    /// what an earlier run left in the outbox.
    public static func start(
        configuration: AuthorizationConfiguration, stores: AuthorizationStores, directory: any MemberDirectory,
        sealer: Sealer, clock: Clock = .system, random: RandomSource = .system,
        passwordCost: Argon2Parameters = .standard, publishedKeys: PublishedClientKeys? = nil,
        certificates: CertificateValidator? = nil, lookup: ContextLookup? = nil, federation: Federation = .none,
        facts: RecordFacts = RecordFacts(), record: @escaping AuditTrail.Recording
    ) async throws -> AuthorizationServer {
        let audit = AuditTrail(outbox: stores.outbox, clients: stores.clients, facts: facts, record: record)
        let keys = try await ServerKeys.load(from: stores.keys, sealer: sealer, clock: clock, random: random)
        let state = RevocationState(foreignLife: configuration.foreignTokenLife)
        // Who was trying when the process ended counts as somebody who failed.
        _ = try await stores.throttle.confirm(announcedBy: .max)
        try await audit.flush()
        let access = AccessRevoker(stores: stores, state: state, audit: audit, clock: clock, random: random)
        try await access.catchUp()
        var current = stores
        current.clients = DatedClientStore(stored: stores.clients, clock: clock)
        let parts = ServerParts(
            configuration: configuration, stores: current, directory: directory, clock: clock, random: random,
            hasher: try PasswordHasher(parameters: passwordCost, random: random.bytes), audit: audit, access: access,
            keys: keys,
            references: ReferenceTokens(
                key: keys.references, store: stores.referenceTokens, random: random, issuer: configuration.issuer),
            sealer: sealer, budget: StepBudget(configuration.budget),
            proofNonces: configuration.demandsProofNonces ? ProofNonces(key: keys.references) : nil,
            certificates: certificates, lookup: lookup,
            federation: federation,
            signIns: SignInStandings(
                grants: stores.grants, policy: AssurancePolicy(of: configuration, federation), clock: clock))
        try await SecondFactorDesk(parts: parts).resealOld()
        return AuthorizationServer(
            parts: parts, registered: stores, state: state, publishedKeys: publishedKeys)
    }

    private init(
        parts: ServerParts, registered: AuthorizationStores, state: RevocationState,
        publishedKeys: PublishedClientKeys?
    ) {
        let interaction = InteractionEndpoint(parts: parts)
        // One budget for all proofs of one source, whatever they are shown to.
        let verifications = VerificationBudget(parts.configuration.budget.verifications)
        let callers = BearerCallers(parts: parts, verifications: verifications)
        let authenticator = ClientAuthenticator(
            configuration: parts.configuration, clients: parts.stores.clients, replayCache: parts.stores.replayCache,
            publishedKeys: publishedKeys, certificates: parts.certificates, attempts: parts.attempts,
            verifications: verifications, clock: parts.clock, random: parts.random)
        self.interaction = interaction
        federation = FederationEndpoint(parts: parts, interaction: interaction)
        secondFactors = interaction.secondFactors
        passwords = PasswordDesk(parts: parts)
        launch = LaunchEndpoint(parts: parts, callers: callers)
        authorization = AuthorizationEndpoint(parts: parts, interaction: interaction)
        token = TokenEndpoint(
            parts: parts, authenticator: authenticator,
            issuer: TokenIssuer(parts: parts))
        introspection = IntrospectionEndpoint(parts: parts, authenticator: authenticator, callers: callers)
        pushedRequests = PushedRequestEndpoint(
            parts: parts, authenticator: authenticator, authorization: authorization)
        userInfo = UserInfoEndpoint(parts: parts, callers: callers)
        revocation = RevocationEndpoint(parts: parts, authenticator: authenticator)
        discovery = DiscoveryEndpoint(configuration: parts.configuration, keys: parts.keys)
        revocationState = state
        access = parts.access
        accounts = AccountRegistry(
            stores: parts.stores, hasher: parts.hasher, audit: parts.audit, access: parts.access, clock: parts.clock,
            random: parts.random, shortestPassword: parts.configuration.shortestPassword, signIns: parts.signIns)
        clients = ClientRegistry(
            stores: registered, audit: parts.audit, clock: parts.clock, random: parts.random, access: parts.access)
        keys = parts.keys
        refusals = parts.budget.refusals
        keyKeeper = KeyKeeper(
            store: parts.stores.keys, keys: parts.keys, audit: parts.audit, clock: parts.clock, random: parts.random,
            lifetimes: parts.configuration.keyLifetimes)
        references = parts.references
        proofNonces = parts.proofNonces
        signIns = parts.signIns
        audit = parts.audit
        stores = parts.stores
        clock = parts.clock
    }

    /// Learns what was revoked in the store and is not known here, because a change of it had an unknown outcome; to be
    /// called every second.
    public func followRevocations() async throws { try await access.catchUp() }

    /// Removes what has expired, replaces keys that are due, and learns of revocations and keys that another process made;
    /// to be called every few minutes.
    public func sweep() async throws -> Int {
        try await access.catchUp()
        _ = try await keyKeeper.advance()
        revocationState.forget(at: clock.now())
        if try await stores.throttle.confirm(announcedBy: clock.now() - AttemptCounter.longestAttempt) > 0 {
            try await audit.flush()
        }
        return try await stores.sweep.sweep(at: clock.now())
    }
}
