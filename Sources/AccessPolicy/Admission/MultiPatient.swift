internal import FHIRCore

/// What happens to a resource of one patient that also names others (enforcer digest b.7).
///
/// Only what surely is the patient's own, surely nobody's, or surely a resource of another type than Patient stays: a
/// reference that somebody else could read as another patient is treated as one.
struct MultiPatient {
    let panel: Set<ResourceID>
    let policy: ServerPolicy
    let forms: ReferenceForms

    /// What takes the others out, or the failure that withholds the resource.
    func redaction(
        of resource: ResourceView, _ multiPatient: TypeRule.MultiPatientRule
    ) -> Result<Redaction, Judge.Failure> {
        guard let contained = resource.containedResources else {
            return .failure(Judge.Failure(reason: .unreadable))
        }
        let foreignContained = contained.filter(isForeign)
        switch multiPatient {
        case .allow:
            return .success(masked(references: [], contained: foreignContained))
        case .mask:
            if mutated(.maskIgnored) { return .success(masked(references: [], contained: foreignContained)) }
            return .success(masked(references: others(in: resource, contained), contained: foreignContained))
        case .deny where mutated(.denyIgnored):
            return .success(masked(references: [], contained: foreignContained))
        case .deny:
            guard foreignContained.isEmpty, others(in: resource, contained).isEmpty else {
                return .failure(Judge.Failure(reason: .otherPatients))
            }
            return .success(.none)
        }
    }

    /// The references that name another patient, or may.
    private func others(in resource: ResourceView, _ contained: [ResourceView]) -> [ReferenceValue] {
        ([resource] + contained).flatMap { part in
            let found = part.allReferences().filter(mayNameOther)
            guard !found.isEmpty else { return found }
            let harmless = neverPatients(in: part)
            return found.filter { $0.literal != nil || $0.declaredType != nil || !harmless.contains($0.range) }
        }
    }

    /// The elements of which a search parameter says that no patient can stand there.
    private func neverPatients(in resource: ResourceView) -> Set<Range<Int>> {
        var result: Set<Range<Int>> = []
        for parameter in R4.searchParameters(for: resource.type)
        where parameter.kind == .reference && !parameter.targets.contains(.patient) && !parameter.targets.isEmpty {
            // A cast to one type (`where(resolve() is …)`) says nothing of what else the element may hold.
            guard !parameter.expressionText.contains("resolve()") else { continue }
            result.formUnion((resource.references(parameter) ?? []).map(\.range))
        }
        return result
    }

    /// Whether a reference is anything but surely own, surely no patient, or to be looked at where it is contained.
    private func mayNameOther(_ value: ReferenceValue) -> Bool {
        switch value.literal {
        case .relative(let key, _), .absolute(_, let key, _):
            guard key.type == .patient else { return false }
            return forms.read(value.literal).map { !panel.contains($0.id) } ?? true
        case .fragment: return false
        case .conditional, .other: return true
        case .urn where forms.read(value.literal) != nil:
            guard let key = forms.read(value.literal), key.type == .patient else { return false }
            return !panel.contains(key.id)
        case .urn, nil:
            // Without an address only the type can say that it is nobody's.
            guard let type = value.declaredType.flatMap(ResourceType.init(rawValue:)) else { return true }
            return type == .patient
        }
    }

    /// Whether a contained resource is not surely the patient's own or nobody's.
    ///
    /// It has no identity outside its container, so a contained Patient can be anybody, whatever its local id.
    func isForeign(_ contained: ResourceView) -> Bool {
        if mutated(.containedIsOwn) { return false }
        let rule = policy.types[contained.type]
        switch rule.typeClass {
        case .shared, .conformance: return false
        case .restricted: return true
        case .compartment: break
        }
        guard case .parameter(let parameter)? = rule.subject, let subjects = contained.references(parameter) else {
            return true
        }
        return subjects.contains { value in
            // `#` is the container; any other fragment is a contained somebody.
            if case .fragment(let id)? = value.literal { return !id.isEmpty }
            return mayNameOther(value)
        }
    }

    private func masked(references: [ReferenceValue], contained: [ResourceView]) -> Redaction {
        guard !references.isEmpty || !contained.isEmpty else { return .none }
        let edits = references.map { ByteEdit(range: $0.range, replacement: Array(#"{"display":"redacted"}"#.utf8)) }
        return Redaction(edits: edits + contained.map(stub), cutsNarrative: true)
    }

    /// What stays of a contained resource: its type and its local id, so that references to it still end somewhere.
    private func stub(_ contained: ResourceView) -> ByteEdit {
        let id = contained.id.map { #","id":"\#($0.text)""# } ?? ""
        return ByteEdit(
            range: contained.node.range,
            replacement: Array(#"{"resourceType":"\#(contained.type.rawValue)"\#(id)}"#.utf8))
    }
}
