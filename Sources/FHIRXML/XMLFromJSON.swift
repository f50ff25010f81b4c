internal import FHIRCore

/// Writes the XML of a resource in JSON (FHIR R4 xml.html).
struct XMLFromJSON {
    private let root: JSONNode
    private let table = ElementTable.r4
    private let limits: XMLLimits
    private var output: [UInt8] = []

    static func document(_ bytes: [UInt8], limits: XMLLimits) throws(XMLConversionError) -> [UInt8] {
        let document: JSONDocument
        do throws(JSONSyntaxError) {
            document = try JSONDocument(bytes, limits: JSONLimits(maxBytes: limits.maxBytes))
        } catch {
            let code: XMLConversionError.Code =
                switch error.code {
                case .tooLarge: .tooLarge
                case .tooDeep: .tooDeep
                default: .malformedJSON
                }
            throw XMLConversionError(code, offset: error.offset)
        }
        var writer = XMLFromJSON(root: document.root, limits: limits)
        writer.output.reserveCapacity(bytes.count * 2)
        XMLText.append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", to: &writer.output)
        try writer.resource(document.root)
        return writer.output
    }

    private init(root: JSONNode, limits: XMLLimits) {
        self.root = root
        self.limits = limits
    }

    /// A member of an object that is an element, or the half of one.
    private struct Slot {
        let variant: Int
        let isCompanion: Bool
        let node: JSONNode
    }

    // MARK: - resources and complex elements

    private mutating func resource(_ node: JSONNode) throws(XMLConversionError) {
        guard node.kind == .object else { throw failure(.wrongKind, node) }
        guard let type = node["resourceType"]?.string, let place = table.resources[type] else {
            throw failure(.unknownType, node)
        }
        let slots = try slots(of: node, table.definitions[place])
        output.append(UInt8(ascii: "<"))
        output.append(contentsOf: type.utf8)
        if node == root {
            XMLText.append(" xmlns=\"http://hl7.org/fhir\"", to: &output)
        }
        output.append(UInt8(ascii: ">"))
        try write(slots, of: table.definitions[place])
        try close(type)
    }

    private mutating func object(
        _ node: JSONNode, _ name: String, _ definition: ElementTable.Definition
    ) throws(XMLConversionError) {
        guard node.kind == .object else { throw failure(.wrongKind, node) }
        let slots = try slots(of: node, definition)
        let url = definition.hasURL ? node["url"] : nil
        guard !slots.isEmpty || url != nil else { throw failure(.empty, node) }
        open(name)
        if let id = node["id"] { try attribute("id", id, as: .string) }
        if let url { try attribute("url", url, as: .string) }
        guard !slots.isEmpty else { return XMLText.append("/>", to: &output) }
        output.append(UInt8(ascii: ">"))
        try write(slots, of: definition)
        try close(name)
    }

    /// The elements of an object in the order of its definition.
    private func slots(
        of node: JSONNode, _ definition: ElementTable.Definition
    ) throws(XMLConversionError) -> [Slot] {
        var slots: [Slot] = []
        slots.reserveCapacity(node.count)
        for member in node.members {
            let name = member.name
            if definition.isResource ? name == "resourceType" : name == "id" || definition.hasURL && name == "url" {
                continue
            }
            let isCompanion = name.utf8.first == UInt8(ascii: "_")
            guard let variant = definition.lookup[isCompanion ? String(name.dropFirst()) : name] else {
                throw failure(.unknownElement, node, offset: member.nameRange.lowerBound)
            }
            if isCompanion {
                // ATK-204: only a primitive element has something beside it.
                guard case .primitive = definition.variants[variant].kind else {
                    throw failure(.unknownElement, node, offset: member.nameRange.lowerBound)
                }
            }
            slots.append(Slot(variant: variant, isCompanion: isCompanion, node: member.value))
        }
        slots.sort { ($0.variant, $0.isCompanion ? 1 : 0) < ($1.variant, $1.isCompanion ? 1 : 0) }
        for (slot, next) in zip(slots, slots.dropFirst()) where slot.variant != next.variant {
            // Two types of one choice.
            guard definition.variants[slot.variant].place != definition.variants[next.variant].place else {
                throw failure(.duplicate, next.node)
            }
        }
        return slots
    }

    private mutating func write(
        _ slots: [Slot], of definition: ElementTable.Definition
    ) throws(XMLConversionError) {
        var place = 0
        while place < slots.count {
            let slot = slots[place]
            let variant = definition.variants[slot.variant]
            place += 1
            guard case .primitive(let primitive) = variant.kind else {
                try write(slot.node, variant)
                continue
            }
            var companion = slot.isCompanion ? slot.node : nil
            if place < slots.count, slots[place].variant == slot.variant {
                companion = slots[place].node
                place += 1
            }
            try write(slot.isCompanion ? nil : slot.node, companion, variant, as: primitive)
        }
    }

    private mutating func write(
        _ node: JSONNode, _ variant: ElementTable.Variant
    ) throws(XMLConversionError) {
        guard variant.isArray else { return try content(node, variant) }
        for element in try elements(of: node) { try content(element, variant) }
    }

    private mutating func content(
        _ node: JSONNode, _ variant: ElementTable.Variant
    ) throws(XMLConversionError) {
        switch variant.kind {
        case .complex(let place): try object(node, variant.name, table.definitions[place])
        case .resource:
            open(variant.name)
            output.append(UInt8(ascii: ">"))
            try resource(node)
            try close(variant.name)
        case .xhtml: try narrative(node)
        case .plainString:
            open(variant.name)
            try attribute("value", node, as: .string)
            XMLText.append("/>", to: &output)
        // INVARIANT: `write` has taken these.
        case .primitive: throw failure(.wrongKind, node)
        }
    }

    private mutating func narrative(_ node: JSONNode) throws(XMLConversionError) {
        guard let text = node.utf8 else { throw failure(.wrongKind, node) }
        guard !text.isEmpty else { throw failure(.empty, node) }
        do throws(XMLConversionError) {
            output.append(contentsOf: try XMLReader.narrative(text, limits: limits))
        } catch {
            throw failure(error.code == .illegalCharacter ? .illegalCharacter : .badNarrative, node)
        }
    }

    // MARK: - primitive elements

    private mutating func write(
        _ value: JSONNode?, _ companion: JSONNode?, _ variant: ElementTable.Variant,
        as primitive: ElementTable.Primitive
    ) throws(XMLConversionError) {
        guard variant.isArray else { return try element(value, companion, variant.name, as: primitive) }
        let values = try value.map { (node) throws(XMLConversionError) in try elements(of: node) }
        let companions = try companion.map { (node) throws(XMLConversionError) in try elements(of: node) }
        if let values, let companions, let companion {
            guard values.count == companions.count else { throw failure(.mismatchedCompanion, companion) }
        }
        for place in 0..<(values ?? companions ?? []).count {
            let value = values?[place]
            let companion = companions?[place]
            guard [value, companion].contains(where: { $0 != nil && $0?.kind != .null }) else {
                throw failure(.empty, value ?? companion ?? root)
            }
            try element(
                value?.kind == .null ? nil : value, companion?.kind == .null ? nil : companion, variant.name,
                as: primitive)
        }
    }

    private mutating func element(
        _ value: JSONNode?, _ companion: JSONNode?, _ name: String, as primitive: ElementTable.Primitive
    ) throws(XMLConversionError) {
        let definition = table.definitions[table.companion]
        var slots: [Slot] = []
        if let companion {
            guard companion.kind == .object else { throw failure(.wrongKind, companion) }
            slots = try self.slots(of: companion, definition)
            guard companion.count > 0 else { throw failure(.empty, companion) }
        }
        guard value != nil || !slots.isEmpty else { throw failure(.empty, companion ?? root) }
        open(name)
        if let id = companion?["id"] { try attribute("id", id, as: .string) }
        if let value { try attribute("value", value, as: primitive) }
        guard !slots.isEmpty else { return XMLText.append("/>", to: &output) }
        output.append(UInt8(ascii: ">"))
        try write(slots, of: definition)
        try close(name)
    }

    private mutating func attribute(
        _ name: StaticString, _ node: JSONNode, as primitive: ElementTable.Primitive
    ) throws(XMLConversionError) {
        output.append(UInt8(ascii: " "))
        XMLText.append(name, to: &output)
        XMLText.append("=\"", to: &output)
        switch primitive {
        case .string:
            guard let text = node.utf8 else { throw failure(.wrongKind, node) }
            guard !text.isEmpty else { throw failure(.empty, node) }
            guard XMLText.appendAttribute(text, to: &output) else { throw failure(.illegalCharacter, node) }
        case .boolean:
            guard node.kind == .bool else { throw failure(.wrongKind, node) }
            output.append(contentsOf: node.bytes)
        case .integer, .decimal:
            guard node.kind == .number else { throw failure(.wrongKind, node) }
            let text = node.bytes
            guard primitive == .decimal || NumberText.isInteger(text) else { throw failure(.wrongValue, node) }
            output.append(contentsOf: text)
        }
        output.append(UInt8(ascii: "\""))
    }

    // MARK: - small things

    private func elements(of node: JSONNode) throws(XMLConversionError) -> [JSONNode] {
        guard node.kind == .array else { throw failure(.wrongKind, node) }
        guard node.count > 0 else { throw failure(.empty, node) }
        return node.elements
    }

    private mutating func open(_ name: String) {
        output.append(UInt8(ascii: "<"))
        output.append(contentsOf: name.utf8)
    }

    private mutating func close(_ name: String) throws(XMLConversionError) {
        guard output.count <= limits.maxOutputBytes else { throw XMLConversionError(.tooLarge, offset: 0) }
        XMLText.append("</", to: &output)
        output.append(contentsOf: name.utf8)
        output.append(UInt8(ascii: ">"))
    }

    private func failure(
        _ code: XMLConversionError.Code, _ node: JSONNode, offset: Int? = nil
    ) -> XMLConversionError {
        XMLConversionError(code, offset: offset ?? node.range.lowerBound, path: path(to: node))
    }

    /// The names from the root to a value; only asked for when there is an error to report.
    private func path(to target: JSONNode) -> String {
        guard let type = root["resourceType"]?.string, table.resources[type] != nil else { return "" }
        var path = type
        var node = root
        while node.range != target.range {
            let inside = target.range.lowerBound
            if let member = node.members.first(where: { $0.value.range.contains(inside) }) {
                path += ".\(member.name)"
                node = member.value
            } else if let place = node.elements.firstIndex(where: { $0.range.contains(inside) }) {
                path += "[\(place)]"
                node = node.elements[place]
            } else {
                break
            }
        }
        return path
    }
}
