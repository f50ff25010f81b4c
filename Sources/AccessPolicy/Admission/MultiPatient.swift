internal import FHIRCore

/// What happens to a resource of one patient that also names others (enforcer digest b.7).
struct MultiPatient {
    let panel: Set<ResourceID>
    let policy: ServerPolicy
    let forms: ReferenceForms

    /// The edits that take the others out, or the failure that withholds the resource.
    func edits(_ resource: ResourceView, _ rule: TypeRule) -> Result<[ByteEdit], Judge.Failure> {
        guard let contained = resource.containedResources else {
            return .failure(Judge.Failure(reason: .unreadable))
        }
        let foreignContained = contained.filter(isForeign)
        switch rule.multiPatient {
        case .allow:
            return .success(masked(resource, references: [], contained: foreignContained))
        case .mask:
            let named = (resource.allReferences() + contained.flatMap { $0.allReferences() }).filter(namesOther)
            return .success(masked(resource, references: named, contained: foreignContained))
        case .deny:
            let named = resource.allReferences() + contained.flatMap { $0.allReferences() }
            guard foreignContained.isEmpty, !named.contains(where: namesOther) else {
                return .failure(Judge.Failure(reason: .otherPatients))
            }
            return .success([])
        }
    }

    /// Whether a reference names, or says that it names, a patient who is not in the panel.
    private func namesOther(_ value: ReferenceValue) -> Bool {
        if let key = forms.read(value.literal) { return key.type == .patient && !panel.contains(key.id) }
        if value.literal?.key?.type == .patient { return true }
        guard case .fragment? = value.literal else { return value.declaredType == "Patient" }
        return false
    }

    /// Whether a contained resource belongs to somebody else by its own subject.
    private func isForeign(_ contained: ResourceView) -> Bool {
        guard case .parameter(let parameter)? = policy.types[contained.type].subject else { return false }
        guard let references = contained.references(parameter) else { return true }
        return references.contains(where: namesOther)
    }

    private func masked(
        _ resource: ResourceView, references: [ReferenceValue], contained: [ResourceView]
    ) -> [ByteEdit] {
        guard !references.isEmpty || !contained.isEmpty else { return [] }
        var edits = references.map { ByteEdit(range: $0.range, replacement: Array(#"{"display":"redacted"}"#.utf8)) }
        edits += contained.map(stub)
        if let narrative = resource.node.cut(member: "text") { edits.append(narrative) }
        edits.append(resource.subsetMark)
        return edits
    }

    /// What stays of a contained resource: its type and its local id, so that references to it still end somewhere.
    private func stub(_ contained: ResourceView) -> ByteEdit {
        let id = contained.id.map { #","id":"\#($0.text)""# } ?? ""
        return ByteEdit(
            range: contained.node.range,
            replacement: Array(#"{"resourceType":"\#(contained.type.rawValue)"\#(id)}"#.utf8))
    }
}
