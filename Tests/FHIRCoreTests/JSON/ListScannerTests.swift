import RequirementTraits
import Testing

@testable import FHIRCore

/// The scanner of one list agrees with the reader of the whole, whatever comes and in whatever pieces.
@Suite struct ListScannerTests {
    /// What is around the list, and its elements; nil for what cannot be read.
    private struct Reading: Equatable {
        let around: JSONValue
        let elements: [JSONValue]
    }

    /// As the reader of the whole has it. Nil also where the list is none.
    private static func whole(_ bytes: [UInt8]) -> Reading? {
        guard let value = try? JSONValue(parsing: bytes), case .object(let members) = value else { return nil }
        let list = value["entry"]
        if list != nil, list?.array == nil { return nil }
        let around = members.map { $0.name == "entry" ? JSONMemberValue("entry", []) : $0 }
        return Reading(around: .object(around), elements: list?.array ?? [])
    }

    /// As the scanner has it, in pieces of these lengths over and over.
    private static func scanned(_ bytes: [UInt8], _ lengths: [Int], limit: Int = 1 << 20) -> Reading? {
        var scanner = ListScanner(list: "entry", limit: limit)
        var elements: [JSONValue] = []
        var rest = bytes[...]
        var number = 0
        while !rest.isEmpty {
            let piece = rest.prefix(lengths[number % lengths.count])
            rest = rest.dropFirst(piece.count)
            number += 1
            guard let found = try? scanner.take(piece) else { return nil }
            for element in found {
                let wrapped = [UInt8(ascii: "[")] + element + [UInt8(ascii: "]")]
                guard let list = (try? JSONValue(parsing: wrapped))?.array, list.count == 1 else { return nil }
                elements.append(list[0])
            }
        }
        guard (try? scanner.finish()) != nil, let around = try? JSONValue(parsing: scanner.document) else { return nil }
        return Reading(around: around, elements: elements)
    }

    private static let documents = [
        #"{"a":1,"entry":[{"x":"}]\"{["},[1,[2]],"s,]\\",null,-1.5e3],"b":{"entry":[1]},"c":"\u00e9"}"#,
        #" { "entry" : [ ] , "z" : true } "#, #"{}"#, #"{"a":[{"entry":[1,2]}]}"#, #"{"\u0065ntry":[1,2],"e":0}"#,
        #"{"entry":[{},{"entry":[]}]}"#, "{\"entry\":[1\n,\t2\r],\"x\":12 }",
    ]

    /// What the object says is asked for while it comes: a name that has come without its value does not spoil it.
    @Test(.verifies("house@STREAMING"), arguments: documents)
    func `what has come of the object can be read wherever a piece ends`(text: String) throws {
        let bytes = Array(text.utf8)
        for end in 0...bytes.count {
            var scanner = ListScanner(list: "entry", limit: 1 << 20)
            _ = try scanner.take(bytes[..<end])
            let members = try JSONValue(parsing: scanner.document).object ?? []
            let whole = try #require(Self.whole(bytes)).around.object ?? []
            #expect(members == Array(whole.prefix(members.count)), "\(end)")
            #expect(!scanner.hasList || members.contains { $0.name == "entry" }, "\(end)")
        }
    }

    private static let inserted = Array(#"{}[]",:\ 0n"entry""#.utf8) + [0x0A, 0x80, 0x00]

    @Test(.verifies("house@STREAMING"), arguments: documents.indices)
    func `a document, whole or damaged, is read alike in any pieces`(place: Int) {
        let document = Array(Self.documents[place].utf8)
        var generator = SplitMix64(seed: UInt64(place) + 47)
        var (good, bad) = (0, 0)
        for round in 0..<3_000 {
            var bytes = document
            for _ in 0..<(round % 4) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes.remove(at: index)
                case 1: bytes.insert(Self.inserted.randomElement(using: &generator) ?? 0, at: index)
                default: bytes[index] = Self.inserted.randomElement(using: &generator) ?? 0
                }
                if bytes.isEmpty { bytes = document }
            }
            let lengths = (0..<3).map { _ in Int.random(in: 1...9, using: &generator) }
            let expected = Self.whole(bytes)
            let found = Self.scanned(bytes, lengths)
            expected == nil ? (bad += 1) : (good += 1)
            #expect(found == expected, "\(String(decoding: bytes, as: UTF8.self)) in \(lengths)")
        }
        #expect(good > 300 && bad > 300)
    }

    @Test func `an element, a name or what is around the list may not grow beyond the limit`() {
        let long = String(repeating: "x", count: 100)
        for text in [#"{"entry":["\#(long)"]}"#, #"{"\#(long)":1}"#, #"{"a":"\#(long)"}"#] {
            #expect(Self.scanned(Array(text.utf8), [7], limit: 90) == nil)
            #expect(Self.scanned(Array(text.utf8), [7], limit: 200) != nil)
        }
        let many = "{\"entry\":[\((0..<100).map(String.init).joined(separator: ","))]}"
        #expect(Self.scanned(Array(many.utf8), [7], limit: 30)?.elements.count == 100)
    }
}
