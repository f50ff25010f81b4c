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
    enum Stage {
        /// What the condition of the entry at a place selects is being looked at.
        case resolving(Int, ConditionLook)
        /// The entries look at what they need before their change.
        case preparing
        /// The transaction is under way.
        case sending
        /// All changes are made; the reads are under way.
        case reading
    }

    let rules: ExchangeRules
    let permit: Permit
    let draft: RecordDraft
    var entries: [BundleEntry]
    /// The permits of the searches that conditions are.
    var conditions: [Int: Permit]
    /// The conditions that creates are sent with.
    var narrowed: [Int: NarrowedCondition] = [:]
    /// What conditional creates have found to be there already.
    var existing: [Int: ConditionMatch] = [:]
    /// The names under which entries that create something are sent, by the client's.
    var renamed: [String: String] = [:]
    var stage = Stage.preparing
    var current: Int?
    var budget: BundleBudget

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
            let outcome = look.heard(reply)
            entries[place].draft.distrust(look.disobeyed)
            switch outcome {
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
    mutating func resolveNext() -> ErrandStep {
        guard let place = conditions.keys.min(), let permit = conditions.removeValue(forKey: place) else {
            return judgeEntries()
        }
        let look = ConditionLook(permit, rules: rules)
        narrowed[place] = NarrowedCondition(permit)
        stage = .resolving(place, look)
        guard let request = look.request else { return resolve(place, []) }
        return ask(request)
    }

    mutating func resolve(_ place: Int, _ matches: [ConditionMatch]) -> ErrandStep {
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
    mutating func judgeEntries() -> ErrandStep {
        stage = .preparing
        do throws(RequestRefusal) {
            let references = try references()
            renamed = references.renamed
            for place in entries.indices where existing[place] == nil {
                guard let request = entries[place].request else { continue }
                guard let resolved = try references.resolving(request) else {
                    return refuse(GatewayRefusal(Denial(.referenceNotVisible)), at: place)
                }
                entries[place].request = resolved
                entries[place].judge(
                    rules, setting: WriteSetting(condition: condition(of: place), siblings: references.created))
                if case .refusal(let refusal) = entries[place].conclusion, !mutated(.transactionsInPart) {
                    return refuse(refusal, at: place)
                }
            }
        } catch {
            return refuse(GatewayRefusal(error))
        }
        return prepareNext()
    }

    func condition(of place: Int) -> NarrowedCondition? {
        if case .create = entries[place].request?.interaction { narrowed[place] } else { nil }
    }

    /// What the entries are called, and that no two of them write one instance (row 22: the second would be judged
    /// against a state that the first has changed). What a conditional create has found to be there is answered as it
    /// was found, so no other entry may write it either.
    func references() throws(RequestRefusal) -> TransactionReferences {
        var references = TransactionReferences(
            TransactionNames(publicBase: rules.policy.publicBase, upstreamBase: rules.policy.upstreamBase),
            seed: entries.first?.asker.seed ?? 0)
        var written: Set<InstanceKey> = []
        let found = Set(existing.values.map(\.key))
        for (place, entry) in entries.enumerated() {
            if let match = existing[place] {
                try references.add(entry.fullURL, existing: match.key)
            } else if let request = entry.request {
                try references.add(entry.fullURL, for: request)
                guard entry.isWrite, let key = request.interaction.instance else { continue }
                if found.contains(key) || !written.insert(key).inserted, !mutated(.instancesWrittenTwice) {
                    throw RequestRefusal(
                        status: 400, issueCode: "invalid",
                        diagnostics: "two entries of the transaction write one instance")
                }
            }
        }
        return references
    }

    mutating func prepareNext() -> ErrandStep {
        while let place = unstarted(writes: true) {
            guard let step = entries[place].start() else { continue }
            switch step {
            case .change(let request): entries[place].waiting = request
            case .look, .keep, .conclude: return take(step, of: place)
            }
        }
        return send()
    }

    mutating func take(_ step: ErrandStep, of place: Int) -> ErrandStep {
        switch step {
        case .look(let request):
            current = place
            return ask(request)
        case .change(let request):
            entries[place].waiting = request
            return prepareNext()
        case .conclude(.refusal(let refusal)): return refuse(refusal, at: place)
        // INVARIANT: no entry of a Bundle is an export.
        case .keep, .conclude: return refuse(.uncheckable("transaction-entry"), at: place)
        }
    }

    mutating func ask(_ request: UpstreamRequest) -> ErrandStep {
        budget.allowsLooking ? .look(request) : refuse(.bundleTooCostly)
    }

    func unstarted(writes: Bool) -> Int? {
        entries.indices.first {
            entries[$0].isWrite == writes && !entries[$0].isStarted && entries[$0].conclusion == nil
                && existing[$0] == nil
        }
    }
}
