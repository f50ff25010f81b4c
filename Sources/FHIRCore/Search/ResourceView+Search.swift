extension ResourceView {
    /// The elements that a search parameter speaks of; nil when its expression is one that we cannot evaluate.
    public func elements(_ parameter: SearchParameter) -> [JSONNode]? {
        guard let expression = parameter.expression, !expression.isPresence else { return nil }
        return expression.elements(of: self)
    }

    /// The references that a reference parameter speaks of.
    ///
    /// Nil means that it could not be told, and then nothing may be permitted on its account. An element that is
    /// not a well-formed `Reference` is in the answer with a `literal` that names nothing.
    public func references(_ parameter: SearchParameter) -> [ReferenceValue]? {
        guard parameter.kind == .reference else { return nil }
        return elements(parameter)?.map { ResourceView.reference($0) }
    }

    /// The systems and codes that a token parameter speaks of.
    ///
    /// Nil means that it could not be told (the expression, or an element that is of none of the token types).
    public func tokens(_ parameter: SearchParameter) -> [TokenValue]? {
        guard parameter.kind == .token, let expression = parameter.expression else { return nil }
        let nodes = expression.elements(of: self)
        if expression.isPresence {
            // FHIR R4 Patient-deceased: a date counts as true.
            let isTrue = !nodes.isEmpty && !nodes.contains { $0.bool == false }
            return [TokenValue(system: nil, code: isTrue ? "true" : "false")]
        }
        var result: [TokenValue] = []
        for node in nodes {
            guard let values = TokenElement.values(of: node) else { return nil }
            result.append(contentsOf: values)
        }
        return result
    }

    /// The texts that a uri parameter speaks of, such as `_profile`; nil when it could not be told.
    public func uris(_ parameter: SearchParameter) -> [String]? {
        guard parameter.kind == .uri, let nodes = elements(parameter) else { return nil }
        let texts = nodes.compactMap(\.string)
        return texts.count == nodes.count ? texts : nil
    }

    /// Every `Reference` element in the resource, at any depth, outside `contained`.
    ///
    /// An element is one when it has a member `reference` that is no object or array, or when it has an
    /// `identifier` object and nothing beside it that a `Reference` could not have. Rather one too many than one
    /// too few: what is found here can only take away.
    public func allReferences() -> [ReferenceValue] {
        var result: [ReferenceValue] = []
        // An explicit stack: depth costs no call frames. Reversed, so that the order is the document's.
        var pending = [node]
        while let next = pending.popLast() {
            let first = pending.count
            switch next.kind {
            case .array: pending.append(contentsOf: next.elements)
            case .object:
                if ReferenceElement.isReference(next) { result.append(ResourceView.reference(next)) }
                // Only a resource has contained ones; under that name anything else is looked into.
                let isResource = next["resourceType"] != nil
                next.forEachMember { name, value in
                    guard value.kind == .object || value.kind == .array else { return }
                    if !isResource || !name.equals("contained") { pending.append(value) }
                }
            case .string, .number, .bool, .null: break
            }
            pending[first...].reverse()
        }
        return result
    }

    static func reference(_ node: JSONNode) -> ReferenceValue {
        if let text = node.string {
            // A canonical or a uri stands where other types have a Reference; it names no resource of the server.
            return ReferenceValue(literal: .other(text), range: node.range, literalRange: node.range)
        }
        let text = node["reference"]
        return ReferenceValue(
            literal: text?.string.map { LiteralReference($0) }, hasIdentifier: node["identifier"] != nil,
            declaredType: node["type"]?.string, range: node.range,
            literalRange: text?.kind == .string ? text?.range : nil)
    }
}

/// What a `Reference` looks like without its schema.
private enum ReferenceElement {
    private static let own: Set<String> = [
        "id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display",
    ]

    static func isReference(_ node: JSONNode) -> Bool {
        if let reference = node["reference"] {
            return reference.kind != .object && reference.kind != .array
        }
        if node["_reference"] != nil { return true }
        guard node["identifier"]?.kind == .object else { return false }
        return node.members.allSatisfy { own.contains($0.name) }
    }
}

/// The element types that a token parameter can meet.
private enum TokenElement {
    /// The tokens of an element; nil when it is of no token type, or of two at once.
    static func values(of node: JSONNode) -> [TokenValue]? {
        switch node.kind {
        case .string: return [TokenValue(system: nil, code: node.string)]
        case .bool: return [TokenValue(system: nil, code: node.bool == true ? "true" : "false")]
        case .object: return ofObject(node)
        case .number, .array, .null: return nil
        }
    }

    private static func ofObject(_ node: JSONNode) -> [TokenValue]? {
        let coding = node["coding"]
        let code = node["code"]
        let value = node["value"]
        guard [coding, code, value].compactMap({ $0 }).count <= 1 else { return nil }
        if let coding {
            guard coding.kind == .array else { return nil }
            var result: [TokenValue] = []
            for element in coding.elements where element.kind != .null {
                guard element["coding"] == nil, element["value"] == nil,
                    let token = token(system: element["system"], code: element["code"])
                else { return nil }
                result.append(token)
            }
            return result
        }
        if code == nil, value == nil, node["system"] == nil { return [] }
        return token(system: node["system"], code: code ?? value).map { [$0] }
    }

    private static func token(system: JSONNode?, code: JSONNode?) -> TokenValue? {
        guard system == nil || system?.kind == .string, code == nil || code?.kind == .string else { return nil }
        return TokenValue(system: system?.string, code: code?.string)
    }
}
