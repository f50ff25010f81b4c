// What the audit trail costs. The gateway of the product in one process, before an upstream of constant answers, with the
// log of the product or with none: a sink that forgets, which exists only here.
//
//   audit-benchmark serve durable|off FOLDER   prints `PORT TOKEN`, serves until its input ends, prints its CPU seconds
//   audit-benchmark append FOLDER RECORDS      records a second through the recorder ÷ SQLite alone with the same rows
//   audit-benchmark search LOG                 how long searches take on a log of `audit_log.py`
//   audit-benchmark verify LOG                 how long the whole of it takes to verify
import AccessPolicy
import Audit
import Enforcement
import FHIRCore
import Foundation
import GRDB
import NIOCore
import NIOHTTP1
import NIOPosix
import OAuthCore
import Persistence

/// Takes records and keeps none of them.
struct ForgettingSink: AuditSink {
    func append(_ batch: [AuditEntry]) {}
    func head(of node: String) -> AuditEntry? { nil }
    func unfinished(on node: String, through sequence: Int64) -> [AuditEntry] { [] }
    func unfinishedNodes() -> [String] { [] }
    func contains(_ eventID: DecisionID) -> Bool { false }
    func search(_ query: AuditQuery) -> AuditPage { .empty }
    func count(_ query: AuditQuery, most: Int) -> Int? { nil }
    func scan(_ node: String, after position: Int64, limit: Int) -> [StoredAuditEntry] { [] }
    func nodes() -> [String] { [] }
}

/// Keeps everything in memory, to have the rows that the recorder makes.
///
/// `@unchecked Sendable`: `kept` is read and written only while `lock` is held.
final class KeepingSink: AuditSink, @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [AuditEntry] = []
    var entries: [AuditEntry] { lock.withLock { kept } }
    func append(_ batch: [AuditEntry]) { lock.withLock { kept += batch } }
    func head(of node: String) -> AuditEntry? { entries.last }
    func unfinished(on node: String, through sequence: Int64) -> [AuditEntry] { [] }
    func unfinishedNodes() -> [String] { [] }
    func contains(_ eventID: DecisionID) -> Bool { false }
    func search(_ query: AuditQuery) -> AuditPage { .empty }
    func count(_ query: AuditQuery, most: Int) -> Int? { nil }
    func scan(_ node: String, after position: Int64, limit: Int) -> [StoredAuditEntry] { [] }
    func nodes() -> [String] { [] }
}

/// The same Patient for every request.
final class ConstantUpstream: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private static let body = ByteBuffer(
        string: #"{"resourceType":"Patient","id":"pA","meta":{"versionId":"1"},"name":[{"family":"Example","given":["#
            + #""Ann"]}],"gender":"female","birthDate":"1970-01-01","address":[{"line":["1 Example Street"],"city":"#
            + #""Exampletown","postalCode":"12345","country":"US"}],"telecom":[{"system":"phone","value":"555-0100"}]}"#
    )

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let head = HTTPResponseHead(
            version: .http1_1, status: .ok,
            headers: ["content-type": "application/fhir+json", "content-length": "\(Self.body.readableBytes)"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(Self.body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}

func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

func serve(_ mode: String, _ folder: String, upstreamPort: Int) async throws {
    let base = "http://gw.test/fhir"
    let key = try PrivateJWK.generate(.es256, keyID: "bench")
    let keys = JWKSet([key.publicKey])
    guard let sealer = Sealer(keys: [[UInt8](repeating: 9, count: 32)]) else { fatalError("no sealer") }
    let sink: any AuditSink = mode == "off" ? ForgettingSink() : try AuditSQLiteSink(path: "\(folder)/audit.db")
    let recorder = try AuditRecorder(sink: sink, node: "bench")
    let server = try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstreamPort)/fhir")
    let pools = try UpstreamPools(server: server)
    let policy = ServerPolicy(publicBase: base, upstreamBase: server.base, types: try TypeTable.r4())
    let enforcer = Enforcer(
        policy: policy,
        verifier: AccessTokenVerifier(
            expectation: .init(issuer: "http://gw.test", audience: base), keys: { keys }, revocation: { _ in .active }),
        panels: .table(users: [:]), pageLinks: PageLinks(sealer: sealer, publicBase: base, server: server))
    let site = GatewaySite(
        basePath: "/fhir", enforcer: enforcer, upstream: pools, audit: recorder,
        capabilities: CapabilitySource(
            policy: policy, endpoints: OAuthEndpoints(authorize: "http://gw.test/a", token: "http://gw.test/t"),
            clock: .system))
    let configuration = GatewayConfiguration(sites: [site], hosts: ["gw.test"], clock: Clock.system.milliseconds)
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try GatewayPipeline.install(on: channel, configuration: configuration)
            }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let now = Clock.system.now()
    let claims = AccessTokenClaims(
        issuer: "http://gw.test", audience: base, scope: "patient/*.rs", clientID: ClientID("app"),
        subject: SubjectID("member"), launch: LaunchContext(patient: ResourceID("pA")), program: .patientAccess,
        grantID: GrantID("g"), tokenID: TokenID("t"), issuedAt: now, expiresAt: now + 36_000)
    print(channel.localAddress?.port ?? 0, try JWS.sign(claims.json, type: "at+jwt", with: key))
    fflush(nil)
    // Each line of input asks for the CPU seconds so far; the end of input ends the run.
    while readLine() != nil {
        print(cpuSeconds(), recorder.health.recorded, recorder.health.appends)
        fflush(nil)
    }
    recorder.shutdown()
    exit(0)
}

func upstream() async throws {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                try channel.pipeline.syncOperations.addHandler(ConstantUpstream())
            }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    print(channel.localAddress?.port ?? 0)
    fflush(nil)
    while readLine() != nil {}
    exit(0)
}

func sample(_ number: Int) -> AccessRecord {
    AccessRecord(
        decisionID: DecisionID("decision-\(number)"), clientID: ClientID("app-\(number % 50)"),
        subject: SubjectID("member-\(number % 1000)"), fhirUser: "Patient/p-\(number % 1000)",
        sourceAddress: "192.0.2.7", grantID: GrantID("grant-\(number % 2000)"),
        tokenID: TokenID("token-\(number % 5000)"),
        scopes: ["patient/Observation.rs"], program: "patient-access", patients: ["p-\(number % 1000)"],
        interaction: .searchType, resourceType: "Observation", method: "GET", path: "/Observation",
        queryAsked: "category=laboratory&date=ge2024-01-01", queryNarrowed: "category=laboratory&patient=p-1",
        outcome: .permitted, status: 200, released: 12, startedAt: 1_760_000_000_000, endedAt: 1_760_000_000_012)
}

/// Records with many in the queue, as a loaded server has them; seconds.
func seconds(recording count: Int, into sink: any AuditSink) throws -> Double {
    let recorder = try AuditRecorder(sink: sink, node: "bench")
    let room = DispatchSemaphore(value: 2048)
    let began = ContinuousClock.now
    for number in 0..<count {
        room.wait()
        recorder.record(sample(number)) { _ in room.signal() }
    }
    recorder.shutdown()
    let took = began.duration(to: .now).components
    return Double(took.seconds) + Double(took.attoseconds) / 1e18
}

/// What SQLite alone does with the same rows, 64 to a durable commit, by the same schema.
func bareSeconds(_ entries: [AuditEntry], path: String) throws -> Double {
    try AuditSQLiteSink(path: path).close()
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    let began = ContinuousClock.now
    for start in stride(from: 0, to: entries.count, by: 64) {
        try queue.write { database in
            let row = try database.cachedStatement(
                sql: """
                    INSERT INTO audit_entry (node, sequence, recorded_at, event_id, phase, closes, kind, interaction,
                        resource_type, client_id, subject, grant_id, outcome, previous, hash, body)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """)
            let patient = try database.cachedStatement(
                sql: "INSERT INTO audit_patient (patient, recorded_at, position, place) VALUES (?, ?, ?, 0)")
            for entry in entries[start..<min(start + 64, entries.count)] {
                let index = entry.index
                try row.execute(arguments: [
                    entry.node, entry.sequence, entry.recordedAt, index.eventID.text, index.phase.rawValue,
                    index.closes, index.kind, index.interaction, index.resourceType, index.clientID?.text,
                    index.subject?.text, index.grantID?.text, index.outcome, Data(entry.previous.bytes),
                    Data(entry.hash.bytes), Data(entry.body),
                ])
                try patient.execute(arguments: [index.patients[0], entry.recordedAt, database.lastInsertedRowID])
            }
        }
    }
    let took = began.duration(to: .now).components
    try queue.close()
    return Double(took.seconds) + Double(took.attoseconds) / 1e18
}

func append(_ folder: String, _ count: Int) throws {
    let keeping = KeepingSink()
    _ = try seconds(recording: count, into: keeping)
    let entries = keeping.entries
    var ratios: [Double] = []
    for round in 1...3 {
        let bare = try bareSeconds(entries, path: "\(folder)/bare-\(round).db")
        let sink = try AuditSQLiteSink(path: "\(folder)/full-\(round).db")
        let full = try seconds(recording: count, into: sink)
        try sink.close()
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/full-\(round).db")
        let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
        ratios.append(bare / full)
        print(
            "round \(round): recorder \(Int(Double(count) / full)) records/s, SQLite alone "
                + "\(Int(Double(count) / bare)) rows/s, ratio \((bare / full * 100).rounded() / 100), \(size / count) bytes a record"
        )
    }
    print("median ratio \((ratios.sorted()[1] * 100).rounded() / 100) over \(count) records, 64 a commit")
}

func milliseconds(_ work: () throws -> Void) rethrows -> Double {
    let began = ContinuousClock.now
    try work()
    let took = began.duration(to: .now).components
    return Double(took.seconds) * 1000 + Double(took.attoseconds) / 1e15
}

/// Searches as auditors ask them, each with other values every time.
func search(_ path: String) throws {
    let reader = try AuditSQLiteReader(path: path)
    guard let newest = try reader.search(AuditQuery(limit: 1)).entries.first else { return }
    let span = newest.sequence * 3000
    let start = newest.recordedAt - span
    let day: Int64 = 86_400_000
    func moment() -> Int64 { start + Int64.random(in: 0..<span) }
    func patient() -> String { "p-\(Int.random(in: 0..<200_000))" }
    let shapes: [(String, () throws -> Int)] = [
        (
            "patient and month",
            {
                let from = moment()
                return try reader.search(AuditQuery(patient: patient(), from: from, to: from + 30 * day)).entries.count
            }
        ),
        ("patient, newest 50", { try reader.search(AuditQuery(patient: patient())).entries.count }),
        (
            "grant",
            { try reader.search(AuditQuery(grantID: GrantID("g-\(Int.random(in: 0..<200_000))"))).entries.count }
        ),
        (
            "client and day",
            {
                let from = moment()
                return try reader.search(
                    AuditQuery(clientID: ClientID("app-\(Int.random(in: 0..<500))"), from: from, to: from + day)
                ).entries.count
            }
        ),
        (
            "refused, one day",
            {
                let from = moment()
                return try reader.search(AuditQuery(outcomes: ["refused"], from: from, to: from + day)).entries.count
            }
        ),
        (
            "patient and scope",
            {
                var content = AuditContentFilter()
                content.scopes = ["patient/Observation.rs"]
                return try reader.search(AuditQuery(patient: patient()), content: content).entries.count
            }
        ),
    ]
    print("\(newest.sequence) records")
    for (name, ask) in shapes {
        var found = 0
        let times = try (0..<200).map { _ in try milliseconds { found += try ask() } }.sorted()
        func text(_ value: Double) -> String { String(format: "%.2f", value) }
        print(
            "\(name): median \(text(times[100])) ms, p99 \(text(times[197])) ms, longest \(text(times[199])) ms, "
                + "\(found / 200) found on average")
    }
}

func verify(_ path: String) throws {
    let key = try PrivateJWK.generate(.es256)
    let before = cpuSeconds()
    var result: AuditVerification?
    let took = try milliseconds {
        result = try AuditSQLiteVerification.verify(path: path, keys: JWKSet([key.publicKey]))
    }
    guard let result else { return }
    let entries = result.chains.reduce(0) { $0 + $1.entries }
    print(
        "\(entries) records verified in \(String(format: "%.1f", took / 1000)) s, "
            + "\(String(format: "%.1f", cpuSeconds() - before)) CPU s, \(result.findings.count) findings")
    for finding in result.findings.prefix(10) { print(finding) }
}

let arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "serve" where arguments.count == 5:
    try await serve(arguments[2], arguments[3], upstreamPort: Int(arguments[4]) ?? 0)
case "upstream": try await upstream()
case "append" where arguments.count == 4: try append(arguments[2], Int(arguments[3]) ?? 50_000)
case "search" where arguments.count == 3: try search(arguments[2])
case "verify" where arguments.count == 3: try verify(arguments[2])
default:
    print("usage: audit-benchmark serve durable|off FOLDER UPSTREAM-PORT | upstream | append FOLDER RECORDS")
    exit(2)
}
