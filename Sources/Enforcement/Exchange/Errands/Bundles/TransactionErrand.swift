internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// A transaction: every entry decided and judged here as a request of its own, then all of its changes sent as one
/// transaction, or nothing (enforcer.md b.4 row 22).
///
/// Conditions are resolved here and patches computed here, so that what is sent names instances, carries whole bodies and
/// ties every write to the version that was judged. The answer to each entry is judged under the entry's own permit.
///
/// Reads are not sent with it: whether one fails would then depend on whether something exists that the token may not
/// see, and the failure of one is that of all. They are made afterwards, as FHIR has them come last.
struct TransactionErrand: Errand {
    private enum Stage {
        /// What the condition of the entry at a place selects is being looked at.
        case resolving(Int, ConditionLook)
        /// The entries look at what they need before their change.
        case preparing
        /// The transaction is under way.
        case sending
        /// All changes are made; the reads are under way.
        case reading
    }

    private let rules: ExchangeRules
    private let permit: Permit
    private let draft: RecordDraft
    private var entries: [BundleEntry]
    /// The permits of the searches that conditions are.
    private var conditions: [Int: Permit]
    /// The conditions that creates are sent with.
    private var narrowed: [Int: NarrowedCondition] = [:]
    /// What conditional creates have found to be there already.
    private var existing: [Int: ConditionMatch] = [:]
    private var stage = Stage.preparing
    private var current: Int?
    private var budget: BundleBudget

    /// - Parameters:
    ///   - entries: all of them read and permitted.
    ///   - conditions: the permit of the search for each conditional one.
    init(
        _ entries: [BundleEntry], conditions: [Int: Permit], under permit: Permit, record: RecordDraft,
        rules: ExchangeRules
    ) {
        self.entries = entries
        self.conditions = conditions
        self.permit = permit
        self.rules = rules
        draft = record
        budget = BundleBudget(rules.answerBytes)
    }

    var record: RecordDraft { draft.gathering(entries.map(\.part)) }

    mutating func start() -> ErrandStep { resolveNext() }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        budget.heard(reply)
        switch stage {
        case .resolving(let place, var look):
            switch look.heard(reply) {
            case .ask(let request):
                stage = .resolving(place, look)
                return ask(request)
            case .refuse(let refusal): return refuse(refusal, at: place)
            case .found(let matches): return resolve(place, matches)
            }
        case .preparing:
            guard let place = current, let step = entries[place].heard(reply) else { return prepareNext() }
            return take(step, of: place)
        case .sending:
            switch reply {
            case .failed(let failure): return refuse(GatewayRefusal(failure, changesUpstream: true))
            case .answer(let head, let body): return judgeAnswer(head, body)
            }
        case .reading:
            guard let place = current, let step = entries[place].heard(reply) else { return readNext() }
            return take(step, ofRead: place)
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        var refusal = refusal
        switch stage {
        case .resolving, .preparing: break
        case .sending: if let reply { refusal = refusal.afterWrite(status: reply.status ?? 0) }
        case .reading: if hasChanged { refusal = refusal.afterWrite(status: 200) }
        }
        conclude(all: refusal)
        return .refusal(refusal)
    }
}

// MARK: - before anything is sent

extension TransactionErrand {
    private mutating func resolveNext() -> ErrandStep {
        guard let place = conditions.keys.min(), let permit = conditions.removeValue(forKey: place) else {
            return judgeEntries()
        }
        let look = ConditionLook(permit, rules: rules)
        narrowed[place] = NarrowedCondition(permit)
        stage = .resolving(place, look)
        return ask(look.request)
    }

    private mutating func resolve(_ place: Int, _ matches: [ConditionMatch]) -> ErrandStep {
        guard let request = entries[place].request else { return resolveNext() }
        switch ConditionResolution(request, matches) {
        case .refuse(let refusal): return refuse(refusal, at: place)
        case .existing(let match): existing[place] = match
        case .request(let resolved):
            entries[place].draft.settle()
            entries[place].request = resolved
        }
        return resolveNext()
    }

    /// Every entry is judged before anything further is looked at, so that a hopeless one costs nothing.
    private mutating func judgeEntries() -> ErrandStep {
        stage = .preparing
        do throws(RequestRefusal) {
            let references = try references()
            for place in entries.indices where existing[place] == nil {
                guard let request = entries[place].request else { continue }
                guard let resolved = try references.resolving(request) else {
                    return refuse(GatewayRefusal(Denial(.referenceNotVisible)), at: place)
                }
                entries[place].request = resolved
                entries[place].judge(
                    rules, setting: WriteSetting(condition: condition(of: place), siblings: references.created))
                if case .refusal(let refusal) = entries[place].conclusion { return refuse(refusal, at: place) }
            }
        } catch {
            return refuse(GatewayRefusal(error))
        }
        return prepareNext()
    }

    private func condition(of place: Int) -> NarrowedCondition? {
        if case .create = entries[place].request?.interaction { narrowed[place] } else { nil }
    }

    /// What the entries are called, and that no two of them write one instance (row 22: the second would be judged
    /// against a state that the first has changed).
    private func references() throws(RequestRefusal) -> TransactionReferences {
        var references = TransactionReferences(
            TransactionNames(publicBase: rules.policy.publicBase, upstreamBase: rules.policy.upstreamBase))
        var written: Set<InstanceKey> = []
        for (place, entry) in entries.enumerated() {
            if let match = existing[place] {
                try references.add(entry.fullURL, existing: match.key)
            } else if let request = entry.request {
                try references.add(entry.fullURL, for: request)
                if entry.isWrite, let key = request.interaction.instance, !written.insert(key).inserted {
                    throw RequestRefusal(
                        status: 400, issueCode: "invalid",
                        diagnostics: "two entries of the transaction write one instance")
                }
            }
        }
        return references
    }

    private mutating func prepareNext() -> ErrandStep {
        while let place = unstarted(writes: true) {
            guard let step = entries[place].start() else { continue }
            switch step {
            case .change(let request): entries[place].waiting = request
            case .look, .conclude: return take(step, of: place)
            }
        }
        return send()
    }

    private mutating func take(_ step: ErrandStep, of place: Int) -> ErrandStep {
        switch step {
        case .look(let request):
            current = place
            return ask(request)
        case .change(let request):
            entries[place].waiting = request
            return prepareNext()
        case .conclude(.refusal(let refusal)): return refuse(refusal, at: place)
        case .conclude: return refuse(.uncheckable("transaction-entry"), at: place)
        }
    }

    private mutating func ask(_ request: UpstreamRequest) -> ErrandStep {
        budget.allowsLooking ? .look(request) : refuse(.bundleTooCostly)
    }

    private func unstarted(writes: Bool) -> Int? {
        entries.indices.first {
            entries[$0].isWrite == writes && !entries[$0].isStarted && entries[$0].conclusion == nil
                && existing[$0] == nil
        }
    }
}

// MARK: - the transaction itself

extension TransactionErrand {
    /// The places of the entries that are sent, in the client's order.
    private var sent: [Int] { entries.indices.filter { entries[$0].waiting != nil } }

    private mutating func send() -> ErrandStep {
        guard !sent.isEmpty else { return read() }
        if let place = firstReferringToHidden() {
            return refuse(GatewayRefusal(Denial(.referenceNotVisible)), at: place)
        }
        stage = .sending
        let bundle = TransactionBundle(
            sent.compactMap { place in
                entries[place].waiting.map { (isName(entries[place]) ? entries[place].fullURL : nil, $0) }
            })
        return .change(UpstreamRequest(transaction: bundle))
    }

    /// The first entry that refers to a record of which the token will see nothing once the transaction has updated it.
    /// What was looked up for the reference was the version before.
    private func firstReferringToHidden() -> Int? {
        var updated: [InstanceKey: ResourceView] = [:]
        for place in sent {
            if let key = entries[place].request?.interaction.instance, let body = body(at: place) {
                updated[key] = body
            }
        }
        return sent.first { place in
            guard let request = entries[place].request, let body = body(at: place),
                case .permit(let permit) = decide(entries[place].asker.question(request, rules.policy))
            else { return false }
            return permit.referencesToProve(in: body).contains { key in
                updated[key].map { !isReadable($0, key, entries[place].asker) } ?? false
            }
        }
    }

    private func body(at place: Int) -> ResourceView? {
        entries[place].waiting.flatMap { ExchangeRules.resource($0.body) }
    }

    private func isReadable(_ body: ResourceView, _ key: InstanceKey, _ asker: Asker) -> Bool {
        guard let read = try? CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)")),
            case .permit(let permit) = decide(asker.question(read, rules.policy))
        else { return false }
        return admit(body, as: .match, under: permit).released != nil
    }

    /// Whether other entries can refer to an entry by its name only.
    private func isName(_ entry: BundleEntry) -> Bool {
        if case .create = entry.request?.interaction { true } else { false }
    }

    private mutating func judgeAnswer(_ head: UpstreamHead, _ body: [UInt8]) -> ErrandStep {
        guard head.status == 200 else {
            guard
                case .refuse(let denial) = admitAnswer(
                    UpstreamAnswer(head, body), under: permit, pageLink: { _ in nil })
            else { return refuse(.uncheckable("transaction-status").afterWrite(status: head.status)) }
            return refuse(GatewayRefusal(denial).afterWrite(status: head.status))
        }
        let sent = sent
        guard let response = TransactionResponse(head, body, count: sent.count) else {
            return refuse(.uncheckable("transaction-response").afterWrite(status: 200))
        }
        let names = TransactionNames(publicBase: rules.policy.publicBase, upstreamBase: rules.policy.upstreamBase)
        for (order, place) in sent.enumerated() {
            guard let request = entries[place].request, response.fits(request.interaction, at: order, names) else {
                return refuse(.uncheckable("transaction-response-mixed").afterWrite(status: 200))
            }
            guard case .conclude(let conclusion) = entries[place].heard(response.parts[order]) else {
                return refuse(.uncheckable("transaction-entry").afterWrite(status: 200))
            }
            if case .refusal(let refusal) = conclusion { return refuse(refusal.afterWrite(status: 200)) }
            entries[place].conclusion = budget.fitted(conclusion, isWrite: true)
        }
        return read()
    }

    /// Whether the protected server was asked to change anything.
    private var hasChanged: Bool { !sent.isEmpty }

    private mutating func read() -> ErrandStep {
        stage = .reading
        return readNext()
    }

    private mutating func readNext() -> ErrandStep {
        current = nil
        while let place = unstarted(writes: false) {
            guard let step = entries[place].start() else { continue }
            if case .conclude(let conclusion) = step {
                entries[place].conclusion = budget.fitted(conclusion, isWrite: false)
                continue
            }
            return take(step, ofRead: place)
        }
        return finish()
    }

    private mutating func take(_ step: ErrandStep, ofRead place: Int) -> ErrandStep {
        switch step {
        case .look where budget.allowsLooking:
            current = place
            return step
        case .look: entries[place].conclusion = .refusal(.bundleTooCostly)
        // INVARIANT: what is no write asks for no change.
        case .change: entries[place].conclusion = .refusal(.uncheckable("read-that-changes"))
        case .conclude(let conclusion): entries[place].conclusion = budget.fitted(conclusion, isWrite: false)
        }
        return readNext()
    }

    private mutating func finish() -> ErrandStep {
        for (place, match) in existing {
            let answer = match.answer()
            entries[place].draft.describe(answer)
            entries[place].conclusion = budget.fitted(.released(answer), isWrite: true)
        }
        let parts = entries.map { entry in
            (
                conclusion: entry.conclusion ?? .refusal(.uncheckable("entry-unfinished")),
                isHead: entry.request?.isHead ?? false
            )
        }
        return .conclude(.bundle(BundleResponse(to: .transaction, parts)))
    }

    /// All or nothing: one refusal is that of the whole.
    private mutating func refuse(_ refusal: GatewayRefusal, at place: Int? = nil) -> ErrandStep {
        if let place { entries[place].conclusion = .refusal(refusal) }
        let others: GatewayRefusal =
            if case .interrupted = refusal.outcome { refusal } else {
                refusal.recorded(as: .refused(reason: "transaction-refused"))
            }
        conclude(all: place == nil ? refusal : others)
        return .conclude(.refusal(refusal))
    }

    private mutating func conclude(all refusal: GatewayRefusal) {
        for place in entries.indices where entries[place].conclusion == nil {
            entries[place].conclusion = .refusal(refusal)
        }
    }
}
