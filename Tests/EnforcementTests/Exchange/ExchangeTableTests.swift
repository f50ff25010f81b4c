import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

/// Every event in every state of a `GatewayExchange`.
@Suite(.underMutation) struct ExchangeTableTests {
    enum Situation: CaseIterable {
        case new, readingStored, proving, opening, forwardingRead, forwardingWrite, closing, over
        case openingStream, streaming, finishingStream, cuttingStream
    }

    enum Happening: CaseIterable {
        case request, opened, head, body, end, failed, closed, indexed, kept, auditFailed, clientGone, standing
        case sent, heldLongEnough, noRoom, indexDropped
    }

    /// What an exchange wants next, without what it carries.
    enum Wish: Equatable {
        case open, record, close, forward, wait, openStream, send, index, end, cut, withdraw
        case answer(Int)

        init(_ action: consuming GatewayExchange.Action) {
            switch consume action {
            case .open: self = .open
            case .record: self = .record
            case .close: self = .close
            case .forward: self = .forward
            case .wait: self = .wait
            case .keep: self = .wait
            case .openStream: self = .openStream
            case .send: self = .send
            case .index: self = .index
            case .end: self = .end
            case .cut: self = .cut
            case .withdraw: self = .withdraw
            case .answer(let answer): self = .answer(answer.status)
            }
        }
    }

    /// The table, row by row; what is not named ends the exchange with 503 and no data.
    private func expected(_ happening: Happening, in situation: Situation) -> Wish {
        switch (situation, happening) {
        case (.over, _): .wait
        case (.new, .request): .forward
        case (.opening, .opened): .forward
        case (.proving, .head): .wait
        // Remembered: what would follow is not done any more.
        case (.opening, .clientGone), (.new, .clientGone): .wait
        case (.readingStored, .head), (.forwardingRead, .head), (.forwardingWrite, .head): .wait
        // A body or an end without a head, or a failure, is no answer; it is recorded before anything else.
        case (.readingStored, .body), (.readingStored, .end), (.readingStored, .failed): .record
        case (.proving, .body), (.proving, .end), (.proving, .failed): .record
        case (.forwardingWrite, .body), (.forwardingWrite, .end), (.forwardingWrite, .failed): .close
        case (.forwardingRead, .body), (.forwardingRead, .end), (.forwardingRead, .failed): .record
        case (.readingStored, .clientGone), (.proving, .clientGone): .record
        case (.forwardingRead, .clientGone): .record
        // A write is followed to its end.
        case (.forwardingWrite, .clientGone): .wait
        case (.closing, .head), (.closing, .body), (.closing, .end), (.closing, .failed), (.closing, .clientGone):
            .wait
        case (.closing, .closed): .answer(504)
        // Only an answer that streams is told what has become of its token, and here it holds.
        case (_, .standing): .wait
        // Nothing is held back here.
        case (_, .sent), (_, .heldLongEnough): .wait
        case (.openingStream, .opened): .send
        case (.openingStream, .noRoom): .record
        case (.openingStream, .body), (.openingStream, .end), (.openingStream, .failed), (.openingStream, .clientGone):
            .wait
        case (.streaming, .body): .wait
        // What has come so far is no whole searchset.
        case (.streaming, .end), (.streaming, .failed), (.streaming, .clientGone): .close
        case (.finishingStream, .body), (.finishingStream, .end), (.finishingStream, .failed),
            (.finishingStream, .clientGone), (.cuttingStream, .body), (.cuttingStream, .end), (.cuttingStream, .failed),
            (.cuttingStream, .clientGone):
            .wait
        case (.finishingStream, .closed): .end
        // Something has left already, so that there is no refusal any more.
        case (.streaming, _), (.finishingStream, _), (.cuttingStream, _): .cut
        default: .answer(503)
        }
    }

    @Test(arguments: Situation.allCases, Happening.allCases)
    func `every event in every state has one consequence`(situation: Situation, happening: Happening) async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: situation)

        let wish = Wish(exchange.handle(try await bench.event(happening)))

        #expect(wish == expected(happening, in: situation))
        switch wish {
        case .answer, .end, .cut, .withdraw:
            let after = Wish(exchange.handle(.clientGone))
            #expect(after == .wait, "after the end nothing is done any more")
        case .open, .record, .close, .forward, .wait, .openStream, .send, .index: break
        }
    }

    @Test(.verifies("audit@not-given"))
    func `an answer whose client goes while it is recorded has its record say that it was not given`() async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .forwardingRead)
        _ = exchange.handle(try await bench.event(.head))
        _ = exchange.handle(.upstreamBody(ExchangeBench.stored))
        let recording = Wish(exchange.handle(try await bench.event(.end)))
        let gone = Wish(exchange.handle(.clientGone))

        let last = Wish(exchange.handle(try await bench.event(.closed)))

        #expect(recording == .record && gone == .wait && last == .withdraw)
    }

    @Test(.verifies("audit@not-given"))
    func `a refusal whose client goes while it is recorded stays recorded as it is`() async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .closing)
        _ = exchange.handle(.clientGone)

        let last = Wish(exchange.handle(try await bench.event(.closed)))

        #expect(last == .answer(504))
    }

    @Test(.verifies("audit@not-given"))
    func `the last part of a stream whose client has gone is not given`() async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .finishingStream)
        _ = exchange.handle(.clientGone)

        let last = Wish(exchange.handle(try await bench.event(.closed)))

        #expect(last == .withdraw)
    }

    @Test(.verifies("audit@not-given"))
    func `a stream that is not given to its end counts what was sent of it`() async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .openingStream)
        let row = #"{"resource":\#(String(decoding: ExchangeBench.stored, as: UTF8.self))}"#
        let rows = row + "," + row.replacing("obsA", with: "obsB") + "]}"
        _ = exchange.handle(.upstreamBody(Array(rows.utf8)))
        _ = exchange.handle(try await bench.event(.end))

        // All of it came while the opening record was being written, so all of it goes with the last part.
        let closing = try bench.closing(of: exchange.handle(try await bench.event(.opened)))

        #expect(closing?.released == 2 && closing?.outcome == .permitted)
        #expect(exchange.cutShort?.released == 0)
        #expect(exchange.cutShort?.decisionID == closing?.decisionID)
    }

    @Test(.verifies("audit@not-given"))
    func `nothing is asked and nothing changed for a client that has gone`() async throws {
        let bench = try ExchangeBench()
        var early = try await bench.exchange(in: .new)
        _ = early.handle(.clientGone)
        let read = try bench.outcome(of: early.handle(try await bench.event(.request)))
        var late = try await bench.exchange(in: .opening)
        _ = late.handle(.clientGone)
        let write = try bench.outcome(of: late.handle(try await bench.event(.opened)))

        #expect(read == .failed(reason: "upstream-abandoned"))
        #expect(write == .failed(reason: "upstream-abandoned"))
    }

    @Test(.verifies("audit@not-given"))
    func `a write whose client goes before it is answered is followed to its end, and the record says both`()
        async throws
    {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .forwardingWrite)
        let gone = Wish(exchange.handle(.clientGone))
        _ = exchange.handle(.upstreamHead(UpstreamHead(status: 204)))

        let outcome = try bench.outcome(of: exchange.handle(try await bench.event(.end)))

        #expect(gone == .wait)
        #expect(outcome == .interrupted(reason: "done-not-answered: status-204, the client had gone"))
    }

    @Test func `a receipt for another decision answers nothing`() async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .closing)

        let foreign = try await bench.recorder.record(bench.record(DecisionID("another")))
        let wish = Wish(exchange.handle(.closed(foreign)))

        #expect(wish == .answer(503))
    }

    @Test func `an opening receipt for another decision opens nothing`() async throws {
        let bench = try ExchangeBench()
        var exchange = try await bench.exchange(in: .opening)

        let foreign = try await bench.recorder.open(bench.record(DecisionID("another")))
        let wish = Wish(exchange.handle(.opened(foreign, bench.standing)))

        #expect(wish == .answer(503))
    }
}

/// Makes exchanges in a given state, and the events to put to them.
private struct ExchangeBench {
    let recorder: AuditRecorder
    private let enforcer: Enforcer
    private let read: ClientRequest
    private let write: ClientRequest
    private let create: ClientRequest
    private let search: ClientRequest
    private let decision: DecisionID

    init() throws {
        let key = try PrivateJWK.generate(.es256, keyID: "bench")
        let server = try UpstreamFHIRServer(base: "http://upstream.example/fhir")
        let sealer = try #require(Sealer(keys: [[UInt8](repeating: 1, count: 32)]))
        recorder = try AuditRecorder(sink: InMemoryAuditSink(), node: "bench")
        var limits = Enforcer.Limits()
        limits.answerBytes = 400
        enforcer = Enforcer(
            policy: ServerPolicy(
                publicBase: "https://gw.example/fhir", upstreamBase: server.base, types: try TypeTable.r4()),
            verifier: AccessTokenVerifier(
                expectation: .init(issuer: "https://gw.example", audience: "https://gw.example/fhir"),
                keys: { JWKSet([key.publicKey]) }, revocation: { _ in .active }),
            panels: .table(users: [:]),
            pageLinks: PageLinks(sealer: { sealer }, publicBase: "https://gw.example/fhir", server: server),
            // All zero, so that requests of one moment have one decision's id.
            random: RandomSource { [UInt8](repeating: 0, count: $0) }, limits: limits)
        let claims = AccessTokenClaims(
            issuer: "https://gw.example", audience: "https://gw.example/fhir", scope: "patient/*.cruds",
            clientID: ClientID("app"), subject: SubjectID("s"), launch: LaunchContext(patient: ResourceID("pA")),
            program: .patientAccess, grantID: GrantID("g"), tokenID: TokenID("t"), issuedAt: 1_000, expiresAt: 9_000)
        let token = try JWS.sign(claims.json, type: "at+jwt", with: key)
        let authorization = (name: "authorization", value: "Bearer \(token)")
        read = ClientRequest(
            method: "GET", path: "/Observation/obsA", headers: [authorization], receivedAt: 2_000_000)
        // Made of that moment and of ten bytes that are zero.
        decision = DecisionID(RandomSource { [UInt8](repeating: 0, count: $0) }.identifier(at: 2_000_000))
        write = ClientRequest(
            method: "DELETE", path: "/Observation/obsA", headers: [authorization], receivedAt: 2_000_000)
        search = ClientRequest(
            method: "GET", path: "/Observation", headers: [authorization], receivedAt: 2_000_000)
        create = ClientRequest(
            method: "POST", path: "/Observation",
            headers: [authorization, (name: "content-type", value: "application/fhir+json")],
            body: Array(
                #"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"},"encounter":{"reference":"Encounter/e"}}"#
                    .utf8), receivedAt: 2_000_000)
    }

    /// What the record says that an action wants written.
    func outcome(of action: consuming GatewayExchange.Action) throws -> AccessOutcome {
        switch consume action {
        case .record(let record): return record.outcome
        case .close(_, let record): return record.outcome
        default:
            Issue.record("no closing record is asked for")
            return .pending
        }
    }

    /// The closing record that an action wants written.
    func closing(of action: consuming GatewayExchange.Action) throws -> AccessRecord? {
        guard case .close(_, let record) = consume action else { return nil }
        return record
    }

    func record(_ id: DecisionID) -> AccessRecord {
        AccessRecord(
            decisionID: id, interaction: .read, method: "GET", path: "/Observation/obsA", outcome: .pending,
            startedAt: 0)
    }

    func event(_ happening: ExchangeTableTests.Happening) async throws -> GatewayExchange.Event {
        switch happening {
        case .request: .request(enforcer.receive(read))
        case .opened:
            .opened(
                try await recorder.open(record(decision)), standing)
        case .head: .upstreamHead(UpstreamHead(status: 200, contentType: "application/fhir+json"))
        case .body: .upstreamBody([0x20])
        case .end: .upstreamEnd(standing)
        case .failed: .upstreamFailed(.timedOut)
        case .closed: .closed(try await recorder.record(record(decision)))
        case .indexed: .indexed(try await recorder.record(record(decision)))
        case .kept: .kept(.done)
        case .auditFailed: .auditFailed(.busy)
        case .clientGone: .clientGone
        case .standing: .standing(standing)
        case .sent: .sent
        case .heldLongEnough: .heldLongEnough
        case .noRoom: .noRoom(.tooMany)
        case .indexDropped: .indexDropped
        }
    }

    /// That of a token which holds.
    var standing: AccessStanding { enforcer.standing(of: enforcer.receive(read), at: 2_000_000) }

    func exchange(in situation: ExchangeTableTests.Situation) async throws -> GatewayExchange {
        var exchange = enforcer.makeExchange()
        switch situation {
        case .new: break
        case .readingStored:
            _ = exchange.handle(.request(enforcer.receive(write)))
        case .proving:
            _ = exchange.handle(.request(enforcer.receive(create)))
        case .opening:
            _ = exchange.handle(.request(enforcer.receive(write)))
            try await readStored(&exchange)
        case .forwardingRead:
            _ = exchange.handle(.request(enforcer.receive(read)))
        case .forwardingWrite:
            _ = exchange.handle(.request(enforcer.receive(write)))
            try await readStored(&exchange)
            _ = exchange.handle(try await event(.opened))
        case .closing:
            _ = exchange.handle(.request(enforcer.receive(read)))
            _ = exchange.handle(.upstreamFailed(.timedOut))
        case .over:
            _ = exchange.handle(.auditFailed(.busy))
        case .openingStream:
            try await beginStream(&exchange)
        case .streaming, .finishingStream, .cuttingStream:
            try await beginStream(&exchange)
            _ = exchange.handle(try await event(.opened))
            if situation == .finishingStream { _ = exchange.handle(.upstreamBody(Array("]}".utf8))) }
            if situation != .streaming { _ = exchange.handle(try await event(.end)) }
        }
        return exchange
    }

    /// More of a search than is judged whole.
    private func beginStream(_ exchange: inout GatewayExchange) async throws {
        _ = exchange.handle(.request(enforcer.receive(search)))
        _ = exchange.handle(try await event(.head))
        let begin = #"{"resourceType":"Bundle","type":"searchset","entry":["#
        _ = exchange.handle(.upstreamBody(Array((begin + String(repeating: " ", count: 500)).utf8)))
    }

    private func readStored(_ exchange: inout GatewayExchange) async throws {
        _ = exchange.handle(try await event(.head))
        _ = exchange.handle(.upstreamBody(Self.stored))
        _ = exchange.handle(try await event(.end))
    }

    static let stored = Array(
        #"{"resourceType":"Observation","id":"obsA","meta":{"versionId":"3"},"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
            .utf8)
}
