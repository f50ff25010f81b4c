import FHIRCore
import RequirementTraits
import Testing

/// What is looked up in bytes, against the same question asked of strings.
@Suite struct LookupDifferentialTests {
    @Test func `ordinals count the types from zero in their order`() {
        #expect(ResourceType.allCases.map(\.ordinal) == Array(0..<ResourceType.count))
    }

    @Test func `a type is found by its bytes and by nothing near them`() {
        for type in ResourceType.allCases {
            let name = type.rawValue
            for text in [name, name + "s", String(name.dropLast()), name.lowercased(), name + "\u{0}", "é" + name] {
                let found = Array(text.utf8).withUnsafeBufferPointer { ResourceType(utf8: $0) }
                #expect(found == ResourceType(rawValue: text), "\(text)")
            }
        }
        #expect([UInt8]().withUnsafeBufferPointer { ResourceType(utf8: $0) } == nil)
    }

    @Test func `equal types hash alike and others are unequal`() {
        #expect(Set(ResourceType.allCases + ResourceType.allCases).count == ResourceType.count)
        #expect(ResourceType(rawValue: "Patient") == .patient)
        #expect(ResourceType.patient != .person)
    }

    @Test(arguments: 0..<5)
    func `references are sorted as a reader of strings sorts them`(block: Int) {
        var random = SplitMix64(seed: 0x5EED + UInt64(block))
        var naming = 0
        for _ in 0..<4000 {
            let text = ReferenceText.random(&random)
            let expected = StringReferenceReader.read(text)
            guard LiteralReference(text) == expected else {
                Issue.record("`\(text)`: \(LiteralReference(text)), expected \(expected)")
                return
            }
            let bytes = Array(text.utf8)
            #expect(bytes.withUnsafeBufferPointer { LiteralReference(utf8: $0) } == expected)
            if expected.key != nil { naming += 1 }
        }
        // Both kinds have to be met often, or the test says little.
        #expect((400...3600).contains(naming))
    }
}

/// Reference texts put together from the parts that readers stumble over.
private enum ReferenceText {
    static func random(_ random: inout SplitMix64) -> String {
        if random.chance(3) { return plain(&random) }
        let base = random.pick([
            "", "", "", "", "https://h/fhir/", "http://h:80/a/b/", "https://fhir.example.org/r4/", "https://h//x/",
            "https://h/./", "http://h/../r/",
            "ftp://h/", "https:///", "http://", "https://h/a...b/", "https://h/é/", "https://u@h/", "HTTPS://h/", "/",
        ])
        let type = random.pick(["Patient", "Observation", "Group", "Patient", "Patients", "patient", "", "Pa%74ient"])
        let id = random.pick([
            "a", "p-1", "a", "x.y", "Z", "..", ".", "", "a_b", "é", String(repeating: "a", count: 65),
        ])
        let tail = random.pick([
            "", "", "", "", "", "/_history/1", "/_history/2", "/_history/", "/_history/..", "/history/1", "?x=1", "#f",
            "/", "\u{301}", "\n",
        ])
        switch random.below(12) {
        case 0:
            return random.pick([
                "#", "#a", "#\u{301}a", "urn:uuid:1", "urn:\u{301}x", "urn", "?", "é?", "", "é", "\r\n",
            ])
        case 1: return "_history/" + id + tail
        default: return base + type + "/" + id + tail
        }
    }

    private static func plain(_ random: inout SplitMix64) -> String {
        random.pick(["", "", "https://h/fhir/", "http://h:80/a/b/"]) + random.pick(["Patient", "Observation", "Group"])
            + "/" + random.pick(["a", "p-1", "x.y"]) + random.pick(["", "", "/_history/1"])
    }
}

/// The first reading of references that this code had: by substrings, without a thought for cost.
private enum StringReferenceReader {
    static func read(_ text: String) -> LiteralReference {
        if text.utf8.first == UInt8(ascii: "#") { return .fragment(String(text.dropFirst())) }
        if text.hasPrefix("urn:") { return .urn(text) }
        if text.utf8.contains(UInt8(ascii: "?")) { return .conditional(text) }
        return named(text) ?? .other(text)
    }

    private static func named(_ text: String) -> LiteralReference? {
        var parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
            String(Substring($0))
        }
        var version: VersionID?
        if parts.count > 2, parts[parts.count - 2] == "_history" {
            guard parts.count > 3, let found = VersionID(parts[parts.count - 1]) else { return nil }
            version = found
            parts.removeLast(2)
        }
        guard parts.count > 1, let id = ResourceID(parts[parts.count - 1]),
            let type = ResourceType(rawValue: parts[parts.count - 2])
        else { return nil }
        let key = InstanceKey(type: type, id: id)
        let base = parts.dropLast(2)
        if base.isEmpty { return .relative(key, version) }
        return isBase(Array(base)) ? .absolute(base: base.joined(separator: "/"), key, version) : nil
    }

    private static func isBase(_ parts: [String]) -> Bool {
        guard parts.count > 2, parts[0] == "http:" || parts[0] == "https:", parts[1].isEmpty else { return false }
        let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]$".utf8)
        return parts.dropFirst(2).allSatisfy { part in
            !part.isEmpty && part != "." && part != ".." && part.utf8.allSatisfy(allowed.contains)
        }
    }
}
