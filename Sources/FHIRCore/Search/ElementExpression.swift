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
        var walk = ElementWalk(resource)
        for alternative in alternatives where alternative.root == nil || alternative.root == resource.type {
            alternative.visit(resource.node.index, from: 0, to: alternative.steps.count, &walk) { place, _ in
                body(JSONNode(document: resource.node.document, index: place))
            }
        }
    }

    /// Goes through the elements that the expression names, in order, with what the `reference` of each points at.
    ///
    /// The same elements; where the last step asks what they point at, it is read once for both.
    func forEachReference(of resource: ResourceView, _ body: (JSONNode, LiteralReference?) -> Void) {
        var walk = ElementWalk(resource)
        let document = resource.node.document
        for alternative in alternatives where alternative.root == nil || alternative.root == resource.type {
            let count = alternative.steps.count
            if case .referenceTo(let type)? = alternative.steps.last {
                alternative.visit(resource.node.index, from: 0, to: count - 1, &walk) { place, walk in
                    let literal = walk.literal(place)
                    guard walk.mayPoint(place, literal, at: type) else { return }
                    body(JSONNode(document: document, index: place), literal)
                }
            } else {
                alternative.visit(resource.node.index, from: 0, to: count, &walk) { place, walk in
                    body(JSONNode(document: document, index: place), walk.literal(place))
                }
            }
        }
    }
}

extension ElementExpression.Alternative {
    /// Follows the steps from one to before another, deep before wide: the order is that of the elements in the
    /// document. An index counts among all elements that the steps before it have led to, so those are gathered first.
    fileprivate func visit(
        _ node: Int, from place: Int, to end: Int, _ walk: inout ElementWalk, _ body: (Int, inout ElementWalk) -> Void
    ) {
        guard place < end else { return body(node, &walk) }
        if place <= lastIndex {
            guard case .index(let wanted) = steps[lastIndex] else { return }
            var gathered: [Int] = []
            let before = ElementExpression.Alternative(root: root, steps: Array(steps[..<lastIndex]))
            before.visit(node, from: place, to: lastIndex, &walk) { place, _ in gathered.append(place) }
            if wanted < gathered.count { visit(gathered[wanted], from: lastIndex + 1, to: end, &walk, body) }
            return
        }
        switch steps[place] {
        case .member(let name): visit(member: name, of: node, from: place + 1, to: end, &walk, body)
        case .anyMember(let names):
            for name in names { visit(member: name, of: node, from: place + 1, to: end, &walk, body) }
        case .index: break
        case .referenceTo(let type):
            if walk.mayPoint(node, walk.literal(node), at: type) {
                visit(node, from: place + 1, to: end, &walk, body)
            }
        case .whereEqual(let name, let text):
            guard let value = walk.storage.member(name, of: node) else { return }
            var text = text
            if text.withUTF8({ walk.storage.isString(value, $0) }) {
                visit(node, from: place + 1, to: end, &walk, body)
            }
        }
    }

    /// FHIRPath has no nested lists and no null: an array stands for its elements, null for nothing.
    private func visit(
        member name: String, of node: Int, from place: Int, to end: Int, _ walk: inout ElementWalk,
        _ body: (Int, inout ElementWalk) -> Void
    ) {
        guard let value = walk.storage.member(name, of: node) else { return }
        let entry = walk.storage.tape[value]
        switch entry.kind {
        case .array:
            var element = value + 1
            for _ in 0..<entry.count {
                if walk.storage.tape[element].kind != .null { visit(element, from: place, to: end, &walk, body) }
                element = walk.storage.next(element)
            }
        case .null: break
        case .object, .string, .number, .bool: visit(value, from: place, to: end, &walk, body)
        }
    }
}

/// What following an expression through one resource needs: the tape, and what its contained resources are.
private struct ElementWalk {
    let document: JSONDocument
    /// Where the resource stands.
    private let root: Int
    /// What the contained resources say that they are, by id; read when it is first asked for.
    private var containedTypes: [String: String]?

    init(_ resource: ResourceView) {
        document = resource.node.document
        root = resource.node.index
    }

    var storage: JSONDocument.Storage { document.storage }

    /// What the `reference` of an element points at; nil when it has no such text.
    func literal(_ place: Int) -> LiteralReference? {
        storage.member(ours: "reference", of: place).flatMap { text in
            storage.withText(text) { LiteralReference(utf8: $0) }
        }
    }

    /// `resolve() is Type` without resolving: false only when everything that is said of the target's type is
    /// something else. A reference of unknown type stays, and whoever compares it finds that it names nobody.
    mutating func mayPoint(_ place: Int, _ literal: LiteralReference?, at type: ResourceType) -> Bool {
        switch literal {
        case .relative(let key, _), .absolute(_, let key, _):
            return key.type == type || declaredType(place) == type.rawValue
        case .fragment(let id):
            guard let name = containedType(of: id) else { return true }
            return name == type.rawValue || declaredType(place) == type.rawValue
        case .urn, .conditional, .other, nil:
            let declared = declaredType(place)
            return declared == nil || declared == type.rawValue
        }
    }

    /// The text of `type` in a reference.
    private func declaredType(_ place: Int) -> String? {
        storage.member(ours: "type", of: place).flatMap { text in
            storage.withText(text) { String(decoding: $0, as: UTF8.self) }
        }
    }

    private mutating func containedType(of id: String) -> String? {
        if let containedTypes { return containedTypes[id] }
        var read: [String: String] = [:]
        for element in JSONNode(document: document, index: root)["contained"]?.elements ?? [] {
            // Of two with one id the first is meant, here as wherever `contained` is read.
            guard let id = element["id"]?.string, read[id] == nil else { continue }
            read[id] = element["resourceType"]?.string
        }
        containedTypes = read
        return read[id]
    }
}
