public import AccessPolicy
public import Audit
public import FHIRCore
public import OAuthCore
internal import Synchronization

/// Everything that stands behind one public FHIR base: whose tokens count, what the rules are, who sees whom.
///
/// It gathers the facts with which an exchange begins; the exchange decides. A class so that every connection shares
/// one; nothing in it changes but what stands behind the locks of token cache and budget.
public final class Enforcer: Sendable {
    /// Sizes and rates.
    public struct Limits: Sendable, Hashable {
        /// Largest answer of the protected server that is judged whole (decision 11).
        public var answerBytes = 8 << 20
        /// Largest line or entry of an answer that is judged piece by piece, and largest part of a Bundle around its
        /// entries.
        public var streamedPieceBytes = 8 << 20
        /// Largest answer that is judged piece by piece; a longer one is cut.
        public var streamedBytes = 4 << 30
        /// How much of such an answer is held back until the patients in it who are new have been recorded. A larger
        /// amount makes fewer records, of which each is waited for.
        public var gatheredBytes = 1 << 20
        /// Most entries of a Bundle that is judged piece by piece: their names are remembered, so that none comes twice.
        public var streamedEntries = 250_000
        /// Which refusals without a valid token are recorded one by one; the others are summed up.
        public var anonymousRecords = RefusalLedger.Limits()
        /// Refusals that are summed up and still answered with what is wrong, per second; beyond it is 429.
        public var anonymousAnswersPerSecond = 50.0
        /// How many of them may come at once.
        public var anonymousAnswersBurst = 200.0

        /// The house's defaults.
        public init() {}
    }

    let policy: ServerPolicy
    /// Where the rules are known with what the protected server says of itself; nil where nobody asks it.
    private let capabilities: CapabilitySource?
    let verifier: AccessTokenVerifier
    private let panels: PanelSource
    /// The rules of this moment; the lock is held for a look or an exchange of one reference.
    private let rules: Mutex<ExchangeRules>
    private let random: RandomSource
    private let anonymous: AnonymousBudget
    /// The refusals without a record of their own, to be written as sums.
    public let refusals: RefusalLedger
    private let facts: RecordFacts
    let jobs: ExportJobs

    /// An enforcer of these rules; the site's server and audit recorder join it in `GatewaySite`.
    public init(
        policy: ServerPolicy, capabilities: CapabilitySource? = nil, verifier: AccessTokenVerifier,
        panels: PanelSource, pageLinks: PageLinks,
        crossOrigin: CrossOriginPolicy = .everyOrigin, random: RandomSource = .system, limits: Limits = Limits(),
        facts: RecordFacts = RecordFacts(), jobs: ExportJobs = .none
    ) {
        self.jobs = jobs
        self.policy = policy
        self.capabilities = capabilities
        self.verifier = verifier
        self.panels = panels
        rules = Mutex(
            ExchangeRules(
                policy: policy, pageLinks: pageLinks, limits: limits, crossOrigin: crossOrigin))
        self.random = random
        self.facts = facts
        refusals = RefusalLedger(limits.anonymousRecords)
        anonymous = AnonymousBudget(
            ledger: refusals, answersPerSecond: limits.anonymousAnswersPerSecond,
            answersBurst: limits.anonymousAnswersBurst)
    }

    /// A new exchange under this base's rules.
    public func makeExchange() -> GatewayExchange { GatewayExchange(rules: rulesNow) }

    /// The rules with what the protected server says of itself now.
    var rulesNow: ExchangeRules {
        let known = capabilities?.policy
        return rules.withLock { rules in
            if let known, known != rules.policy { rules = rules.under(known) }
            return rules
        }
    }

    /// Whether something has to be fetched before a request can be judged: where tokens are somebody else's, and where the
    /// user's panel is a service's to tell.
    public func needsPreparation(_ request: ClientRequest) -> Bool {
        let now = request.receivedAt / 1000
        if verifier.asksOthers, verifier.needsPreparation(request.credential, now: now) { return true }
        return unknownUser(of: request, now: now) != nil
    }

    /// Fetches it. What cannot be had makes the request's token count for nothing, or leaves the user without a panel.
    public func prepare(_ request: ClientRequest) async {
        let now = request.receivedAt / 1000
        await verifier.prepare(request.credential, now: now)
        if let (service, user) = unknownUser(of: request, now: now) { await service.learn(user, at: now) }
    }

    /// The same for a request as somebody whom the caller has proved.
    public func prepare(for access: GrantedAccess, at now: Int64) async {
        if let (service, user) = panels.unknownUser(for: access, now: now / 1000) {
            await service.learn(user, at: now / 1000)
        }
    }

    private func unknownUser(of request: ClientRequest, now: Int64) -> (PanelService, InstanceKey)? {
        guard panels.asksService, let access = verifier.claimed(by: request.credential, now: now) else { return nil }
        return panels.unknownUser(for: access, now: now)
    }

    /// Changes the store of export jobs as an exchange wants it.
    public func perform(_ change: ExportJobChange) async -> ExportJobChange.Outcome { await jobs.perform(change) }

    /// What would become of a request at its moment, and why. Nothing is asked of the protected server and nothing is
    /// recorded.
    ///
    /// - Parameter shown: what the protected server would answer, to be judged as a part of the answer.
    public func explain(_ request: ClientRequest, showing shown: ResourceView? = nil) -> Explanation {
        explain(request, standing(of: request, now: request.receivedAt / 1000), showing: shown)
    }

    /// The same for a token whose facts somebody else has verified, such as a line of an access log.
    public func explain(_ request: ClientRequest, by access: GrantedAccess) -> Explanation {
        explain(request, standing(of: access, at: request.receivedAt / 1000), showing: nil)
    }

    /// The same for a request that has been received. A proof of possession counts once (RFC 9449 §11.1), so its token
    /// is not verified again.
    func explain(_ request: ClientRequest, received incoming: IncomingRequest) -> Explanation {
        explain(request, incoming.standing, showing: nil)
    }

    private func explain(_ request: ClientRequest, _ standing: IncomingRequest.Standing, showing shown: ResourceView?)
        -> Explanation
    {
        let asked = request.fhirRequest
        let incoming = IncomingRequest(
            request: FormatDoor.entering(asked), format: AnswerFormat(for: asked), standing: standing,
            decisionID: DecisionID("explained"),
            now: request.receivedAt / 1000, startedAt: request.receivedAt, sourceAddress: request.sourceAddress,
            unrecordedRefusals: 0)
        return Explainer(rules: rulesNow, shown: shown).explain(incoming)
    }

    /// The facts about a request at this moment: the first event of its exchange.
    public func receive(_ request: ClientRequest, refusal: FramingRefusal? = nil) -> IncomingRequest {
        let now = request.receivedAt / 1000
        var standing = refusal.map { .refused(GatewayRefusal($0), nil) } ?? standing(of: request, now: now)
        var unrecorded = 0
        if case .refused(let refusal, nil) = standing {
            let reason = refusal.outcome.reason ?? refusal.outcome.code
            switch anonymous.take(reason, from: request.sourceAddress, at: request.receivedAt) {
            case .recorded(let before): unrecorded = before
            case .summed: standing = .summed(refusal)
            case .throttled: standing = .summed(.throttled)
            }
        }
        var asked = request.fhirRequest
        var job: ExportJob?
        if case .verified(let access, _, _) = standing, let place = BulkPlace(asked) {
            do { job = try jobs.find(place.job) } catch { standing = .refused(.jobsUnavailable, access) }
        }
        let format = AnswerFormat(for: asked)
        // Only for somebody who has a token: converting costs work.
        if case .verified = standing { asked = FormatDoor.entering(asked) }
        var incoming = IncomingRequest(
            request: asked, format: format, standing: standing,
            decisionID: DecisionID(random.identifier(at: request.receivedAt)), now: now, startedAt: request.receivedAt,
            sourceAddress: request.sourceAddress, unrecordedRefusals: unrecorded)
        incoming.exportJob = job
        if case .verified = standing, jobs.isAvailable, asked.path.hasSuffix("/$export") {
            incoming.newJobID = random.identifier(byteCount: 16)
        }
        if case .verified = standing, asked.method == .post {
            incoming.seed = random.bytes(16).reduce(0) { $0 << 8 | UInt128($1) }
        }
        incoming.mayStream = request.takesPieces && asked.method != .head
        return completed(incoming, of: request)
    }

    /// The same facts for every door: what stands before the judgement, and what the record says of who asks.
    private func completed(_ incoming: IncomingRequest, of request: ClientRequest) -> IncomingRequest {
        var incoming = incoming
        incoming.panelQuestion = question(behind: incoming.standing, now: incoming.now)
        incoming.traceID = request.values(of: "traceparent").first.flatMap { TraceParent($0) }?.traceID
        incoming.reportingEntity = facts.reportingEntity
        incoming.organization = incoming.access.flatMap { facts.organization($0.clientID) }
        incoming.purposeOfUse = incoming.access.flatMap { facts.purposes($0.clientID) }
        return incoming
    }

    /// The facts about a request of this process's own pages, made as somebody whom the caller has proved.
    func receive(_ request: ClientRequest, as access: GrantedAccess) -> IncomingRequest {
        completed(
            IncomingRequest(
                request: request.fhirRequest, format: .json,
                standing: standing(of: access, at: request.receivedAt / 1000),
                decisionID: DecisionID(random.identifier(at: request.receivedAt)), now: request.receivedAt / 1000,
                startedAt: request.receivedAt, sourceAddress: request.sourceAddress, unrecordedRefusals: 0),
            of: request)
    }

    private func standing(of access: GrantedAccess, at now: Int64) -> IncomingRequest.Standing {
        do {
            return .verified(
                access, userPanel: try panels.userPanel(for: access, now: now),
                systemPanel: try panels.systemPanel(for: access))
        } catch {
            return .refused(.panelUnavailable, access)
        }
    }

    /// Whether the token of a request still counts at a moment in milliseconds.
    public func standing(of incoming: IncomingRequest, at now: Int64) -> AccessStanding {
        guard let access = incoming.access, let refusal = verifier.ending(of: access, now: now / 1000) else {
            return AccessStanding()
        }
        return ended(by: refusal)
    }

    /// Whether the token of a request still counts, by all that can be known of it beside what the request's standing
    /// says; nil when its issuer has to be asked first (`askAgain`).
    ///
    /// - Parameters:
    ///   - request: the request as it came.
    ///   - now: milliseconds.
    func standing(of incoming: IncomingRequest, from request: ClientRequest, at now: Int64) -> AccessStanding? {
        let known = standing(of: incoming, at: now)
        guard known.end == nil, incoming.access != nil else { return known }
        switch verifier.continuance(of: request, now: now / 1000) {
        case .holds: return known
        case .ended(let refusal): return ended(by: refusal)
        case .hasToBeAsked: return nil
        }
    }

    /// Asks the issuer of a request's token about it once more, and says whether it counts; without an answer it does not.
    func askAgain(about incoming: IncomingRequest, from request: ClientRequest, at now: Int64) async -> AccessStanding {
        await verifier.prepare(request.credential, now: now / 1000)
        return standing(of: incoming, from: request, at: now) ?? ended(by: .issuerUnavailable)
    }

    func ended(by refusal: TokenRefusal) -> AccessStanding {
        AccessStanding(end: GatewayRefusal(refusal, realm: policy.publicBase))
    }

    /// The question about the user's panel that stands before everything else.
    private func question(behind standing: IncomingRequest.Standing, now: Int64) -> PanelQuestion? {
        guard case .verified(let access, _, _) = standing else { return nil }
        // A source that fails has made the standing a refusal already.
        return try? panels.question(for: access, now: now)
    }

    func standing(of request: ClientRequest, now: Int64) -> IncomingRequest.Standing {
        switch verifier.verify(
            request.credential, method: request.method, address: policy.publicBase + request.path,
            certificate: { request.certificate }, now: now)
        {
        case .failure(let refusal):
            var face = GatewayRefusal(refusal, realm: policy.publicBase)
            if refusal == .staleProof { face.proofNonce = verifier.nonce(at: now) }
            return .refused(face, nil)
        case .success(let access): return standing(of: access, at: now)
        }
    }
}
