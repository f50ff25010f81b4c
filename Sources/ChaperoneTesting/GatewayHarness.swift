public import AccessPolicy
public import Audit
public import Enforcement
public import FHIRCore
internal import OAuthCore
internal import Synchronization

/// Runs exchanges of the gateway without sockets: real tokens, real decisions, real audit recorder, scripted upstream.
public struct GatewayHarness: Sendable {
    /// What came of one request.
    public struct Answer: Sendable {
        public let status: Int
        public let fields: [(name: String, value: String)]
        public let body: [UInt8]
        /// What the protected server was asked, in order.
        public let upstream: [UpstreamRequest]
        /// What was recorded for this request, in order.
        public let records: [AuditEntry]
        /// How many parts it came in; 0 for an answer that was judged whole.
        public let parts: Int
        /// Whether its connection was cut before its end.
        public let isCut: Bool

        public var text: String { String(decoding: body, as: UTF8.self) }
        public var json: JSONValue? { try? JSONValue(parsing: body) }

        public func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

        /// The ids of the resources in the answer, `Type/id`; of a Bundle those of its entries.
        public var keys: [String] {
            let resources = json?["entry"]?.array?.compactMap { $0["resource"] } ?? [json].compactMap { $0 }
            return resources.compactMap { resource in
                guard let type = resource["resourceType"]?.string, let id = resource["id"]?.string else { return nil }
                return "\(type)/\(id)"
            }
        }
    }

    public static let publicBase = "https://gw.example/fhir"
    public static let upstreamBase = "http://upstream.example:8082/fhir"
    public static let issuer = "https://gw.example"
    /// The house's limits, but for the length of what streams: bodies without end are played to their cut often.
    public static var limits: Enforcer.Limits {
        var limits = Enforcer.Limits()
        limits.streamedBytes = 10 << 20
        return limits
    }
    /// The moment at which every exchange happens, in Unix seconds.
    public static let now: Int64 = 1_800_000_000

    public let sink: InMemoryAuditSink
    /// The enforcer that the exchanges belong to.
    public let enforcer: Enforcer
    private let recorder: AuditRecorder
    private let key: PrivateJWK
    private let upstream: ScriptedUpstream
    private let clock: @Sendable () -> Int64
    /// Whether the client hangs up when this is asked of the protected server, before it answers.
    public var hangsUp: @Sendable (UpstreamRequest) -> Bool = { _ in false }
    /// In which pieces the body of an upstream answer comes.
    private let pieces: @Sendable ([UInt8]) -> [[UInt8]]

    /// - Parameters:
    ///   - supportedParameters: what the upstream's CapabilityStatement says; nil when it has not been read.
    ///   - operations: the operations that are let through.
    ///   - linkKey: every byte of the key under which page links are sealed at that moment.
    ///   - pieces: in which pieces the body of an upstream answer comes; put together they are the body.
    ///   - storage: hosts on which files of exports may stand.
    ///   - jobs: the store of export jobs; one of its own in memory unless given.
    ///   - clock: Unix seconds, for what is looked at while a request is under way.
    ///   - revocation: asked at each request, and again while it is under way, whether a grant still holds.
    public init(
        upstream: ScriptedUpstream, panels: PanelSource = .table(users: [:]),
        limits: Enforcer.Limits = GatewayHarness.limits,
        supportedParameters: [ResourceType: Set<String>]? = nil, operations: OperationTable = .builtIn,
        storage: [UpstreamFHIRServer] = [], jobs: ExportJobs? = nil,
        sink: InMemoryAuditSink = InMemoryAuditSink(), linkKey: @escaping @Sendable () -> UInt8 = { 7 },
        pieces: @escaping @Sendable ([UInt8]) -> [[UInt8]] = { [$0] },
        clock: @escaping @Sendable () -> Int64 = { GatewayHarness.now }, pageBytes: Int? = nil,
        revocation: @escaping @Sendable (GrantedAccess) -> AccessTokenVerifier.RevocationStatus = { _ in .active }
    ) throws {
        let key = try PrivateJWK.generate(.es256, keyID: "harness")
        let keys = JWKSet([key.publicKey])
        let server = try UpstreamFHIRServer(base: Self.upstreamBase)
        let sealers = (UInt8.min...UInt8.max).compactMap { Sealer(keys: [[UInt8](repeating: $0, count: 32)]) }
        guard sealers.count == 256 else { throw HarnessError.noSealer }
        self.key = key
        self.upstream = upstream
        self.clock = clock
        self.pieces = pieces
        self.sink = sink
        recorder = try AuditRecorder(sink: sink, node: "harness")
        var policy = ServerPolicy(
            publicBase: Self.publicBase, upstreamBase: Self.upstreamBase,
            types: try TypeTable.r4().decidingPanels(by: panels.decidingTypes),
            supportedParameters: supportedParameters)
        policy.operations = operations
        if let pageBytes { policy.maxPageBytes = pageBytes }
        enforcer = Enforcer(
            policy: policy,
            verifier: AccessTokenVerifier(
                expectation: AccessTokenClaims.Expectation(issuer: Self.issuer, audience: Self.publicBase),
                keys: { keys }, revocation: revocation),
            panels: panels,
            pageLinks: PageLinks(
                sealer: { sealers[Int(linkKey())] }, publicBase: Self.publicBase, server: server, storage: storage),
            limits: limits, jobs: jobs ?? .kept(in: InMemoryAuthorizationStore()))
    }

    enum HarnessError: Error {
        case noSealer
    }

    /// A signed access token.
    public func token(
        scope: String, patient: String? = nil, fhirUser: String? = nil, client: String = "app",
        grant: String = "grant-1", subject: String? = "member", expiresIn: Int64 = 300
    ) throws -> String {
        let launch = LaunchContext(
            patient: patient.flatMap { ResourceID($0) }, fhirUser: fhirUser.flatMap { InstanceKey($0) })
        let claims = AccessTokenClaims(
            issuer: Self.issuer, audience: Self.publicBase, scope: scope, clientID: ClientID(client),
            subject: subject.map { SubjectID($0) }, launch: launch, program: .patientAccess,
            grantID: GrantID(grant), tokenID: TokenID("token-of-\(grant)"), issuedAt: Self.now - 10,
            expiresAt: Self.now + expiresIn)
        return try JWS.sign(claims.json, type: "at+jwt", with: key)
    }

    /// Sends a request with a target such as `/Observation?patient=pA`, below the FHIR base.
    public func send(
        _ method: String, _ target: String, token: String?, headers: [(name: String, value: String)] = [],
        body: [UInt8] = [], at now: Int64 = GatewayHarness.now
    ) async -> Answer {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let authorization = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        return await send(
            ClientRequest(
                method: method, path: parts[0], query: parts.count == 2 ? parts[1] : nil,
                headers: authorization + headers, body: body, sourceAddress: "192.0.2.1", receivedAt: now * 1000))
    }

    /// Sends a request as it is.
    public func send(_ request: ClientRequest) async -> Answer {
        let before = sink.entries.count
        var run = Run()
        var exchange = enforcer.makeExchange()
        let incoming = enforcer.receive(request)
        var step = Step.perform(exchange.handle(.request(incoming)))
        while true {
            switch consume step {
            case .perform(let action): step = await perform(action, of: incoming, on: &exchange, &run)
            case .finish:
                return Answer(
                    status: run.status, fields: run.fields, body: run.body, upstream: run.asked,
                    records: Array(sink.entries.dropFirst(before)), parts: run.parts, isCut: run.isCut)
            }
        }
    }

    private enum Step: ~Copyable {
        case perform(GatewayExchange.Action)
        case finish
    }

    /// What has come of a request up to now.
    private struct Run {
        var asked: [UpstreamRequest] = []
        var status = 0
        var fields: [(name: String, value: String)] = []
        var body: [UInt8] = []
        var parts = 0
        var isCut = false
        /// What the protected server has still to send; nil when nothing is asked of it.
        var coming: Coming?

        mutating func take(_ part: consuming StreamedPart) {
            if let head = part.head { (status, fields) = (head.status, head.fields) }
            parts += 1
            body += part.takeBody()
        }
    }

    /// The rest of an upstream answer.
    private struct Coming {
        var pieces: ArraySlice<[UInt8]>
        let end: UpstreamFailure?
    }

    private func perform(
        _ action: consuming GatewayExchange.Action, of incoming: IncomingRequest, on exchange: inout GatewayExchange,
        _ run: inout Run
    ) async -> Step {
        switch consume action {
        case .answer(let answer):
            (run.status, run.fields) = (answer.status, answer.fields)
            run.body = answer.takeBody()
            return .finish
        case .open(let record):
            run.coming = nil
            return .perform(exchange.handle(await opened(record, incoming)))
        case .record(let record):
            run.coming = nil
            return .perform(exchange.handle(await recorded(record)))
        case .close(let receipt, let record):
            run.coming = nil
            return .perform(exchange.handle(await closed(receipt, record)))
        case .forward(let request):
            run.asked.append(request)
            if hangsUp(request) {
                let ended = exchange.handle(.clientGone)
                if !ended.isWait { return .perform(ended) }
            }
            return .perform(begin(upstream.reply(request), on: &exchange, &run))
        case .keep(let change):
            run.coming = nil
            return .perform(exchange.handle(.kept(await enforcer.perform(change))))
        case .openStream(let record): return .perform(exchange.handle(await opened(record, incoming)))
        case .index(let record): return .perform(exchange.handle(await indexed(record)))
        case .send(let part):
            run.take(part)
            // As in the gateway's own driver, which looks at the token while an answer streams.
            let looked = exchange.handle(.standing(standing(of: incoming)))
            return .perform(looked.isWait ? exchange.handle(.sent) : looked)
        case .withdraw: return .finish
        case .end(let part):
            run.take(part)
            return .finish
        case .cut:
            run.isCut = true
            return .finish
        case .wait: return .perform(exchange.handle(next(of: incoming, &run)))
        }
    }

    /// Begins to play a reply.
    private func begin(
        _ reply: ScriptedUpstream.Reply, on exchange: inout GatewayExchange, _ run: inout Run
    ) -> GatewayExchange.Action {
        let head: UpstreamHead
        switch reply {
        case .failure(let failure):
            run.coming = nil
            return exchange.handle(.upstreamFailed(failure))
        case .answer(let given, let body): (head, run.coming) = (given, Coming(pieces: pieces(body)[...], end: nil))
        case .cut(let given, let body, let failure):
            (head, run.coming) = (given, Coming(pieces: pieces(body)[...], end: failure))
        case .repeating(let given, let piece, let times):
            (head, run.coming) = (
                given, Coming(pieces: [[UInt8]](repeating: piece, count: times)[...], end: nil)
            )
        }
        return exchange.handle(.upstreamHead(head))
    }

    /// What the protected server sends next.
    private func next(of incoming: IncomingRequest, _ run: inout Run) -> GatewayExchange.Event {
        // With nothing under way nothing would ever come; the exchange must not hang.
        guard var coming = run.coming else { return .upstreamFailed(.interrupted) }
        if let piece = coming.pieces.popFirst() {
            run.coming = coming
            return .upstreamBody(piece)
        }
        run.coming = nil
        return coming.end.map { .upstreamFailed($0) } ?? .upstreamEnd(standing(of: incoming))
    }

    private func indexed(_ record: AccessRecord) async -> GatewayExchange.Event {
        do throws(AuditFailure) { return .indexed(try await recorder.record(record)) } catch {
            return .auditFailed(error)
        }
    }

    private func opened(_ record: AccessRecord, _ incoming: IncomingRequest) async -> GatewayExchange.Event {
        do throws(AuditFailure) {
            return .opened(try await recorder.open(record), standing(of: incoming))
        } catch { return .auditFailed(error) }
    }

    /// As in the gateway's own driver, asked at the moment at which something has come back.
    private func standing(of incoming: IncomingRequest) -> AccessStanding {
        enforcer.standing(of: incoming, at: clock() * 1000)
    }

    private func recorded(_ record: AccessRecord) async -> GatewayExchange.Event {
        do throws(AuditFailure) { return .closed(try await recorder.record(record)) } catch {
            return .auditFailed(error)
        }
    }

    private func closed(
        _ receipt: consuming OpeningReceipt, _ record: AccessRecord
    ) async -> GatewayExchange.Event {
        do throws(AuditFailure) {
            return .closed(try await recorder.close(receipt, record))
        } catch { return .auditFailed(error) }
    }
}
