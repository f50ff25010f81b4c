/// The member names of a submitted body, read so that no other reader can take one for another.
///
/// An element's name in FHIR is a lower-case letter and then letters and digits (R4 json.html); `_name` carries the id
/// and extensions of the primitive `name`. A server that compares names without regard to case would read `Subject`
/// where we have read `subject`, and one that believes a `_subject` beside an object would read that; neither may come.
enum MemberNames {
    /// No element of R4 has a tenth of this many members; more are there to keep a reader busy.
    static let maxMembers = 1_000

    /// What is wrong with the names in a document, or nil.
    static func fault(in document: JSONDocument) -> String? {
        var pending = [document.root]
        while let node = pending.popLast() {
            switch node.kind {
            case .array: pending.append(contentsOf: node.elements)
            case .object:
                if let fault = fault(ofMembers: node) { return fault }
                for member in node.members where member.value.kind == .object || member.value.kind == .array {
                    pending.append(member.value)
                }
            case .string, .number, .bool, .null: break
            }
        }
        return nil
    }

    private static func fault(ofMembers node: JSONNode) -> String? {
        guard node.count <= maxMembers else { return "the body has an object with too many members" }
        let members = node.members
        var values: [String: JSONNode] = [:]
        var folded: Set<String> = []
        for member in members {
            let name = member.name
            guard isElementName(name) else { return "the body has a member whose name no element has" }
            guard folded.insert(name.lowercased()).inserted else {
                return "the body has two members whose names differ in case alone"
            }
            values[name] = member.value
        }
        for (name, value) in values where name.utf8.first == UInt8(ascii: "_") {
            guard isCompanion(value, of: values[String(name.dropFirst())]) else {
                return "the body has an underscore member that is not the companion of a primitive"
            }
        }
        return nil
    }

    /// `_?[a-z][A-Za-z0-9]*`
    private static func isElementName(_ name: String) -> Bool {
        let rest = name.utf8.first == UInt8(ascii: "_") ? name.utf8.dropFirst() : name.utf8[...]
        guard let first = rest.first, (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= first else { return false }
        return rest.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
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

/// What `contained` may hold in a submitted body (FHIR R4 domainresource.html, dom-2).
enum ContainedList {
    /// More than anybody needs in one resource, and few enough to be looked at one by one.
    static let maxResources = 100

    static func fault(in resource: ResourceView) -> String? {
        guard let list = resource.node["contained"] else { return nil }
        guard list.kind == .array else { return "`contained` of the body is no list" }
        guard list.count <= maxResources else { return "the body contains too many resources" }
        guard !list.elements.contains(where: { $0["contained"] != nil }) else {
            return "a contained resource contains others"
        }
        return nil
    }
}
