internal import FHIRCore

/// A resource on its way to a client: what was judged is cut, what was not asked for is left out, addresses of the
/// upstream become ours, and everything else stays byte for byte.
struct OutgoingResource {
    private let resource: ResourceView
    private let addresses: AddressMap?
    /// Texts that are put back to what the client had written.
    private let names: [String: String]

    /// - Parameter addresses: nil where the upstream is not named anywhere in the document.
    init(_ resource: ResourceView, _ addresses: AddressMap?, names: [String: String] = [:]) {
        self.resource = resource
        self.addresses = addresses
        self.names = names
    }

    /// The bytes after a redaction and a projection.
    func bytes(_ redaction: Redaction, _ projection: Projection = .whole) -> [UInt8] {
        var result: [UInt8] = []
        append(redaction, projection, to: &result)
        return result
    }

    /// Appends the bytes after a redaction and a projection.
    func append(_ redaction: Redaction, _ projection: Projection, to result: inout [UInt8]) {
        let node = resource.node
        // Most resources name nobody's address; only those that may are taken apart.
        let naming = addresses.flatMap { $0.mayName(in: node.document, node.range) ? $0 : nil }
        if naming == nil, names.isEmpty, redaction.isEmpty, projection.isWhole {
            return result.append(contentsOf: node.bytes)
        }
        var edits: [ByteEdit] = []
        if redaction.cutsNarrative || !projection.isWhole {
            // One place for all cuts of members, so that no two of them meet.
            edits = node.cut { member in
                (redaction.cutsNarrative && (member.isNamed("text") || member.isNamed("_text")))
                    || !projection.keeps(member)
            }
        }
        edits += redaction.edits
        if !edits.isEmpty { edits.append(resource.subsetMark) }
        if !names.isEmpty { edits += textEdits { names[$0] } }
        if let naming { edits += textEdits { naming.rewritten($0) } }
        if edits.isEmpty {
            result.append(contentsOf: node.bytes)
        } else {
            result.append(contentsOf: applying(edits, to: node.document.bytes, in: node.range))
        }
    }

    /// The edits that replace texts, wherever they stand.
    private func textEdits(_ replacement: (String) -> String?) -> [ByteEdit] {
        var edits: [ByteEdit] = []
        var pending = [resource.node]
        while let node = pending.popLast() {
            switch node.kind {
            case .array: pending.append(contentsOf: node.elements)
            case .object: pending.append(contentsOf: node.members.map(\.value))
            case .string:
                guard let text = node.string, let ours = replacement(text) else { continue }
                edits.append(ByteEdit(range: node.range, replacement: JSONValue.string(ours).serialized))
            case .number, .bool, .null: break
            }
        }
        return edits
    }
}
