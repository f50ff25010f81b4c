internal import FHIRCore

extension ResourceView {
    /// The Binaries of the protected server that a text anywhere in the resource is the address of.
    ///
    /// An attachment's `url` is no reference, and yet it opens the file to whoever may read the document.
    func pointedBinaries(_ forms: ReferenceForms) -> Set<InstanceKey> {
        var found: Set<InstanceKey> = []
        var pending = [node]
        while let next = pending.popLast() {
            switch next.kind {
            case .array: pending.append(contentsOf: next.elements)
            case .object: pending.append(contentsOf: next.members.map(\.value))
            case .string:
                guard let text = next.string, let key = forms.read(LiteralReference(text)), key.type == .binary else {
                    continue
                }
                found.insert(key)
            case .number, .bool, .null: break
            }
        }
        return found
    }

    /// The Binaries whose address, and no version's, is that of a file of the resource: those that it opens to its reader.
    ///
    /// Whoever proves a link and whoever forbids to make one ask this same function.
    func attachedBinaries(_ forms: ReferenceForms) -> Set<InstanceKey> {
        let keys = FilePointers.addresses(in: self).compactMap { text -> InstanceKey? in
            let literal = LiteralReference(text)
            return switch literal {
            case .relative(_, nil), .absolute(_, _, nil): forms.read(literal)
            // What names one version says nothing of what stands there now.
            case .relative, .absolute, .fragment, .urn, .conditional, .other: nil
            }
        }
        return Set(keys.filter { $0.type == .binary })
    }
}
