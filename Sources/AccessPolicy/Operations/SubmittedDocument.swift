internal import FHIRCore

/// One resource that is handed in to an operation, as the parts that it consists of: itself, or the entries of a Bundle.
struct SubmittedDocument {
    /// A resource with the address that it is handed in under.
    struct Part {
        /// The text of `fullUrl`, if there is one.
        let address: String?
        /// Where that text stands, with its quotes.
        let addressRange: Range<Int>?
        let resource: ResourceView
    }

    /// More entries than this are not looked through.
    private static let maxEntries = 1_000

    private(set) var parts: [Part] = []
    /// What stands under which address.
    private var places: [String: Int] = [:]

    /// Nil when a Bundle could be read in more than one way.
    init?(_ resource: ResourceView) {
        guard resource.type == .bundle else {
            parts = [Part(address: nil, addressRange: nil, resource: resource)]
            return
        }
        guard let bundle = BundleView(resource), !bundle.entries.isEmpty, bundle.entries.count <= Self.maxEntries else {
            return nil
        }
        for entry in bundle.entries {
            // Entries that ask for something (`request`) are no documents but instructions; one with a `response` says
            // where it is kept.
            guard entry.request == nil, entry.response == nil, let node = entry.resource,
                let view = try? ResourceView(node), view.type != .bundle, view.type != .parameters
            else { return nil }
            let address = entry.fullURL
            parts.append(Part(address: address, addressRange: entry.node["fullUrl"]?.range, resource: view))
            guard let address else { continue }
            // An address that itself names a resource must name this one: a server could take the type from either.
            if let named = LiteralReference(address).key {
                guard named.type == view.type, view.id == nil || view.id == named.id else { return nil }
            }
            // Two entries under one address could be read either way.
            guard address.utf8.allSatisfy({ $0 < 0x80 }),
                places.updateValue(parts.count - 1, forKey: address) == nil
            else { return nil }
        }
    }

    /// The resources that say who they are, by their addresses.
    var keys: [String: InstanceKey] { places.compactMapValues { parts[$0].resource.key } }

    /// The entry that a reference names: by its address as it stands there, or below the base of the address that it is
    /// itself under (FHIR R4 bundle.html, resolving references in bundles).
    func entry(_ value: ReferenceValue, of part: Part) -> ResourceView? {
        address(of: value, in: part).flatMap { places[$0] }.map { parts[$0].resource }
    }

    /// The address that a reference would name an entry by.
    private func address(of value: ReferenceValue, in part: Part) -> String? {
        switch value.literal {
        case .urn(let text): return text
        case .absolute(let base, let key, nil): return "\(base)/\(key)"
        case .relative(let key, nil):
            guard let address = part.address, case .absolute(let base, _, nil) = LiteralReference(address) else {
                return nil
            }
            return "\(base)/\(key)"
        case .relative, .absolute, .fragment, .conditional, .other, nil: return nil
        }
    }

    /// The edits that give parts new names instead of their addresses, and the same names to what refers to them.
    func renaming(_ renamed: [Part], _ names: inout EntryNames) -> [ByteEdit] {
        var edits: [ByteEdit] = []
        var given: [String: String] = [:]
        func put(_ name: String, at range: Range<Int>) {
            edits.append(ByteEdit(range: range, replacement: JSONValue.string(name).serialized))
        }
        for part in renamed {
            guard let address = part.address, let range = part.addressRange else { continue }
            let name = names.name(for: address)
            given[address] = name
            put(name, at: range)
        }
        for part in parts {
            for value in part.resource.allReferences(includingContained: true) {
                guard let range = value.literalRange, let name = address(of: value, in: part).flatMap({ given[$0] })
                else { continue }
                put(name, at: range)
            }
        }
        return edits
    }
}
