import FHIRCore

@testable import FHIRXML

/// Random resources made from the element table: every element of every type can come up, valid in form and senseless
/// in content. Members stand in the order in which the converter writes them.
struct RandomResource {
    private let table = ElementTable.r4
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func resource(depth: Int = 0) -> JSONValue {
        let type = random.pick(table.resources.keys.sorted())
        return resource(of: type, depth: depth)
    }

    mutating func resource(of type: String, depth: Int = 0) -> JSONValue {
        guard let place = table.resources[type] else { return .null }
        let members = elements(of: table.definitions[place], depth: depth, atLeastOne: false)
        return .object([JSONMemberValue("resourceType", .string(type))] + members)
    }

    private mutating func elements(
        of definition: ElementTable.Definition, depth: Int, atLeastOne: Bool
    ) -> [JSONMemberValue] {
        let places = Array(Set(definition.variants.map(\.place))).sorted()
        // The deeper, the fewer; at the bottom only what holds no further elements.
        var chosen = places.filter { _ in random.chance(depth == 0 ? 4 : 4 + depth * 3) }
        if chosen.isEmpty && atLeastOne { chosen = [random.pick(places)] }
        var members: [JSONMemberValue] = []
        for place in chosen {
            var variants = definition.variants.filter { $0.place == place }
            if depth > 5 { variants = variants.filter { $0.kind.isFlat } }
            guard !variants.isEmpty else { continue }
            members += element(random.pick(variants), depth: depth)
        }
        guard members.isEmpty && atLeastOne else { return members }
        guard let flat = definition.variants.first(where: { $0.kind.isFlat }) else {
            // Only content that goes deeper; extensions always end it.
            return [JSONMemberValue("extension", [["url": "u"]])]
        }
        return element(flat, depth: depth)
    }

    private mutating func element(_ variant: ElementTable.Variant, depth: Int) -> [JSONMemberValue] {
        let count = variant.isArray ? 1 + random.below(3) : 1
        guard case .primitive(let primitive) = variant.kind else {
            let values = (0..<count).map { _ in content(variant.kind, depth: depth + 1) }
            return [JSONMemberValue(variant.name, variant.isArray ? .array(values) : values[0])]
        }
        var values: [JSONValue] = []
        var companions: [JSONValue] = []
        for _ in 0..<count {
            let hasValue = !random.chance(5)
            values.append(hasValue ? value(primitive) : .null)
            companions.append(!hasValue || random.chance(4) ? companion(depth: depth + 1, isAlone: !hasValue) : .null)
        }
        return [(variant.name, values), ("_" + variant.name, companions)].compactMap { name, list in
            guard list.contains(where: { $0 != .null }) else { return nil }
            return JSONMemberValue(name, variant.isArray ? .array(list) : list[0])
        }
    }

    private mutating func content(_ kind: ElementTable.Kind, depth: Int) -> JSONValue {
        switch kind {
        case .complex(let place):
            let definition = table.definitions[place]
            var members: [JSONMemberValue] = []
            if random.chance(5) { members.append(JSONMemberValue("id", text())) }
            if definition.hasURL { members.append(JSONMemberValue("url", text())) }
            return .object(members + elements(of: definition, depth: depth, atLeastOne: true))
        case .resource: return resource(depth: depth + 1)
        case .xhtml: return .string("<div xmlns=\"http://www.w3.org/1999/xhtml\">\(random.pick(Self.xhtml))</div>")
        case .plainString: return text()
        case .primitive(let primitive): return value(primitive)
        }
    }

    private mutating func companion(depth: Int, isAlone: Bool) -> JSONValue {
        var members: [JSONMemberValue] = []
        if !isAlone || random.chance(2) { members.append(JSONMemberValue("id", text())) }
        if isAlone || random.chance(2) {
            let count = 1 + random.below(2)
            members.append(
                JSONMemberValue(
                    "extension",
                    .array(
                        (0..<count).map { _ in
                            ["url": text(), "valueDecimal": value(.decimal)]
                        })))
        }
        return .object(members)
    }

    private mutating func value(_ primitive: ElementTable.Primitive) -> JSONValue {
        switch primitive {
        case .string: text()
        case .boolean: .bool(random.chance(2))
        case .integer: .int(Int64(random.below(2_000_001) - 1_000_000))
        case .decimal:
            .number(
                JSONNumber(
                    random.pick(["0.0", "-0.50", "1.00", "1e5", "-1.5E-10", "12345678901234567890.1", "0.1000"]))!)
        }
    }

    private mutating func text() -> JSONValue {
        .string((0..<(1 + random.below(4))).map { _ in random.pick(Self.pieces) }.joined())
    }

    private static let pieces = [
        "a", "Patient/x", "é", "😀", " ", "\n", "\r\n", "\t", "&", "<", ">", "\"", "'", "\\", "]]>", "&amp;", "{",
        "\u{A0}",
        "<b/>", "http://x/?a=b&c=d", "2020-01-01", "\u{FFFD}", "\u{10FFFF}",
    ]
    private static let xhtml = [
        "a", "<b>a</b> <i/>", "&lt;&#160;é", "<!-- a -->\n", "<p title=\"a &gt; b\">a<br/></p>", "",
    ]
}

extension ElementTable.Kind {
    fileprivate var isFlat: Bool {
        switch self {
        case .primitive, .plainString, .xhtml: true
        case .complex, .resource: false
        }
    }
}
