/// The members `_name` that carry the id and extensions of the primitive `name` (FHIR R4 json.html).
///
/// A `_subject` beside the object `subject` is no such thing; one reader passes it by, another might believe it.
enum PrimitiveCompanion {
    /// Whether any member of a document begins with an underscore without being a companion of a primitive.
    static func hasMisplaced(in document: JSONDocument) -> Bool {
        var pending = [document.root]
        while let node = pending.popLast() {
            switch node.kind {
            case .array: pending.append(contentsOf: node.elements)
            case .object:
                let members = node.members
                for member in members {
                    let name = member.name
                    if name.utf8.first == UInt8(ascii: "_"),
                        !isCompanion(member.value, of: node[String(name.dropFirst())])
                    {
                        return true
                    }
                    pending.append(member.value)
                }
            case .string, .number, .bool, .null: break
            }
        }
        return false
    }

    private static func isCompanion(_ node: JSONNode, of sibling: JSONNode?) -> Bool {
        if let sibling {
            guard sibling.kind != .object, !sibling.elements.contains(where: { $0.kind == .object }) else {
                return false
            }
            // A list's companion is a list, a single value's a single object.
            guard (sibling.kind == .array) == (node.kind == .array) else { return false }
        }
        switch node.kind {
        case .object: return isElement(node)
        case .array: return node.elements.allSatisfy { $0.kind == .null || ($0.kind == .object && isElement($0)) }
        case .string, .number, .bool, .null: return false
        }
    }

    private static func isElement(_ node: JSONNode) -> Bool {
        node.members.allSatisfy { $0.isNamed("id") || $0.isNamed("extension") }
    }
}
