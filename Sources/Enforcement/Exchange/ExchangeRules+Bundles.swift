internal import AccessPolicy
internal import Audit
internal import FHIRCore

extension ExchangeRules {
    /// Begins a batch or transaction. What a transaction can be refused for without asking anything is refused here.
    func judgeBundle(
        _ bundle: BundleRequest, under permit: Permit, of asker: Asker, _ record: RecordDraft
    ) -> Judgement {
        switch bundle.kind {
        case .batch: return .begin(BatchErrand(bundle, of: asker, record: record, rules: self))
        case .transaction: break
        }
        var entries = bundle.entries.enumerated().map { place, entry in
            BundleEntry(entry, at: place, of: asker, record: record, base: policy.publicBase)
        }
        var conditions: [Int: Permit] = [:]
        for place in entries.indices {
            switch judgeTransactionEntry(entries[place]) {
            case .success(let condition): conditions[place] = condition
            case .failure(let refused):
                entries[place].conclusion = .refusal(refused.refusal)
                for other in entries.indices where entries[other].conclusion == nil {
                    entries[other].conclusion = .refusal(
                        refused.refusal.recorded(as: .refused(reason: "transaction-refused")))
                }
                return .refuse(refused.refusal, record.gathering(entries.map(\.part)))
            }
        }
        return .begin(
            TransactionErrand(entries, conditions: conditions, under: permit, record: record, rules: self))
    }

    private struct RefusedEntry: Error { let refusal: GatewayRefusal }

    /// The permit of an entry's condition, if it has one, or why the entry refuses the whole.
    private func judgeTransactionEntry(_ entry: BundleEntry) -> Result<Permit?, RefusedEntry> {
        if case .refusal(let refusal) = entry.conclusion { return .failure(RefusedEntry(refusal: refusal)) }
        guard let request = entry.request, Self.canBeTransactionEntry(request) else {
            return .failure(
                RefusedEntry(
                    refusal: GatewayRefusal(
                        RequestRefusal(
                            status: 400, issueCode: "not-supported",
                            diagnostics: "an operation cannot be an entry of a transaction"))))
        }
        switch decide(entry.asker.question(request, policy)) {
        case .deny(let denial):
            return .failure(RefusedEntry(refusal: GatewayRefusal(denial, realm: policy.publicBase)))
        case .permit(let permit): return .success(request.conditionSearch == nil ? nil : permit)
        }
    }

    /// An operation may change what its name does not say, so that nobody could judge it as a part of a whole.
    private static func canBeTransactionEntry(_ request: CanonicalRequest) -> Bool {
        switch request.interaction {
        case .operation, .batch, .transaction, .capabilities, .page: false
        case .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem, .searchCompartment,
            .create, .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch, .delete,
            .conditionalDelete:
            true
        }
    }
}
