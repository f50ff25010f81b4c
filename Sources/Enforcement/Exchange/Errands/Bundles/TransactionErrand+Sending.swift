internal import AccessPolicy
internal import Audit
internal import FHIRCore

// The transaction itself, its answer, and the reads that come after it.

extension TransactionErrand {
    /// The places of the entries that are sent, in the client's order.
    var sent: [Int] { entries.indices.filter { entries[$0].waiting != nil } }

    mutating func send() -> ErrandStep {
        guard !sent.isEmpty else { return read() }
        if let place = firstReferringToHidden() {
            return refuse(GatewayRefusal(Denial(.referenceNotVisible)), at: place)
        }
        stage = .sending
        let bundle = TransactionBundle(
            sent.compactMap { place in
                entries[place].waiting.map {
                    (isName(entries[place]) ? entries[place].fullURL.flatMap { renamed[$0] } : nil, $0)
                }
            })
        return .change(UpstreamRequest(transaction: bundle))
    }

    /// The first entry that refers to a record of which the token will see nothing once the transaction has updated it.
    /// What was looked up for the reference was the version before.
    func firstReferringToHidden() -> Int? {
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

    func body(at place: Int) -> ResourceView? {
        entries[place].waiting.flatMap { ExchangeRules.resource($0.body) }
    }

    func isReadable(_ body: ResourceView, _ key: InstanceKey, _ asker: Asker) -> Bool {
        guard let read = try? CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)")),
            case .permit(let permit) = decide(asker.question(read, rules.policy))
        else { return false }
        return admit(body, as: .match, under: permit).released != nil
    }

    /// Whether other entries can refer to an entry by its name only.
    func isName(_ entry: BundleEntry) -> Bool {
        if case .create = entry.request?.interaction { true } else { false }
    }

    mutating func judgeAnswer(_ head: UpstreamHead, _ body: [UInt8]) -> ErrandStep {
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
            guard let request = entries[place].request,
                response.fits(request.interaction, at: order, names) || mutated(.transactionAnswersMixed)
            else {
                return refuse(.uncheckable("transaction-response-mixed").afterWrite(status: 200))
            }
            // A match that the server claims may be somebody else's, and it can no longer be asked again.
            guard condition(of: place) == nil || response.parts[order].status == 201 else {
                return refuse(.uncheckable("transaction-condition-claimed").afterWrite(status: 200))
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
    var hasChanged: Bool { !sent.isEmpty }

    mutating func read() -> ErrandStep {
        stage = .reading
        return readNext()
    }

    mutating func readNext() -> ErrandStep {
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

    mutating func take(_ step: ErrandStep, ofRead place: Int) -> ErrandStep {
        switch step {
        case .look where budget.allowsLooking:
            current = place
            return step
        case .look: entries[place].conclusion = .refusal(.bundleTooCostly)
        // INVARIANT: what is no write asks for no change.
        case .change, .keep: entries[place].conclusion = .refusal(.uncheckable("read-that-changes"))
        case .conclude(let conclusion): entries[place].conclusion = budget.fitted(conclusion, isWrite: false)
        }
        return readNext()
    }

    mutating func finish() -> ErrandStep {
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
    mutating func refuse(_ refusal: GatewayRefusal, at place: Int? = nil) -> ErrandStep {
        if let place { entries[place].conclusion = .refusal(refusal) }
        let others: GatewayRefusal =
            if case .interrupted = refusal.outcome { refusal } else {
                refusal.recorded(as: .refused(reason: "transaction-refused"))
            }
        conclude(all: place == nil ? refusal : others)
        return .conclude(.refusal(refusal))
    }

    mutating func conclude(all refusal: GatewayRefusal) {
        for place in entries.indices where entries[place].conclusion == nil {
            entries[place].conclusion = .refusal(refusal)
        }
    }
}
