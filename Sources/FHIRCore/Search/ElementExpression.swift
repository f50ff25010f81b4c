/// The part of FHIRPath that the R4 search parameters of kind reference and token use, ready to evaluate.
///
/// Paths, unions, `as` casts of choice elements, an index, the filters `where(resolve() is Type)` and
/// `where(element='text')`, and the one boolean form of `Patient.deceased`. An expression with anything else in it is
/// not read at all: there is no half evaluation.
public struct ElementExpression: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        /// A member by its JSON name; an array stands for its elements.
        case member(String)
        /// A choice element: any of these JSON names.
        case anyMember([String])
        /// The element of a list at a place.
        case index(Int)
        /// Keeps references that point, or may point, at a type.
        case referenceTo(ResourceType)
        /// Keeps objects whose member has this text.
        case whereEqual(String, String)
    }

    struct Alternative: Hashable, Sendable {
        /// The type that the path begins at; nil for any.
        let root: ResourceType?
        let steps: [Step]
        /// The place of the last step that is an index; -1 where none is.
        fileprivate let lastIndex: Int

        init(root: ResourceType?, steps: [Step]) {
            self.root = root
            self.steps = steps
            lastIndex = steps.lastIndex { if case .index = $0 { true } else { false } } ?? -1
        }
    }

    let alternatives: [Alternative]
    /// Whether the value is `exists() and != false` of the elements instead of the elements.
    let isPresence: Bool

    /// Reads an expression, or nil when it has a form that we do not evaluate.
    public init?(_ text: String) {
        guard let parsed = ElementExpressionParser.parse(text) else { return nil }
        alternatives = parsed.alternatives
        isPresence = parsed.isPresence
    }

    init(alternatives: [Alternative], isPresence: Bool = false) {
        self.alternatives = alternatives
        self.isPresence = isPresence
    }

    /// The elements that the expression names in a resource, in order. Contained resources are not looked into.
    func elements(of resource: ResourceView) -> [JSONNode] {
        var result: [JSONNode] = []
        forEachElement(of: resource) { result.append($0) }
        return result
    }

    /// Goes through the elements that the expression names in a resource, in order.
    func forEachElement(of resource: ResourceView, _ body: (JSONNode) -> Void) {
        var contained = ContainedTypes(resource: resource)
        for alternative in alternatives where alternative.root == nil || alternative.root == resource.type {
            alternative.visit(resource.node, from: 0, &contained, body)
        }
    }
}

extension ElementExpression.Alternative {
    /// Follows the steps from one on, deep before wide: the order is that of the elements in the document. An index
    /// counts among all elements that the steps before it have led to, so those are gathered first.
    fileprivate func visit(
        _ node: JSONNode, from place: Int, _ contained: inout ContainedTypes, _ body: (JSONNode) -> Void
    ) {
        guard place < steps.count else { return body(node) }
        if place <= lastIndex {
            guard case .index(let wanted) = steps[lastIndex] else { return }
            var gathered: [JSONNode] = []
            let before = ElementExpression.Alternative(root: root, steps: Array(steps[..<lastIndex]))
            before.visit(node, from: place, &contained) { gathered.append($0) }
            if wanted < gathered.count { visit(gathered[wanted], from: lastIndex + 1, &contained, body) }
            return
        }
        switch steps[place] {
        case .member(let name): visit(values: node[name], from: place + 1, &contained, body)
        case .anyMember(let names):
            for name in names { visit(values: node[name], from: place + 1, &contained, body) }
        case .index: break
        case .referenceTo(let type):
            if ElementExpression.mayPoint(node, at: type, &contained) {
                visit(node, from: place + 1, &contained, body)
            }
        case .whereEqual(let name, let text):
            if node[name]?.equals(text) == true { visit(node, from: place + 1, &contained, body) }
        }
    }

    /// FHIRPath has no nested lists and no null: an array stands for its elements, null for nothing.
    private func visit(
        values node: JSONNode?, from place: Int, _ contained: inout ContainedTypes, _ body: (JSONNode) -> Void
    ) {
        guard let node else { return }
        switch node.kind {
        case .array: node.forEachElement { if $0.kind != .null { visit($0, from: place, &contained, body) } }
        case .null: break
        case .object, .string, .number, .bool: visit(node, from: place, &contained, body)
        }
    }
}

extension ElementExpression {
    /// `resolve() is Type` without resolving: false only when everything that is said of the target's type is
    /// something else. A reference of unknown type stays, and whoever compares it finds that it names nobody.
    fileprivate static func mayPoint(
        _ node: JSONNode, at type: ResourceType, _ contained: inout ContainedTypes
    ) -> Bool {
        let declared = node["type"]?.string
        guard let literal = node["reference"]?.withText({ LiteralReference(utf8: $0) }) else {
            return declared == nil || declared == type.rawValue
        }
        switch literal {
        case .relative(let key, _), .absolute(_, let key, _):
            return key.type == type || declared == type.rawValue
        case .fragment(let id):
            guard let name = contained.type(of: id) else { return true }
            return name == type.rawValue || declared == type.rawValue
        case .urn, .conditional, .other:
            return declared == nil || declared == type.rawValue
        }
    }
}

/// What the contained resources of a resource say that they are, by id; read when it is first asked for.
private struct ContainedTypes {
    let resource: ResourceView
    private var types: [String: String]?

    init(resource: ResourceView) { self.resource = resource }

    mutating func type(of id: String) -> String? {
        if let types { return types[id] }
        var read: [String: String] = [:]
        for element in resource.node["contained"]?.elements ?? [] {
            // Of two with one id the first is meant, here as wherever `contained` is read.
            guard let id = element["id"]?.string, read[id] == nil else { continue }
            read[id] = element["resourceType"]?.string
        }
        types = read
        return read[id]
    }
}
