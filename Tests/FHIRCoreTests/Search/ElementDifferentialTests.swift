import RequirementTraits
import Testing

@testable import FHIRCore

/// Expressions and references against readers that build a list at each step.
@Suite struct ElementDifferentialTests {
    private static let names = ["a", "b", "c", "contained", "reference", "identifier", "type", "resourceType", "id"]

    @Test(arguments: 0..<5)
    func `an expression names the elements that a reader of lists finds`(block: Int) throws {
        var random = SplitMix64(seed: 0xE1E + UInt64(block))
        var found = 0
        for _ in 0..<1000 {
            let resource = try Self.resource(&random)
            let steps = (0..<random.below(4)).map { _ in Self.step(&random) }
            let alternative = ElementExpression.Alternative(
                root: random.pick([nil, .patient, .basic]), steps: steps)
            var expected: [JSONNode] = []
            if alternative.root == nil || alternative.root == resource.type {
                expected = steps.reduce([resource.node]) { ListReader.apply($1, to: $0, in: resource) }
            }
            let elements = ElementExpression(alternatives: [alternative]).elements(of: resource)
            guard elements == expected else {
                Issue.record("\(steps) in \(String(decoding: resource.node.bytes, as: UTF8.self))")
                return
            }
            var referring: [JSONNode] = []
            ElementExpression(alternatives: [alternative]).forEachReference(of: resource) { node, literal in
                referring.append(node)
                #expect(literal == node["reference"]?.string.map { LiteralReference($0) })
            }
            #expect(referring == expected)
            if !elements.isEmpty { found += 1 }
        }
        #expect(found > 100)
    }

    @Test(arguments: 0..<5)
    func `references are found in the order and number that a walk finds`(block: Int) throws {
        var random = SplitMix64(seed: 0xA11 + UInt64(block))
        var found = 0
        for _ in 0..<1000 {
            let resource = try Self.resource(&random)
            let expected = ListReader.references(in: resource.node)
            let ranges = resource.allReferences().map(\.range)
            guard ranges == expected else {
                Issue.record("\(String(decoding: resource.node.bytes, as: UTF8.self))")
                return
            }
            found += ranges.count
        }
        #expect(found > 500)
    }

    private static func resource(_ random: inout SplitMix64) throws -> ResourceView {
        var members = [JSONMemberValue("resourceType", .string(random.pick(["Patient", "Basic"])))]
        for name in names.shuffled(using: &random).prefix(5) where name != "resourceType" && name != "id" {
            members.append(JSONMemberValue(name, value(&random, depth: 0)))
        }
        return try ResourceView(JSONDocument(JSONValue.object(members).serialized).root)
    }

    private static func value(_ random: inout SplitMix64, depth: Int) -> JSONValue {
        switch random.below(depth > 3 ? 3 : 6) {
        case 0: return random.pick([.null, .bool(false), .int(1)])
        case 1: return .string(random.pick(["Patient/p", "Group/g", "#x", "#y", "urn:u", "?", "Patient", "x"]))
        case 2: return ["reference": .string(random.pick(["Patient/p", "Group/g", "#x", "#y", "nowhere"]))]
        case 3: return .array((0..<random.below(4)).map { _ in value(&random, depth: depth + 1) })
        default:
            return .object(
                names.shuffled(using: &random).prefix(random.below(5)).map {
                    JSONMemberValue($0, value(&random, depth: depth + 1))
                })
        }
    }

    private static func step(_ random: inout SplitMix64) -> ElementExpression.Step {
        switch random.below(8) {
        case 0: .anyMember(["a", "b"])
        case 1: .index(random.below(2))
        case 2: .referenceTo(random.pick([.patient, .group]))
        case 3: .whereEqual(random.pick(["type", "id"]), random.pick(["x", "Patient"]))
        default: .member(random.pick(["a", "b", "c", "contained"]))
        }
    }
}

/// The same questions answered by building a list at each step.
private enum ListReader {
    static func apply(_ step: ElementExpression.Step, to nodes: [JSONNode], in resource: ResourceView) -> [JSONNode] {
        switch step {
        case .member(let name): nodes.flatMap { values(of: $0[name]) }
        case .anyMember(let names): nodes.flatMap { node in names.flatMap { values(of: node[$0]) } }
        case .index(let place): place < nodes.count ? [nodes[place]] : []
        case .referenceTo(let type): nodes.filter { mayPoint($0, at: type, in: resource) }
        case .whereEqual(let name, let text): nodes.filter { $0[name]?.string == text }
        }
    }

    private static func values(of node: JSONNode?) -> [JSONNode] {
        guard let node else { return [] }
        return node.kind == .array ? node.elements.filter { $0.kind != .null } : node.kind == .null ? [] : [node]
    }

    private static func mayPoint(_ node: JSONNode, at type: ResourceType, in resource: ResourceView) -> Bool {
        let declared = node["type"]?.string
        let isDeclared = declared == type.rawValue
        guard let text = node["reference"]?.string else { return declared == nil || isDeclared }
        let literal = LiteralReference(text)
        if let key = literal.key { return key.type == type || isDeclared }
        guard case .fragment(let id) = literal else { return declared == nil || isDeclared }
        let named = (resource.node["contained"]?.elements ?? []).filter { $0["id"]?.string == id }
            .compactMap { $0["resourceType"]?.string }
        return named.isEmpty || named.first == type.rawValue || isDeclared
    }

    static func references(in node: JSONNode, isResource: Bool = true) -> [Range<Int>] {
        let inside = node.elements + node.members.filter { !(isResource && $0.name == "contained") }.map(\.value)
        return (isReference(node) ? [node.range] : []) + inside.flatMap { references(in: $0, isResource: false) }
    }

    private static func isReference(_ node: JSONNode) -> Bool {
        if let reference = node["reference"] { return reference.kind != .object && reference.kind != .array }
        if node["_reference"] != nil { return true }
        let own = [
            "id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display",
        ]
        let isTyped =
            node["type"]?.string.map { name in ResourceType.allCases.contains { $0.rawValue == name } } ?? false
        return (node["identifier"]?.kind == .object || isTyped) && node.members.allSatisfy { own.contains($0.name) }
    }
}
