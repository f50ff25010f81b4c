internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import NIOPosix
public import OAuthCore
internal import Persistence

/// Everything of a server but its listeners: state directory, databases, audit trail, authorization server.
///
/// `chaperone serve` puts listeners around it; commands that work without a running server use it alone. Either way one
/// process at a time holds it.
public struct Installation: Sendable {
    let configuration: Configuration
    let clock: Clock
    let random: RandomSource
    let database: SQLiteAuthorizationDatabase
    let recorder: AuditRecorder
    private let auditSink: AuditSQLiteSink
    var auditReader: any AuditReader { auditSink }
    let server: AuthorizationServer
    let auditSide: AuditSide
    let timedSink: TimedAuditSink
    /// The look-ups of the context pages; they work once the gateway is there.
    let lookup: DeferredLookup
    /// Who the logins of identity providers are.
    let members: MemberSources
    let directory: SiteMemberDirectory
    /// The questions of the member directory to the protected server; they work once the gateway is there.
    let identities: DeferredIdentities
    /// What certificates of clients are worth; nil where no authority vouches for any.
    let certificates: ClientCertificateJudge?
    private let locks: [PrivateFile.Lock]

    /// Another process holds the installation.
    public struct Held: Error, CustomStringConvertible {
        public let description: String
    }

    /// So many clients would be suspended that the list itself may be wrong.
    public struct ManyAbsentClients: Error, CustomStringConvertible {
        let absent: AbsentClients
        public var description: String {
            let names = absent.ids.prefix(10).map { "`\($0)`" }.joined(separator: ", ")
            return "\(absent.ids.count) of \(absent.activeCount) active clients are not in the configuration "
                + "(\(names)\(absent.ids.count > 10 ? ", …" : "")) and would be suspended; if that is meant, start once "
                + "with `chaperone serve --suspend-absent-clients`"
        }
    }

    /// What an installation is opened for.
    public enum Purpose: Hashable, Sendable {
        /// A command looks into it or changes what it was told to: its configuration may be another one than the server's,
        /// or a demo's that was only assumed to find the state directory, so nobody is written from it.
        case command
        /// A server serves from it: the configuration's clients and accounts that are not there are added, and nothing of
        /// a demo may be left where none is served.
        ///
        /// With `demandsFewAbsent` it is refused, before anything is added, when the configuration lacks many of the
        /// active clients: they are about to be suspended.
        case serving(demandsFewAbsent: Bool)
    }

    /// Opens it, brings the databases up to date and closes what an earlier run left open. Clients and accounts that are
    /// there stay as they are.
    public init(
        configuration: Configuration, for purpose: Purpose = .command, clock: Clock = .system,
        random: RandomSource = .system
    ) async throws {
        try PrivateFile.makeDirectory(configuration.stateDirectory)
        try PrivateFile.demandPrivate(configuration.stateDirectory)
        guard let lock = try PrivateFile.Lock(directory: configuration.stateDirectory) else {
            throw Held(description: "another chaperone is running on `\(configuration.stateDirectory)`")
        }
        // What another process wrote to the same database this one's enforcer would learn too late.
        guard let databaseLock = try PrivateFile.Lock(database: configuration.database.path) else {
            throw Held(description: "another chaperone is running on the database `\(configuration.database.path)`")
        }
        let sink = try AuditSQLiteSink(path: configuration.auditDatabase.path)
        let timed = TimedAuditSink(sink)
        let recorder = try AuditRecorder(sink: timed, node: configuration.audit.node)
        try recorder.recover()
        let database = try SQLiteAuthorizationDatabase(path: configuration.database.path)
        let keys = try InstallationKey.load(
            stateDirectory: configuration.stateDirectory, file: configuration.rootKeysFile,
            environment: InstallationKey.environment(), random: random)
        guard let sealer = Sealer(keys: keys) else {
            throw InstallationKey.Unusable(description: "the installation key is not a key")
        }
        let lookup = DeferredLookup()
        let identities = DeferredIdentities()
        let egress = configuration.egress.fetch()
        let members = try MemberSources(
            configuration.signIn, fetch: egress, identities: identities, keptIn: configuration.stateDirectory,
            clock: clock)
        for roster in members.rosters { roster.begin() }
        let directory = SiteMemberDirectory(
            links: database.stores.memberLinks, logins: database.stores.externalLogins, sources: members.sources,
            panels: configuration.practitionerPanels, clock: clock)
        let certificates = try configuration.certificateJudge(
            fetch: egress, clock: clock, forgetsLists: purpose != .command)
        let server = try await AuthorizationServer.start(
            configuration: try configuration.publishedAuthorization(), stores: database.stores,
            directory: directory, sealer: sealer, clock: clock, random: random,
            publishedKeys: configuration.publishedKeys(by: egress, clock: clock),
            certificates: certificates?.validator, lookup: lookup.lookup,
            federation: try configuration.federation(sources: members.sources, fetch: egress),
            facts: configuration.recordFacts
        ) { records in try await recorder.recordOnce(records) }
        if case .serving(let demandsFewAbsent) = purpose {
            do {
                let leftovers = DemoLeftovers(configuration: configuration, stores: database.stores, random: random)
                if let found = try await leftovers.found() {
                    throw Composition.Unsafe(hazards: [.demoLeftovers], advice: found.advice)
                }
                let configured = ConfiguredIdentities(configuration: configuration, server: server, clock: clock)
                if demandsFewAbsent { try await configured.demandFewAbsent() }
                try await configured.addMissing()
            } catch {
                // Who is told to put it in order by a command finds it free. Why it does not serve is what is told.
                recorder.shutdown()
                try? sink.close()
                try? database.close()
                for one in [databaseLock, lock] { one.release() }
                throw error
            }
        }
        self.configuration = configuration
        self.clock = clock
        self.random = random
        self.database = database
        self.recorder = recorder
        self.auditSink = sink
        self.server = server
        self.certificates = certificates
        auditSide = AuditSide(
            store: sink, configuration: configuration, keys: server.keys, recorder: recorder, clock: clock,
            random: random)
        timedSink = timed
        self.lookup = lookup
        self.members = members
        self.directory = directory
        self.identities = identities
        locks = [databaseLock, lock]
    }

    /// The admin side's calls over this installation.
    public var adminAPI: AdminAPI { adminAPI(explaining: nil) }

    func adminAPI(explaining explainer: RequestExplainer?) -> AdminAPI {
        AdminAPI(
            stores: server.stores, audit: auditReader, auditSide: auditSide, accounts: server.accounts,
            clients: server.clients,
            secondFactors: server.secondFactors, access: server.access, keyKeeper: server.keyKeeper,
            trail: server.audit,
            clock: clock, random: random, explainer: explainer,
            issuers: Dictionary(
                configuration.signIn.providers.map { ($0.id, $0.issuer) }, uniquingKeysWith: { first, _ in first }))
    }

    /// The admin side's calls with an enforcer of this installation to ask, for a process that has no listeners.
    public func explainingAdminAPI() throws -> AdminAPI {
        let upstream = try GatewaySide.upstream(configuration.fhirServer, base: configuration.upstreamBase)
        return adminAPI(
            explaining: RequestExplainer(
                enforcer: try GatewaySide.enforcer(self, upstream: upstream), origin: configuration.issuer.text,
                basePath: configuration.fhirServer.path, clock: clock))
    }

    /// The account pages over this installation.
    var accountDesk: AccountDesk {
        AccountDesk(
            stores: server.stores,
            directory: directory,
            access: server.access, trail: server.audit, audit: auditReader, clock: clock, random: random)
    }

    /// Records that the server started or stopped.
    func note(_ kind: AuthorizationRecord.Kind) async throws {
        try await server.audit.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: kind, outcome: .succeeded, detail: configuration.issuer.text,
                sourceAddress: "local", at: clock.milliseconds()))
    }

    /// Makes durable what waits, fixes it with a last checkpoint, and lets go.
    public func close() async throws {
        try await server.audit.flush()
        let last: Result<Void, any Error>
        do { last = .success(_ = try await auditSide.checkpoint()) } catch { last = .failure(error) }
        recorder.shutdown()
        try auditSink.close()
        try database.close()
        for lock in locks { lock.release() }
        try last.get()
    }
}

extension Configuration {
    /// The address of the protected FHIR base as clients see it.
    var fhirBase: String { issuer.text + fhirServer.path }

    /// How audit events name this system.
    var auditSystem: AuditSystem { AuditSystem(name: "Chaperone", fhirBase: fhirBase, issuer: issuer.text) }

    /// What the authorization server is told, with what stands in files.
    func publishedAuthorization() throws -> AuthorizationConfiguration {
        var result = authorization
        if let brands = try brands() {
            result.brandBundle = issuer.text + "/brands"
            result.brandIdentifier = brands.identifier
        }
        return result
    }

    var authorization: AuthorizationConfiguration {
        var result = AuthorizationConfiguration(issuer: issuer.text, fhirBases: [fhirBase])
        result.codeLifetime = Int64(lifetimes.authorizationCode)
        result.sessionIdleLimit = Int64(lifetimes.session)
        result.foreignTokenLife = tokenIssuer.map { issuer in
            let mapping = issuer.mapping(bases: [])
            return mapping.longestLife + mapping.skew
        }
        result.isDemonstration = isDemo
        result.takesPasswords = signIn.takesPasswords
        result.secondFactor = secondFactor.policy
        result.demandsProofNonces = demandsProofNonces
        result.clientCertificates = announcedCertificates
        result.defaultStyleURL = issuer.text + StyleDocument.path
        if isDemo { result.shortestPassword = DemoIdentities.password.utf8.count }
        return result
    }

    /// The proxies that are believed; none where one of the texts is no address, which reading refuses before.
    var proxies: TrustedProxies {
        TrustedProxies(trustedProxies, header: trustedProxyHeader == .forwarded ? .forwarded : .xForwardedFor) ?? .none
    }

    var practitionerPanels: PractitionerPanels { PractitionerPanels(userPanels) }

    /// The panels of practitioners as the enforcer asks for them.
    var userPanels: [InstanceKey: PatientPanel] {
        var table: [InstanceKey: PatientPanel] = [:]
        for (reference, ids) in panels {
            guard case .relative(let key, nil) = LiteralReference(reference) else { continue }
            table[key] = .patients(Set(ids.compactMap { ResourceID($0) }))
        }
        return table
    }

    /// The panels of backend clients.
    var clientPanels: [ClientID: PatientPanel] {
        var table: [ClientID: PatientPanel] = [:]
        for client in clients {
            switch client.systemPanel {
            case .none: break
            case .everyone: table[ClientID(client.id)] = .everyone
            case .patients(let ids): table[ClientID(client.id)] = .patients(Set(ids.compactMap { ResourceID($0) }))
            }
        }
        return table
    }
}
