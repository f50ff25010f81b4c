internal import AccessPolicy
internal import Audit
internal import FHIRCore
internal import NIOCore

/// Performs what one `GatewayExchange` asks for: records, upstream calls, the answer.
///
/// A class because upstream calls and audit completions come back to it; confined to one event loop. It decides
/// nothing and holds no answer that the exchange did not give it.
final class ExchangeDriver: UpstreamReceiver, Timed {
    private let site: GatewaySite
    private let configuration: GatewayConfiguration
    private let eventLoop: any EventLoop
    private var exchange: GatewayExchange
    private var call: UpstreamCall?
    private var answered: ((WireAnswer) -> Void)?
    /// Takes an answer that comes in pieces; nil where nobody can.
    private var pieces: (any AnswerPieces)?
    /// Whether a record is being written before more of a streamed answer can go.
    private var isRecording = false
    /// Whether the client has to read before more of a streamed answer can go.
    private var isHeldByClient = false
    /// Runs while something that was released is held back.
    private var holdTimer: Scheduled<Void>?
    /// Counts the records that were waited for.
    private var recordTurn = 0
    /// The closing record that has become durable last.
    private var recorded: AccessRecord?
    /// The place of an answer that streams.
    private var slot: StreamSlot?
    /// When the token was looked at last while an answer streams.
    private var lookedAt = NIODeadline.distantPast
    private var incoming: IncomingRequest?
    /// The request with its token, where it came from a client.
    private var asked: ClientRequest?
    /// Whether the token's issuer is being asked once more, while an answer streams.
    private var isAskingIssuer = false
    /// What the protected server has sent meanwhile; little, for it is not read.
    private var meanwhile: [Sent] = []
    /// What was named meanwhile.
    private var indexedMeanwhile: IndexedPart?

    /// What the protected server sends.
    private enum Sent {
        case body(ByteBuffer), end, failure(UpstreamFailure)
    }

    /// That whom a piece names is durable, or not.
    private struct IndexedPart: ~Copyable {
        let result: Result<ClosingReceipt, AuditFailure>
        let record: AccessRecord
        let turn: Int
    }

    private let pool: UpstreamPool
    /// When the audit log will have taken too long for the record that is waited for.
    private(set) var due = NIODeadline.distantFuture
    var watchPlace: Int?
    /// What goes with the answer when the site explains itself and the request asked for it.
    private var explanation: Explanation?

    init(
        site: GatewaySite, configuration: GatewayConfiguration, eventLoop: any EventLoop,
        pieces: (any AnswerPieces)? = nil, answered: @escaping (WireAnswer) -> Void
    ) {
        self.pieces = pieces
        self.site = site
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.answered = answered
        pool = site.upstream.pool(on: eventLoop)
        exchange = site.enforcer.makeExchange()
    }

    func run(_ request: ReceivedRequest, refusal: FramingRefusal?) {
        let asked = ClientRequest(request, saysCertificate: configuration.saysCertificates)
        if refusal == nil, CapabilityQuery.isAsked(by: request) {
            return answerCapabilities(asked)
        }
        guard refusal == nil, site.enforcer.needsPreparation(asked) else { return begin(asked, refusal) }
        let itself = NIOLoopBound(self, eventLoop: eventLoop)
        let enforcer = site.enforcer
        eventLoop.makeFutureWithTask { await enforcer.prepare(asked) }
            .whenComplete { _ in itself.value.begin(asked, nil) }
    }

    private func begin(_ asked: ClientRequest, _ refusal: FramingRefusal?) {
        let incoming = site.enforcer.receive(asked, refusal: refusal)
        self.incoming = incoming
        self.asked = asked
        if site.explains, refusal == nil, asked.values(of: "chaperone-explain") == ["1"] {
            explanation = site.enforcer.explain(asked, received: incoming)
        }
        handle(.request(incoming))
    }

    /// Runs a request of our own, as somebody who has been proved already.
    func run(_ request: ClientRequest, as access: GrantedAccess) {
        let incoming = site.enforcer.receive(request, as: access)
        self.incoming = incoming
        handle(.request(incoming))
    }

    /// The client has closed the connection.
    func clientGone() { handle(.clientGone) }

    func upstreamHead(_ head: UpstreamHead) { handle(.upstreamHead(head)) }

    func upstreamBody(_ bytes: ByteBuffer) {
        if isAskingIssuer { return meanwhile.append(.body(bytes)) }
        // Before the piece is judged and goes on: the token may have ended while the client did not read.
        if isStreaming, lookedAt + .seconds(1) <= pool.watch.now {
            lookedAt = pool.watch.now
            guard let standing = knownStanding else { return askIssuer(before: .body(bytes)) }
            handle(.standing(standing))
        }
        handle(.upstreamBody(Array(buffer: bytes)))
    }

    /// The client has read, or does not: the protected server is held up accordingly.
    func clientTakesMore(_ takes: Bool) {
        isHeldByClient = !takes
        regulate()
    }

    private var isStreaming = false

    private func regulate() {
        guard isStreaming else { return }
        if isRecording || isHeldByClient || isAskingIssuer { call?.hold() } else { call?.resume() }
    }

    func upstreamEnded() {
        if isAskingIssuer { return meanwhile.append(.end) }
        if isStreaming, knownStanding == nil { return askIssuer(before: .end) }
        handle(.upstreamEnd(standing))
    }

    func upstreamFailed(_ failure: UpstreamFailure) {
        if isAskingIssuer { return meanwhile.append(.failure(failure)) }
        handle(.upstreamFailed(failure))
    }

    /// What is known of the token by now. An answer that does not stream ends soon, and is given by what was said of the
    /// token when it was asked for, unless somebody has heard otherwise.
    private var standing: AccessStanding { knownStanding ?? AccessStanding() }

    /// The same, or nil where the token's issuer has to be asked.
    private var knownStanding: AccessStanding? {
        guard let incoming else { return AccessStanding() }
        guard let asked else { return site.enforcer.standing(of: incoming, at: configuration.clock()) }
        return site.enforcer.standing(of: incoming, from: asked, at: configuration.clock())
    }

    /// Asks the token's issuer; what has come is judged when it has answered, and nothing more is read before.
    private func askIssuer(before sent: Sent) {
        guard let incoming, let asked else { return }
        isAskingIssuer = true
        meanwhile = [sent]
        regulate()
        let itself = NIOLoopBound(self, eventLoop: eventLoop)
        let (enforcer, now) = (site.enforcer, configuration.clock())
        eventLoop.makeFutureWithTask { await enforcer.askAgain(about: incoming, from: asked, at: now) }
            .whenComplete { result in
                itself.value.heardIssuer((try? result.get()) ?? enforcer.ended(by: .issuerUnavailable))
            }
    }

    private func heardIssuer(_ standing: AccessStanding) {
        isAskingIssuer = false
        let sent = meanwhile
        meanwhile = []
        handle(.standing(standing))
        if let one = indexedMeanwhile.take() { take(one) }
        for one in sent {
            switch one {
            case .body(let bytes): handle(.upstreamBody(Array(buffer: bytes)))
            case .end: handle(.upstreamEnd(standing))
            case .failure(let failure): handle(.upstreamFailed(failure))
            }
        }
        regulate()
    }

    private func handle(_ event: consuming GatewayExchange.Event) {
        let action = exchange.handle(event)
        for type in exchange.disobeyed { site.capabilities.distrust(type) }
        perform(action)
        if exchange.holdsBack, holdTimer == nil { awaitMore() }
    }

    /// What is held back until its patients are named does not wait for ever for more of the answer.
    private func awaitMore() {
        let itself = NIOLoopBound(self, eventLoop: eventLoop)
        holdTimer = eventLoop.scheduleTask(in: .milliseconds(configuration.limits.holdMilliseconds)) {
            let driver = itself.value
            driver.holdTimer = nil
            // Nothing is passed on before the issuer has answered.
            guard !driver.isAskingIssuer else { return driver.awaitMore() }
            driver.handle(.heldLongEnough)
        }
    }

    private func perform(_ action: consuming GatewayExchange.Action) {
        switch consume action {
        case .wait:
            return
        case .forward(let request):
            abandonCall()
            guard let way = site.pools(for: request)?.pool(on: eventLoop) else {
                return handle(.upstreamFailed(.unreachable))
            }
            call = way.send(request, to: self)
        case .open(let record):
            abandonCall()
            let itself = awaitRecord()
            site.audit.open(record, on: pool.delivery) { itself.value.opened($0, record) }
        case .record(let record):
            abandonCall()
            let itself = awaitRecord()
            site.audit.record(record, on: pool.delivery) { itself.value.closed($0, record) }
        case .close(let receipt, let record):
            abandonCall()
            let itself = awaitRecord()
            site.audit.close(receipt, record, on: pool.delivery) { itself.value.closed($0, record) }
        case .answer(let answer):
            abandonCall()
            let notWritten = withdrawal(of: answer.handed)
            finish(WireAnswer(answer, notWritten: notWritten))
        case .withdraw(let receipt):
            abandonCall()
            if let recorded { site.audit.withdraw(receipt, recorded, sent: exchange.cutShort) }
            recorded = nil
            _ = takePieces()
        case .keep(let change):
            abandonCall()
            let itself = NIOLoopBound(self, eventLoop: eventLoop)
            let enforcer = site.enforcer
            eventLoop.makeFutureWithTask { await enforcer.perform(change) }.whenComplete { result in
                itself.value.handle(.kept((try? result.get()) ?? .failed))
            }
        case .openStream(let record):
            do throws(StreamRefusal) {
                slot = try configuration.streams.take(record.clientID ?? ClientID(""))
            } catch {
                abandonCall()
                return handle(.noRoom(error))
            }
            isStreaming = true
            call?.extend(to: pool.server.limits.streamTimeoutMilliseconds)
            hold()
            let itself = awaitRecord()
            site.audit.open(record, on: pool.delivery) { itself.value.opened($0, record) }
        case .index(let record):
            hold()
            let itself = awaitRecord()
            let turn = recordTurn
            site.audit.record(record, on: pool.delivery) { itself.value.indexed($0, record, turn: turn) }
        case .send(let part):
            pieces?.send(part)
            handle(.sent)
        case .end(let part):
            abandonCall()
            let notWritten = withdrawal(of: part.handed)
            takePieces()?.end(part, notWritten: notWritten)
        case .cut:
            abandonCall()
            takePieces()?.cut()
        }
    }

    /// What is to be done when an answer does not go out: its record says that it was given, and it was not, or not to
    /// its end (ADR 78). A refusal gave nothing.
    private func withdrawal(of handed: HandedAnswer?) -> (() -> Void)? {
        guard let handed, let recorded, case .permitted = recorded.outcome else { return nil }
        let audit = site.audit
        return { audit.notWritten(handed, recorded) }
    }

    /// Reads no more until a record is durable.
    private func hold() {
        isRecording = true
        regulate()
    }

    /// Who is to hear the last word.
    private func takePieces() -> (any AnswerPieces)? {
        holdTimer?.cancel()
        holdTimer = nil
        slot = nil
        answered = nil
        defer { pieces = nil }
        return pieces
    }

    private func finish(_ answer: WireAnswer) {
        let answered = self.answered
        self.answered = nil
        pieces = nil
        slot = nil
        answered?(explanation.map { answer.adding("chaperone-explanation", $0.headerValue) } ?? answer)
    }

    /// A log that does not answer is one that cannot be written; a receipt that comes later answers nothing any more.
    private func awaitRecord() -> NIOLoopBound<ExchangeDriver> {
        recordTurn += 1
        due = pool.watch.now + .milliseconds(configuration.limits.auditTimeoutMilliseconds)
        pool.watch.add(self)
        return NIOLoopBound(self, eventLoop: eventLoop)
    }

    func isOverdue() { handle(.auditFailed(.busy)) }

    /// The exchange has gone on while the upstream still sends: stop reading it.
    private func abandonCall() {
        if let call, !call.isOver { call.cancel() }
        call = nil
    }

    private func take(_ part: consuming IndexedPart) {
        let (record, turn) = (part.record, part.turn)
        indexed(part.result, record, turn: turn)
    }

    private func indexed(
        _ result: consuming Result<ClosingReceipt, AuditFailure>, _ record: AccessRecord, turn: Int
    ) {
        guard !isAskingIssuer else {
            indexedMeanwhile = IndexedPart(result: result, record: record, turn: turn)
            return
        }
        // It was not waited for any longer: another record is, or the exchange is over.
        guard turn == recordTurn else {
            if case .success(let receipt) = consume result { site.audit.withdraw(receipt, record) }
            return
        }
        pool.watch.remove(self)
        isRecording = false
        switch consume result {
        case .success(let receipt):
            // Whom it names gets nothing of it any more.
            guard !exchange.isOver, !exchange.isGivingUp else {
                site.audit.withdraw(receipt, record)
                if exchange.isGivingUp { handle(.indexDropped) }
                return
            }
            handle(.indexed(receipt))
        case .failure(let failure): handle(.auditFailed(failure))
        }
        regulate()
    }

    private func opened(_ result: consuming Result<OpeningReceipt, AuditFailure>, _ record: AccessRecord) {
        pool.watch.remove(self)
        defer { regulate() }
        isRecording = false
        switch consume result {
        case .success(let receipt):
            guard !exchange.isOver else { return site.audit.withdraw(receipt, record) }
            handle(.opened(receipt, standing))
        case .failure(let failure): handle(.auditFailed(failure))
        }
    }

    private func closed(_ result: consuming Result<ClosingReceipt, AuditFailure>, _ record: AccessRecord) {
        pool.watch.remove(self)
        switch consume result {
        case .success(let receipt):
            // The deadline had passed, and 503 was answered: the record must not say that something left.
            guard !exchange.isOver else {
                return site.audit.withdraw(receipt, record, sent: exchange.cutShort)
            }
            recorded = record
            handle(.closed(receipt))
        case .failure(let failure): handle(.auditFailed(failure))
        }
    }

    private func answerCapabilities(_ asked: ClientRequest) {
        let format = AnswerFormat(for: asked.fhirRequest)
        if let refusal = CapabilityQuery.refusal(for: asked) {
            return finish(.documentUnavailable(refusal, in: format))
        }
        let loopBound = NIOLoopBound(self, eventLoop: eventLoop)
        site.capabilities.document(in: format, over: pool) { answer in
            loopBound.value.finish(answer)
        }
    }
}
