internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// A batch: every entry a request of its own, run here one after the other and answered on its own (enforcer.md b.4 row
/// 21). The protected server never sees the Bundle.
///
/// First all looks of the entries that may change something are made, so that the opening record, which comes before the
/// first change, names everything that may be changed. Then they are made in FHIR's order, and reads see what they did.
struct BatchErrand: Errand {
    private enum Stage {
        case preparing, changing, reading
    }

    private let draft: RecordDraft
    private var entries: [BundleEntry]
    private var stage = Stage.preparing
    /// The entry whose upstream call is under way.
    private var current: Int?
    private var budget: BundleBudget

    /// Judges every entry; nothing has been asked yet.
    init(_ bundle: BundleRequest, of asker: Asker, record: RecordDraft, rules: ExchangeRules) {
        draft = record
        budget = BundleBudget(rules.answerBytes)
        entries = bundle.entries.enumerated().map { place, entry in
            BundleEntry(entry, at: place, of: asker, record: record, base: rules.policy.publicBase)
        }
        for place in entries.indices { entries[place].judge(rules) }
    }

    var record: RecordDraft { draft.gathering(entries.map(\.part)) }

    mutating func start() -> ErrandStep { next() }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        guard let place = current else { return next() }
        budget.heard(reply)
        return entries[place].heard(reply).flatMap { take($0, of: place) } ?? next()
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        let hasChanged = entries.contains { entry in
            if entry.isWrite, case .released = entry.conclusion { true } else { false }
        }
        if let current { entries[current].stopped(refusal, after: reply) }
        let isDoubtful = entries.contains { entry in
            if case .interrupted = entry.conclusion?.outcome { true } else { false }
        }
        for place in entries.indices { entries[place].stopped(refusal, after: nil) }
        guard hasChanged || isDoubtful else { return .refusal(refusal) }
        return .refusal(refusal.recorded(as: .interrupted(reason: "batch-stopped-after-change")))
    }

    /// The step, if it is one for whoever drives; nil when the entry waits or has come to its end.
    private mutating func take(_ step: ErrandStep, of place: Int) -> ErrandStep? {
        switch step {
        case .look:
            guard budget.allowsLooking else {
                entries[place].conclusion = .refusal(.bundleTooCostly)
                return nil
            }
        case .change(let request):
            guard stage == .changing else {
                entries[place].waiting = request
                return nil
            }
        // INVARIANT: no entry of a Bundle is an export.
        case .keep:
            entries[place].conclusion = .refusal(.uncheckable("entry-that-exports"))
            return nil
        case .conclude(let conclusion):
            entries[place].conclusion = budget.fitted(conclusion, isWrite: entries[place].isWrite)
            return nil
        }
        current = place
        return step
    }

    private mutating func next() -> ErrandStep {
        current = nil
        while true {
            switch stage {
            case .preparing:
                guard let place = unstarted(writes: true) else {
                    stage = .changing
                    continue
                }
                if let step = entries[place].start().flatMap({ take($0, of: place) }) { return step }
            case .changing:
                guard let place = nextChange, let request = entries[place].waiting else {
                    stage = .reading
                    continue
                }
                entries[place].waiting = nil
                current = place
                return .change(request)
            case .reading:
                guard let place = unstarted(writes: false) else { return .conclude(finished) }
                if let step = entries[place].start().flatMap({ take($0, of: place) }) { return step }
            }
        }
    }

    private func unstarted(writes: Bool) -> Int? {
        entries.firstIndex { $0.isWrite == writes && !$0.isStarted && $0.conclusion == nil }
    }

    private var nextChange: Int? {
        entries.indices.filter { entries[$0].waiting != nil && entries[$0].conclusion == nil }
            .min { (entries[$0].rank, $0) < (entries[$1].rank, $1) }
    }

    private var finished: Conclusion {
        .bundle(
            BundleResponse(
                to: .batch,
                entries.map { entry in
                    (entry.conclusion ?? .refusal(.uncheckable("entry-unfinished")), entry.request?.isHead ?? false)
                }))
    }
}
