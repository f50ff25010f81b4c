internal import AccessPolicy
internal import FHIRCore

// Requests that are not one upstream request: conditional writes, patches, batches and transactions.

extension ExchangeRules {
    /// The errand of a permitted request that is made of others; nil for every other request.
    func judgeCompound(
        _ request: CanonicalRequest, under permit: Permit, of asker: Asker, record: RecordDraft
    ) -> Judgement? {
        switch request.interaction {
        case .conditionalCreate, .conditionalUpdate, .conditionalPatch, .conditionalDelete:
            return judgeConditional(request, permit, asker, record)
        case .patch(let key):
            guard case .patch(let patch) = request.body else { return nil }
            return judgePatch(patch, of: key, permit, asker, record)
        case .batch, .transaction:
            guard case .bundle(let bundle) = request.body else { return nil }
            return judgeBundle(bundle, under: permit, of: asker, record)
        case .capabilities, .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem,
            .searchCompartment, .create, .update, .delete, .operation, .page:
            return nil
        }
    }

    private func judgeConditional(
        _ request: CanonicalRequest, _ permit: Permit, _ asker: Asker, _ record: RecordDraft
    ) -> Judgement {
        // A body that could not be made whatever the condition selects is refused before anything is looked at.
        if case .conditionalCreate = request.interaction, let create = request.unconditionalCreate,
            case .refuse(let refusal, let record) = judge(create, of: asker, page: nil, record: record)
        {
            return .refuse(refusal, record)
        }
        return .begin(ConditionalErrand(request, permit, of: asker, record: record, rules: self))
    }

    private func judgePatch(
        _ patch: JSONPatch, of key: InstanceKey, _ permit: Permit, _ asker: Asker, _ record: RecordDraft
    ) -> Judgement {
        let question = asker.question(permit.request, policy)
        var reading: Permit?
        if patch.readsDocument {
            guard let read = try? CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)")) else {
                return .refuse(.notFound("stored-absent"), record)
            }
            switch decide(asker.question(read, policy)) {
            case .deny(let denial): return .refuse(GatewayRefusal(denial, realm: policy.publicBase), record)
            case .permit(let permit): reading = permit
            }
        }
        let permitted = PermittedRequest(
            permit: permit, body: nil, isBounded: question.isBounded(permit), openedOrigin: nil,
            received: asker.received, pageTarget: nil, now: asker.now, record: record)
        return .begin(PatchErrand(patch, of: key, permitted, reading: reading, asker: asker, rules: self))
    }
}
