internal import FHIRCore

/// Judges the body of a write, as far as it can be told without looking anything up (enforcer digest b.8).
struct SubmittedBody {
    let judge: Judge
    /// Resources that a look-up has shown to be visible to this token.
    let visible: Set<InstanceKey>
    /// The entries of the same transaction that create something, by their names.
    let siblings: [String: ResourceType]
    /// Whether the body replaces a version that is judged beside it, by which then the files that it points at are judged.
    var replacesStored = false

    private var policy: ServerPolicy { judge.policy }
    private var forms: ReferenceForms { judge.forms }

    /// Whether some grant with the letter admits the body.
    func judgement(_ body: ResourceView, letter: Permissions) -> Judgement {
        var reason = WithholdReason.notGranted
        var scopes: [HeldScope] = []
        for grant in judge.grants where grant.grants(letter, on: body.type, types: policy.types) {
            if let constraint = grant.scope.constraint, !constraint.matches(body) {
                reason = max(reason, .outsideConstraint)
            } else if let failure = failure(body, in: grant.boundary) {
                reason = max(reason, failure)
            } else {
                scopes.append(grant.held)
            }
        }
        return scopes.isEmpty ? .fails(reason) : .passes(.none, by: scopes)
    }

    /// Why a body may not be written into one boundary; nil when it may.
    private func failure(_ body: ResourceView, in boundary: PatientPanel) -> WithholdReason? {
        let panel: Set<ResourceID>
        switch boundary {
        case .none: return .outsideBoundary
        case .everyone: return nil
        case .patients(let patients): panel = patients
        }
        let rule = policy.types[body.type]
        guard rule.typeClass == .compartment, let contained = body.containedResources else { return .outsideBoundary }
        if let failure = subjectFailure(body, rule, panel) { return failure }
        // What would be hidden on its way out does not come in.
        let multiPatient = MultiPatient(panel: panel, policy: policy, forms: forms)
        guard !contained.contains(where: multiPatient.isForeign) || mutated(.foreignContainedWritten) else {
            return .outsideBoundary
        }
        // Whoever points at a file opens it for themselves: nobody may point at one that is not known to be theirs.
        guard
            replacesStored || body.pointedBinaries(forms).isSubset(of: visible) || mutated(.filesOpenedByPointing)
        else { return .referenceNotVisible }
        let ids = Set(contained.compactMap { $0.id?.text })
        let references = ([body] + contained).flatMap { $0.allReferences() }
        let failures = references.compactMap { referenceFailure($0, panel, ids) }
        return failures.min()
    }

    /// The elements that make a resource somebody's must each name one patient of the panel, canonically.
    private func subjectFailure(
        _ body: ResourceView, _ rule: TypeRule, _ panel: Set<ResourceID>
    ) -> WithholdReason? {
        if mutated(.subjectNotLookedAt) { return nil }
        let subjects: [ReferenceValue]
        switch rule.subject {
        case .ownID: return body.id.map(panel.contains) == true ? nil : .outsideBoundary
        case .parameter(let parameter):
            guard let found = body.references(parameter) else { return .outsideBoundary }
            subjects = found
        case .securityContext:
            guard let node = body.node["securityContext"], let text = node["reference"]?.string else {
                return .outsideBoundary
            }
            subjects = [
                ReferenceValue(
                    literal: LiteralReference(text), hasIdentifier: node["identifier"] != nil, range: node.range)
            ]
        case nil: return .outsideBoundary
        }
        let names = subjects.contains { value in
            guard let key = forms.written(value.literal) else { return false }
            return key.type == .patient && panel.contains(key.id)
        }
        guard names else { return subjects.contains(where: isOddlyNamed) ? .referenceForm : .outsideBoundary }
        // A literal beside a logical reference may be resolved either way; a logical one alone, to anybody.
        let membership = rule.membership.compactMap { body.references($0) }.flatMap { $0 }
        guard !(subjects + membership).contains(where: \.hasIdentifier) || mutated(.identifiersBesideSubjects) else {
            return .outsideBoundary
        }
        return nil
    }

    /// Whether a reference may name somebody to one reader and nobody, or somebody else, to another.
    private func isOddlyNamed(_ value: ReferenceValue) -> Bool {
        switch value.literal {
        case .urn, .conditional, .other: true
        case .relative: forms.written(value.literal) == nil
        // Every other base looks alike, so that nobody finds out which is the protected server's.
        case .absolute(let base, _, _): base == policy.publicBase && forms.written(value.literal) == nil
        case .fragment, nil: false
        }
    }

    private func referenceFailure(
        _ value: ReferenceValue, _ panel: Set<ResourceID>, _ containedIDs: Set<String>
    ) -> WithholdReason? {
        switch value.literal {
        case nil:
            // An identifier alone may stand on elements that decide nothing; what says Patient may not.
            return value.declaredType == "Patient" ? .outsideBoundary : nil
        case .fragment(let id):
            return id.isEmpty || containedIDs.contains(id) ? nil : .referenceForm
        case .urn(let name):
            return siblings[name].map(siblingFailure) ?? .referenceForm
        case .conditional, .other:
            return mutated(.conditionalReferences) ? nil : .referenceForm
        case .relative(let key, _), .absolute(_, let key, _):
            if key.type == .patient {
                guard let own = forms.written(value.literal) else {
                    return isOddlyNamed(value) ? .referenceForm : .outsideBoundary
                }
                return panel.contains(own.id) || mutated(.otherPeopleInBodies) ? nil : .outsideBoundary
            }
            switch policy.types[key.type].typeClass {
            case .shared, .conformance: return nil
            case .restricted: return .referenceNotVisible
            case .compartment:
                guard let own = forms.written(value.literal) else { return .referenceForm }
                return visible.contains(own) || mutated(.referencesUnproven) ? nil : .referenceNotVisible
            }
        }
    }

    /// Why a body may not refer to something that the same transaction creates, which is admitted on its own or not at
    /// all; nil when it may. A patient that is made there is another one than those of the boundary.
    private func siblingFailure(_ type: ResourceType) -> WithholdReason? {
        guard type != .patient || mutated(.siblingPatients) else { return .outsideBoundary }
        return policy.types[type].typeClass == .restricted ? .referenceNotVisible : nil
    }

    /// The resources that a body refers to and that somebody must look up before it may be written.
    func referencesToProve(_ body: ResourceView) -> [InstanceKey] {
        let references = ([body] + (body.containedResources ?? [])).flatMap { $0.allReferences() }
        let keys = references.compactMap { forms.written($0.literal) }
            .filter { $0.type != .patient && policy.types[$0.type].typeClass == .compartment }
        return Set(keys).sorted()
    }

    /// The body as the upstream gets it: references to our own base made relative, a create's id taken out.
    func rewritten(_ body: ResourceView, dropsID: Bool) -> [UInt8] {
        var edits: [ByteEdit] = []
        for value in ([body] + (body.containedResources ?? [])).flatMap({ $0.allReferences() }) {
            guard case .absolute(let base, let key, let version)? = value.literal, base == policy.publicBase,
                let range = value.literalRange
            else { continue }
            let text = key.description + (version.map { "/_history/\($0.text)" } ?? "")
            edits.append(ByteEdit(range: range, replacement: Array("\"\(text)\"".utf8)))
        }
        edits += inwardAddresses(body)
        if dropsID, let cut = body.node.cut(member: "id") { edits.append(cut) }
        return applying(edits, to: body.node.document.bytes, in: body.node.range)
    }

    /// Elsewhere than in references, an address of ours that names a resource, such as that of an attachment, becomes the
    /// protected server's own: what a client has read and sends back stays what it was.
    private func inwardAddresses(_ body: ResourceView) -> [ByteEdit] {
        guard policy.publicBase != policy.upstreamBase else { return [] }
        let references = Set(
            ([body] + (body.containedResources ?? [])).flatMap { $0.allReferences() }.compactMap(\.literalRange))
        var edits: [ByteEdit] = []
        var pending = [body.node]
        while let node = pending.popLast() {
            switch node.kind {
            case .array: pending.append(contentsOf: node.elements)
            case .object: pending.append(contentsOf: node.members.map(\.value))
            case .string:
                guard !references.contains(node.range), let text = node.string, text.hasPrefix(policy.publicBase),
                    case .absolute(policy.publicBase, _, _) = LiteralReference(text)
                else { continue }
                let theirs = policy.upstreamBase + text.dropFirst(policy.publicBase.count)
                edits.append(ByteEdit(range: node.range, replacement: JSONValue.string(theirs).serialized))
            case .number, .bool, .null: break
            }
        }
        return edits
    }
}
