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
        var root: ResourceType?
        var steps: [Step]
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

    /// The elements that the expression names in a resource, in order. Contained resources are not looked into.
    func elements(of resource: ResourceView) -> [JSONNode] {
        var result: [JSONNode] = []
        for alternative in alternatives where alternative.root == nil || alternative.root == resource.type {
            var nodes = [resource.node]
            for step in alternative.steps {
                nodes = ElementExpression.apply(step, to: nodes, in: resource)
                if nodes.isEmpty { break }
            }
            result.append(contentsOf: nodes)
        }
        return result
    }

    private static func apply(_ step: Step, to nodes: [JSONNode], in resource: ResourceView) -> [JSONNode] {
        switch step {
        case .member(let name): nodes.flatMap { values(of: $0[name]) }
        case .anyMember(let names): nodes.flatMap { node in names.flatMap { values(of: node[$0]) } }
        case .index(let place): place < nodes.count ? [nodes[place]] : []
        case .referenceTo(let type): references(nodes, to: type, in: resource)
        case .whereEqual(let name, let text): nodes.filter { $0[name]?.equals(text) == true }
        }
    }

    /// FHIRPath has no nested lists and no null: an array stands for its elements, null for nothing.
    private static func values(of node: JSONNode?) -> [JSONNode] {
        guard let node else { return [] }
        switch node.kind {
        case .array: return node.elements.filter { $0.kind != .null }
        case .null: return []
        case .object, .string, .number, .bool: return [node]
        }
    }

    private static func references(
        _ nodes: [JSONNode], to type: ResourceType, in resource: ResourceView
    ) -> [JSONNode] {
        var contained: [String: String] = [:]
        for element in resource.node["contained"]?.elements ?? [] {
            // Of two with one id the first is meant, here as wherever `contained` is read.
            guard let id = element["id"]?.string, contained[id] == nil else { continue }
            contained[id] = element["resourceType"]?.string
        }
        return nodes.filter { mayPoint($0, at: type, contained: contained) }
    }

    /// `resolve() is Type` without resolving: false only when everything that is said of the target's type is
    /// something else. A reference of unknown type stays, and whoever compares it finds that it names nobody.
    private static func mayPoint(
        _ node: JSONNode, at type: ResourceType, contained: [String: String]
    ) -> Bool {
        let declared = node["type"]?.string
        guard let text = node["reference"]?.string else { return declared == nil || declared == type.rawValue }
        switch LiteralReference(text) {
        case .relative(let key, _), .absolute(_, let key, _):
            return key.type == type || declared == type.rawValue
        case .fragment(let id):
            guard let name = contained[id] else { return true }
            return name == type.rawValue || declared == type.rawValue
        case .urn, .conditional, .other:
            return declared == nil || declared == type.rawValue
        }
    }
}
