internal import AccessPolicy
internal import Enforcement
internal import FHIRCore
public import OAuthCore
internal import Synchronization

/// A site as the mirror sees it: an enforcer that decides and explains, and the ledger of what came of it.
///
/// It opens no database, asks the protected server nothing and answers nobody. A class because the listener and the
/// reporter share the ledger; the lock is `ledger`.
public final class MirrorSite: Sendable {
    private let enforcer: Enforcer
    private let basePath: String
    private let program: APIProgram
    private let clock: Clock
    private let ownKeys: KeySetSource?
    private let ledger: Mutex<MirrorLedger>

    /// The site of a configuration. Our own authorization server's keys are fetched where it publishes them; whether
    /// one of its tokens was revoked is not known here.
    ///
    /// - Parameter kinds: how many kinds of request are told apart at most.
    public init(
        configuration: Configuration, clock: Clock = .system, random: RandomSource = .system, kinds: Int = 2000
    ) throws {
        ledger = Mutex(MirrorLedger(limit: kinds))
        let verifier: AccessTokenVerifier
        if let issuer = configuration.tokenIssuer {
            let bases = [configuration.fhirBase, configuration.upstreamBase]
            verifier = AccessTokenVerifier(
                foreign: try EnforcerParts.foreignTokens(issuer, bases: bases, egress: configuration.egress))
            ownKeys = nil
        } else {
            let url = configuration.issuer.text + "/.well-known/jwks.json"
            // Our own server is often a neighbour.
            let fetch = configuration.egress.fetch(alsoPrivate: url)
            let keys = KeySetSource { try await EnforcerParts.keys(at: url, by: fetch) }
            verifier = AccessTokenVerifier(
                expectation: .init(issuer: configuration.issuer.text, audience: configuration.fhirBase),
                keys: { keys.currentKeys(at: clock.now()) }, revocation: { _ in .active })
            ownKeys = keys
        }
        let upstream = try UpstreamFHIRServer(base: configuration.upstreamBase)
        guard let sealer = Sealer(keys: [random.bytes(32)]) else {
            throw InstallationKey.Unusable(description: "no key for page links could be made")
        }
        enforcer = Enforcer(
            policy: try configuration.serverPolicy(), verifier: verifier, panels: try configuration.panelSource(),
            pageLinks: PageLinks(sealer: { sealer }, publicBase: configuration.fhirBase, server: upstream),
            random: random)
        basePath = configuration.fhirServer.path
        program = configuration.tokenIssuer?.program ?? .general
        self.clock = clock
    }

    /// Decides a request that was seen, and counts it. What is not below the FHIR base is nobody's business here.
    func see(
        _ method: String, _ target: String, headers: [(name: String, value: String)], body: [UInt8], at time: Int64
    ) async {
        guard var request = clientRequest(method, target, at: time) else { return }
        request.headers = headers
        request.body = body
        note(await explain(request), method, status: nil, time)
    }

    /// Decides the request of a line of an access log, and counts it.
    public func see(line: String) async {
        guard let line = AccessLogLine(line) else { return ledger.withLock { $0.noteUnreadable() } }
        guard var request = clientRequest(line.method, line.target, at: line.time) else { return }
        if let access = line.access(program: program) {
            await enforcer.prepare(for: access, at: request.receivedAt)
            return note(enforcer.explain(request, by: access), line.method, status: line.status, line.time)
        }
        if let credential = line.fields["authorization"] { request.headers.append(("authorization", credential)) }
        note(await explain(request), line.method, status: line.status, line.time)
    }

    private func explain(_ request: ClientRequest) async -> Explanation {
        if let ownKeys, ownKeys.isOld(at: clock.now()) { await ownKeys.renew(at: clock.now()) }
        await enforcer.prepare(request)
        return enforcer.explain(request)
    }

    private func note(_ explanation: Explanation, _ method: String, status: Int?, _ time: Int64) {
        ledger.withLock { $0.note(explanation, method: method, status: status, time: time) }
    }

    private func clientRequest(_ method: String, _ target: String, at time: Int64) -> ClientRequest? {
        let sides = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = sides.first ?? ""
        let below = path.dropFirst(basePath.utf8.count)
        guard path.hasPrefix(basePath), below.isEmpty || below.hasPrefix("/") else { return nil }
        return ClientRequest(
            method: method, path: String(below), query: sides.count > 1 ? String(sides[1]) : nil, receivedAt: time)
    }

    /// The ledger at this moment.
    public var report: MirrorLedger { ledger.withLock { $0 } }
}
