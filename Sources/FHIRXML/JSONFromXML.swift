/// Writes the JSON of a resource that was read from XML (FHIR R4 json.html).
struct JSONFromXML {
    private let tape: XMLTape
    private let table = ElementTable.r4
    private let limits: XMLLimits
    private var output: [UInt8] = []

    /// The JSON of the resource that is the root of a tape.
    static func resource(_ tape: XMLTape, limits: XMLLimits) throws(XMLConversionError) -> [UInt8] {
        var writer = JSONFromXML(tape: tape, limits: limits)
        writer.output.reserveCapacity(tape.bytes.count)
        try writer.resource(0)
        guard writer.output.count <= limits.maxOutputBytes else {
            throw XMLConversionError(.tooLarge, offset: tape.bytes.count)
        }
        return writer.output
    }

    private init(tape: XMLTape, limits: XMLLimits) {
        self.tape = tape
        self.limits = limits
    }

    /// Elements of one name that follow each other, and what the table says of them.
    private struct Group {
        let variant: ElementTable.Variant
        let members: [Int]
    }

    // MARK: - resources and complex elements

    private mutating func resource(_ index: Int) throws(XMLConversionError) {
        let entry = tape.entries[index]
        guard !entry.isNarrative else { throw failure(.wrongNamespace, index) }
        guard let place = table.resources[tape.name(index)] else {
            throw XMLConversionError(.unknownType, offset: entry.start)
        }
        // FHIR R4 xml.html: the id of a resource is an element.
        guard entry.id == nil, entry.url == nil, entry.value == nil else { throw failure(.unknownAttribute, index) }
        XMLText.append("{\"resourceType\":\"", to: &output)
        output.append(contentsOf: table.definitions[place].name.utf8)
        output.append(UInt8(ascii: "\""))
        for group in try groups(of: index, table.definitions[place]) {
            output.append(UInt8(ascii: ","))
            try write(group)
        }
        output.append(UInt8(ascii: "}"))
    }

    private mutating func object(_ index: Int, _ definition: ElementTable.Definition) throws(XMLConversionError) {
        let entry = tape.entries[index]
        guard !entry.isNarrative else { throw failure(.wrongNamespace, index) }
        guard entry.value == nil, definition.hasURL || entry.url == nil else {
            throw failure(.unknownAttribute, index)
        }
        let groups = try groups(of: index, definition)
        // FHIR R4 element.html, ele-1: an element has a value or children, and its id is neither. For an Extension the
        // url alone says nothing either, but it is content.
        guard !groups.isEmpty || entry.url != nil else { throw failure(.empty, index) }
        output.append(UInt8(ascii: "{"))
        var isFirst = true
        try attribute("\"id\":", entry.id, of: index, &isFirst)
        try attribute("\"url\":", entry.url, of: index, &isFirst)
        for group in groups {
            separate(&isFirst)
            try write(group)
        }
        output.append(UInt8(ascii: "}"))
    }

    private mutating func attribute(
        _ name: StaticString, _ value: XMLTape.Value?, of index: Int, _ isFirst: inout Bool
    ) throws(XMLConversionError) {
        guard let value else { return }
        guard !value.isEmpty else { throw failure(.empty, index) }
        separate(&isFirst)
        XMLText.append(name, to: &output)
        XMLText.appendString(tape.text(value), to: &output)
    }

    /// The children of an element, by name; their order and number are those of the definition.
    private func groups(
        of index: Int, _ definition: ElementTable.Definition
    ) throws(XMLConversionError) -> [Group] {
        var groups: [Group] = []
        var lastPlace = -1
        var child = index + 1
        let end = tape.entries[index].next
        while child < end {
            guard let found = definition.lookup[tape.name(child)] else {
                throw XMLConversionError(
                    .unknownElement, offset: tape.entries[child].start, path: tape.path(to: index))
            }
            let variant = definition.variants[found]
            guard variant.place >= lastPlace else { throw failure(.wrongOrder, child) }
            guard variant.place > lastPlace else { throw failure(.duplicate, child) }
            lastPlace = variant.place
            let first = child
            var members: [Int] = []
            while child < end, tape.entries[child].name == tape.entries[first].name {
                members.append(child)
                child = tape.entries[child].next
            }
            guard variant.isArray || members.count == 1 else { throw failure(.duplicate, members[1]) }
            groups.append(Group(variant: variant, members: members))
        }
        return groups
    }

    private mutating func write(_ group: Group) throws(XMLConversionError) {
        switch group.variant.kind {
        case .primitive(let primitive): return try write(group, as: primitive)
        case .plainString, .complex, .resource, .xhtml: break
        }
        name(group.variant)
        if group.variant.isArray { output.append(UInt8(ascii: "[")) }
        for (place, member) in group.members.enumerated() {
            if place > 0 { output.append(UInt8(ascii: ",")) }
            try content(member, group.variant.kind)
        }
        if group.variant.isArray { output.append(UInt8(ascii: "]")) }
    }

    private mutating func content(_ index: Int, _ kind: ElementTable.Kind) throws(XMLConversionError) {
        switch kind {
        case .complex(let place): try object(index, table.definitions[place])
        case .resource: try wrappedResource(index)
        case .xhtml: try narrative(index)
        case .plainString:
            try requirePlain(index)
            try value(index, as: .string)
        // INVARIANT: `write` has taken these.
        case .primitive: throw failure(.wrongKind, index)
        }
    }

    /// `contained`, `resource` and `outcome` hold one resource each.
    private mutating func wrappedResource(_ index: Int) throws(XMLConversionError) {
        let entry = tape.entries[index]
        guard !entry.isNarrative else { throw failure(.wrongNamespace, index) }
        guard entry.id == nil, entry.url == nil, entry.value == nil else { throw failure(.unknownAttribute, index) }
        guard entry.next > index + 1 else { throw failure(.empty, index) }
        guard tape.entries[index + 1].next == entry.next else { throw failure(.duplicate, index) }
        try resource(index + 1)
    }

    private mutating func narrative(_ index: Int) throws(XMLConversionError) {
        let entry = tape.entries[index]
        guard entry.isNarrative else { throw failure(.wrongNamespace, index) }
        XMLText.appendString(tape.bytes[entry.start..<entry.end], to: &output)
    }

    // MARK: - primitive elements

    private mutating func write(
        _ group: Group, as primitive: ElementTable.Primitive
    ) throws(XMLConversionError) {
        for member in group.members {
            let entry = tape.entries[member]
            guard !entry.isNarrative else { throw failure(.wrongNamespace, member) }
            guard entry.url == nil else { throw failure(.unknownAttribute, member) }
            guard entry.value != nil || entry.next > member + 1 else { throw failure(.empty, member) }
        }
        let hasValues = group.members.contains { tape.entries[$0].value != nil }
        let hasCompanions = group.members.contains(where: hasCompanion)
        if hasValues {
            name(group.variant)
            try elements(group) { (writer: inout JSONFromXML, member: Int) throws(XMLConversionError) -> Bool in
                guard writer.tape.entries[member].value != nil else { return false }
                try writer.value(member, as: primitive)
                return true
            }
        }
        if hasValues && hasCompanions { output.append(UInt8(ascii: ",")) }
        if hasCompanions {
            name(group.variant, prefix: "_")
            try elements(group) { (writer: inout JSONFromXML, member: Int) throws(XMLConversionError) -> Bool in
                guard writer.hasCompanion(member) else { return false }
                try writer.companion(member)
                return true
            }
        }
    }

    /// FHIR R4 json.html: of a repeating element the values and what stands beside them are two arrays of one length,
    /// with `null` where there is nothing.
    private mutating func elements(
        _ group: Group, _ write: (inout JSONFromXML, Int) throws(XMLConversionError) -> Bool
    ) throws(XMLConversionError) {
        if group.variant.isArray { output.append(UInt8(ascii: "[")) }
        for (place, member) in group.members.enumerated() {
            if place > 0 { output.append(UInt8(ascii: ",")) }
            if try !write(&self, member) { XMLText.append("null", to: &output) }
        }
        if group.variant.isArray { output.append(UInt8(ascii: "]")) }
    }

    private func hasCompanion(_ index: Int) -> Bool {
        tape.entries[index].id != nil || tape.entries[index].next > index + 1
    }

    /// The id and the extensions of a primitive element.
    private mutating func companion(_ index: Int) throws(XMLConversionError) {
        output.append(UInt8(ascii: "{"))
        var isFirst = true
        try attribute("\"id\":", tape.entries[index].id, of: index, &isFirst)
        for group in try groups(of: index, table.definitions[table.companion]) {
            separate(&isFirst)
            try write(group)
        }
        output.append(UInt8(ascii: "}"))
    }

    private mutating func value(_ index: Int, as primitive: ElementTable.Primitive) throws(XMLConversionError) {
        guard let range = tape.entries[index].value, !range.isEmpty else { throw failure(.empty, index) }
        let text = tape.text(range)
        switch primitive {
        case .string: return XMLText.appendString(text, to: &output)
        case .boolean:
            guard text.elementsEqual("true".utf8) || text.elementsEqual("false".utf8) else {
                throw failure(.wrongValue, index)
            }
        case .integer: guard NumberText.isInteger(text) else { throw failure(.wrongValue, index) }
        case .decimal: guard NumberText.isDecimal(text) else { throw failure(.wrongValue, index) }
        }
        output.append(contentsOf: text)
    }

    private func requirePlain(_ index: Int) throws(XMLConversionError) {
        let entry = tape.entries[index]
        guard !entry.isNarrative else { throw failure(.wrongNamespace, index) }
        guard entry.id == nil, entry.url == nil else { throw failure(.unknownAttribute, index) }
        guard entry.next == index + 1 else { throw failure(.unknownElement, index) }
    }

    // MARK: - small things

    private mutating func name(_ variant: ElementTable.Variant, prefix: StaticString = "") {
        output.append(UInt8(ascii: "\""))
        XMLText.append(prefix, to: &output)
        output.append(contentsOf: variant.name.utf8)
        XMLText.append("\":", to: &output)
    }

    private mutating func separate(_ isFirst: inout Bool) {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    private func failure(_ code: XMLConversionError.Code, _ index: Int) -> XMLConversionError {
        XMLConversionError(code, offset: tape.entries[index].start, path: tape.path(to: index))
    }
}
