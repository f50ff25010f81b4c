internal import FHIRCore

/// A resource on its way to a client: addresses of the upstream made ours, everything else byte for byte.
struct OutgoingResource {
    private let resource: ResourceView
    private let rule: ReleaseRule
    private let mayNameUpstream: Bool

    init(_ resource: ResourceView, _ rule: ReleaseRule, mayNameUpstream: Bool = true) {
        self.resource = resource
        self.rule = rule
        self.mayNameUpstream = mayNameUpstream
    }

    /// The bytes after these edits.
    func bytes(_ edits: [ByteEdit]) -> [UInt8] {
        let all = edits + (mayNameUpstream ? addressEdits() : [])
        let node = resource.node
        guard !all.isEmpty else { return Array(node.bytes) }
        return applying(all, to: node.document.bytes, in: node.range)
    }

    /// Replaces what begins with the upstream's base in the members that carry addresses of resources.
    private func addressEdits() -> [ByteEdit] {
        let policy = rule.policy
        guard policy.upstreamBase != policy.publicBase else { return [] }
        var edits: [ByteEdit] = []
        var pending = [resource.node]
        while let node = pending.popLast() {
            switch node.kind {
            case .array: pending.append(contentsOf: node.elements)
            case .object:
                for member in node.members {
                    guard member.value.kind == .string else {
                        pending.append(member.value)
                        continue
                    }
                    guard OutgoingResource.carriesAddress(member), let text = member.value.string,
                        case .absolute(let base, let key, let version) = LiteralReference(text),
                        base == policy.upstreamBase
                    else { continue }
                    let suffix = version.map { "/_history/\($0.text)" } ?? ""
                    let address = JSONValue.string("\(policy.publicBase)/\(key)\(suffix)")
                    edits.append(ByteEdit(range: member.value.range, replacement: address.serialized))
                }
            case .string, .number, .bool, .null: break
            }
        }
        return edits
    }

    /// `Reference.reference`, `Attachment.url`, `fullUrl` of a stored Bundle, and elements of type url or uri.
    private static func carriesAddress(_ member: JSONMember) -> Bool {
        ["reference", "url", "fullUrl", "uri", "valueUrl", "valueUri", "valueCanonical"].contains { member.isNamed($0) }
    }
}
