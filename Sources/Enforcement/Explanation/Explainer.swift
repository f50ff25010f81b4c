internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// Makes the explanation of one request from the exchange's own rules.
struct Explainer {
    let rules: ExchangeRules
    /// What the protected server would have answered, when somebody shows it.
    let shown: ResourceView?

    func explain(_ incoming: IncomingRequest) -> Explanation {
        switch incoming.standing {
        case .summed(let refusal): return refused(refusal)
        case .refused(let refusal, let access):
            if isOpen(incoming.request) { return Explanation(.permitted) }
            var explanation = refused(refusal)
            explanation.access = access
            return explanation
        case .verified(let access, let userPanel, let systemPanel):
            if isOpen(incoming.request) { return Explanation(.permitted) }
            let asker = Asker(
                access: access, userPanel: userPanel, systemPanel: systemPanel, received: incoming.request,
                now: incoming.now)
            do throws(RequestRefusal) {
                let asked = try CanonicalRequest(incoming.request)
                guard case .page(let opaque) = asked.interaction else {
                    return explain(asked, of: asker, page: nil, RecordDraft(incoming, rules.policy))
                }
                guard let page = rules.pageLinks.open(opaque, for: access, now: incoming.now) else {
                    return refused(.notFound("page-link"))
                }
                let original = try page.originalRequest(asHead: asked.isHead)
                return explain(original, of: asker, page: page, RecordDraft(incoming, rules.policy))
            } catch {
                var explanation = refused(GatewayRefusal(error))
                explanation.access = access
                return explanation
            }
        }
    }

    /// The CapabilityStatement is everybody's.
    private func isOpen(_ request: FHIRRequest) -> Bool {
        do throws(RequestRefusal) {
            if case .capabilities = try CanonicalRequest(request).interaction { return true }
        } catch {}
        return false
    }

    private func explain(_ request: CanonicalRequest, of asker: Asker, page: OpenedPage?, _ record: RecordDraft)
        -> Explanation
    {
        let question = asker.question(request, rules.policy)
        let decision = decide(question)
        // INVARIANT: the verdict is the exchange's; the decision below only tells more about it.
        var explanation: Explanation
        switch rules.judge(request, of: asker, page: page, record: record) {
        case .begin: explanation = Explanation(.permitted)
        case .refuse(let refusal, _): explanation = refused(refusal)
        }
        explanation.access = asker.access
        explanation.request = request
        switch decision {
        case .deny(let denial):
            if explanation.verdict == .refused {
                explanation.sufficientScopes = denial.sufficientScopes
                explanation.parameter = denial.parameter
            }
        case .permit(let permit):
            describe(permit, of: asker, in: &explanation)
        }
        if case .bundle(let bundle) = request.body {
            explanation.entries = bundle.entries.map { entry in
                do throws(RequestRefusal) {
                    let part = try entry.request(base: rules.policy.publicBase)
                    return explain(part, of: asker, page: nil, record)
                } catch {
                    return refused(GatewayRefusal(error))
                }
            }
        }
        return explanation
    }

    private func describe(_ permit: Permit, of asker: Asker, in explanation: inout Explanation) {
        explanation.determining = permit.determining.map { held in
            Explanation.Determining(scope: held.text, boundary: boundary(of: held, asker))
        }
        let method = permit.request.method.description
        explanation.forwarded = permit.requests.map { part in
            let query = part.upstreamQuery?.encoded ?? ""
            return "\(method) \(part.upstreamInteraction.upstreamPath)\(query.isEmpty ? "" : "?\(query)")"
        }.joined(separator: " + ")
        explanation.isNarrowed = Self.narrows(permit)
        switch permit.upstreamInteraction {
        case .search, .searchSystem, .searchCompartment: explanation.narrowingIsExact = permit.narrowingIsExact
        default: break
        }
        explanation.readFirst = permit.precondition?.instance
        if let shown { explanation.resources = verdicts(on: shown, under: permit) }
    }

    /// Whether what goes upstream says more than what was asked: a limit that the client did not set itself.
    ///
    /// `patient=a`, `patient=Patient/a` and `subject=Patient/a` say the same.
    private static func narrows(_ permit: Permit) -> Bool {
        func plain(_ term: SearchTerm) -> String {
            let name = term.name == "subject" ? "patient" : term.name
            return "\(name)=\(term.rawValue.replacing("Patient/", with: ""))"
        }
        var asked = Set(permit.request.query.terms.map(plain))
        if case .searchCompartment(_, let id, _) = permit.request.interaction { asked.insert("patient=\(id.text)") }
        return !(permit.upstreamQuery?.terms ?? []).allSatisfy { $0.name == "_count" || asked.contains(plain($0)) }
    }

    private func boundary(of held: HeldScope, _ asker: Asker) -> PatientPanel {
        switch held.scope.level {
        case .patient: asker.access.launch.patient.map { .patients([$0]) } ?? .none
        case .user: asker.userPanel
        case .system: asker.systemPanel
        }
    }

    // MARK: - resources

    /// The verdict on a resource, or on each that a Bundle of the protected server holds.
    private func verdicts(on resource: ResourceView, under permit: Permit) -> [Explanation.ResourceVerdict] {
        guard resource.type == .bundle, let bundle = BundleView(resource) else {
            return [verdict(on: resource, under: permit)]
        }
        return bundle.entries.compactMap { entry in
            guard let node = entry.resource else { return nil }
            do throws(ResourceSyntaxError) {
                return verdict(on: try ResourceView(node), under: permit)
            } catch {
                return .init(
                    resource: "?", role: .match, admission: "withhold", edits: 0,
                    reason: WithholdReason.unreadable.rawValue)
            }
        }
    }

    private func verdict(on resource: ResourceView, under permit: Permit) -> Explanation.ResourceVerdict {
        let role = role(of: resource, under: permit)
        let name = resource.key.map(\.description) ?? resource.type.rawValue
        switch admit(resource, as: role, under: permit) {
        case .release: return .init(resource: name, role: role, admission: "release", edits: 0, reason: nil)
        case .redact(_, let edits):
            return .init(resource: name, role: role, admission: "redact", edits: edits, reason: nil)
        case .withhold(let reason):
            return .init(resource: name, role: role, admission: "withhold", edits: 0, reason: reason.rawValue)
        }
    }

    /// What a resource of an answer would be to the request.
    private func role(of resource: ResourceView, under permit: Permit) -> ResourceRole {
        switch permit.request.interaction {
        case .vread, .instanceHistory, .typeHistory, .systemHistory: .version
        case .create, .update, .patch, .delete, .conditionalCreate, .conditionalUpdate, .conditionalPatch,
            .conditionalDelete:
            .stored
        case .search(let type): resource.type == type ? .match : .include
        case .searchCompartment(_, _, let type?): resource.type == type ? .match : .include
        case .read, .searchSystem, .searchCompartment, .capabilities, .batch, .transaction, .operation, .page: .match
        }
    }

    private func refused(_ refusal: GatewayRefusal) -> Explanation {
        var explanation = Explanation(.refused)
        explanation.reason = refusal.outcome.reason
        explanation.status = refusal.status
        return explanation
    }
}
