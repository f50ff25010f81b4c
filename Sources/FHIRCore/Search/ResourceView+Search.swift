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
        guard parameter.kind == .reference, let expression = parameter.expression, !expression.isPresence else {
            return nil
        }
        var result: [ReferenceValue] = []
        expression.forEachReference(of: self) { result.append(ResourceView.reference($0, $1)) }
        return result
    }

    /// What the references that a reference parameter speaks of name, in order; those that name nothing are left out.
    ///
    /// None where it could not be told: whoever asks must permit nothing on that account.
    package func referencedKeys(
        _ parameter: SearchParameter, read: (LiteralReference?) -> InstanceKey?
    ) -> [InstanceKey] {
        guard parameter.kind == .reference, let expression = parameter.expression, !expression.isPresence else {
            return []
        }
        var keys: [InstanceKey] = []
        // A canonical or a uri in the place of a Reference names no resource of the server, and has no literal here.
        expression.forEachReference(of: self) { _, literal in
            if let key = read(literal) { keys.append(key) }
        }
        return keys
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

    /// Every `Reference` element in the resource, at any depth; without those of its contained resources, which are
    /// resources of their own, where nothing else is said. Only the resource itself has contained ones: whatever deeper
    /// bears that name is looked into.
    ///
    /// An element is one when it has a member `reference` that is no object or array, or when it has an `identifier`
    /// object, or a `type` that is the name of a type of resource, and nothing beside it that a `Reference` could not
    /// have. Rather one too many than one too few: what is found here can only take away.
    public func allReferences(includingContained: Bool = false) -> [ReferenceValue] {
        var result: [ReferenceValue] = []
        // The tape has the values in the document's order, at whatever depth.
        let storage = node.document.storage
        let contained = includingContained ? nil : node["contained"]?.index
        var place = node.index
        let end = storage.next(place)
        while place < end {
            if place == contained {
                place = storage.next(place)
                continue
            }
            if storage.tape[place].kind == .object {
                let object = JSONNode(document: node.document, index: place)
                if ReferenceElement.isReference(object) { result.append(ResourceView.reference(object)) }
            }
            place += 1
        }
        return result
    }

    static func reference(_ node: JSONNode) -> ReferenceValue {
        reference(node, node["reference"]?.withText { LiteralReference(utf8: $0) })
    }

    /// The element as a reference whose `reference` has been read.
    private static func reference(_ node: JSONNode, _ literal: LiteralReference?) -> ReferenceValue {
        if let text = node.string {
            // A canonical or a uri stands where other types have a Reference; it names no resource of the server.
            return ReferenceValue(literal: .other(text), range: node.range, literalRange: node.range)
        }
        let text = node["reference"]
        return ReferenceValue(
            literal: literal, hasIdentifier: node["identifier"] != nil,
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
        let isTyped = node["type"]?.string.flatMap(ResourceType.init(rawValue:)) != nil
        guard node["identifier"]?.kind == .object || isTyped else { return false }
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
