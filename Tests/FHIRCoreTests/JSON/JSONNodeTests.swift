import FHIRCore
import RequirementTraits
import Testing

@Suite struct JSONNodeTests {
    private func root(_ text: String) throws -> JSONNode { try JSONDocument(Array(text.utf8)).root }

    @Test func `a member is found by its name, an element by its place`() throws {
        let node = try root(#" {"a":[1,{"b":"c"},null],"d":{"e":true},"f":-0.5e3} "#)

        #expect(node["a"]?[1]?["b"]?.string == "c")
        #expect(node["a"]?[2]?.kind == .null)
        #expect(node["d"]?["e"]?.bool == true)
        #expect(node["f"]?.numberText == "-0.5e3")
        #expect(node["f"]?.int == nil)
        #expect(node["a"]?[0]?.int == 1)
    }

    @Test func `what is not there is nil`() throws {
        let node = try root(#"{"a":[1],"s":"t"}"#)

        #expect(node["b"] == nil)
        #expect(node["a"]?[1] == nil)
        #expect(node["a"]?[-1] == nil)
        #expect(node["a"]?["x"] == nil)
        #expect(node[0] == nil)
        #expect(node["s"]?.bool == nil)
        #expect(node["s"]?.numberText == nil)
        #expect(node.string == nil)
    }

    @Test func `a name is found whatever escapes it is written with`() throws {
        let node = try root(#"{"\u0073ubject":{"reference":"Patient\/a\u0041"}}"#)

        #expect(node["subject"]?["reference"]?.string == "Patient/aA")
        #expect(node["subject"]?["reference"]?.equals("Patient/aA") == true)
        #expect(node["subject"]?["reference"]?.equals("Patient/aa") == false)
    }

    @Test func `escapes and characters of every length come out as what they stand for`() throws {
        let node = try root("\"\\b\\f\\n\\r\\t\\\"\\\\\\/\\u0000\\u00e9\\u20ac\\ud83d\\ude00é€😀\"")

        #expect(node.string == "\u{8}\u{C}\n\r\t\"\\/\u{0}é€😀é€😀")
    }

    @Test func `ranges are the bytes of the values`() throws {
        let text = #"{ "a" : [ "x" , 12 ] , "b":{} }"#
        let node = try root(text)
        func slice(_ range: Range<Int>) -> String { String(decoding: Array(text.utf8)[range], as: UTF8.self) }

        let member = try #require(node.members.first)
        #expect(slice(node.range) == text)
        #expect(slice(member.nameRange) == #""a""#)
        #expect(slice(member.range) == #""a" : [ "x" , 12 ]"#)
        #expect(member.value.elements.map { slice($0.range) } == [#""x""#, "12"])
        #expect(node.members.map(\.name) == ["a", "b"])
        #expect(node.members[1].value.count == 0)
    }

    @Test func `whole numbers beyond the machine's are text, not wrong numbers`() throws {
        let node = try root("[9223372036854775807, 9223372036854775808, 1.0, 1e3]")

        #expect(node.elements.map(\.int) == [.max, nil, nil, nil])
        #expect(
            JSONValue(node) == [
                .int(.max), .number(JSONNumber("9223372036854775808")!), .number(JSONNumber("1.0")!),
                .number(JSONNumber("1e3")!),
            ])
    }
}

@Suite struct JSONValueTests {
    @Test func `what is printed reads back as the same value`() throws {
        let value: JSONValue = [
            "text": "a\"b\\c\n\u{1}\u{7F}é😀/", "numbers": [1, -2, .number(JSONNumber("0.10")!)], "yes": true,
            "none": .null,
            "empty": [], "object": [:], "": "",
        ]

        #expect(try JSONValue(parsing: value.serialized) == value)
    }

    @Test func `the text is compact and keeps the order of members`() {
        let value: JSONValue = ["b": 1, "a": ["x", false], "c": .null]

        #expect(value.text == #"{"b":1,"a":["x",false],"c":null}"#)
    }

    @Test func `members and kinds are read by accessors`() {
        let value: JSONValue = ["a": ["x", 7, true]]

        #expect(value["a"]?.array?.first?.string == "x")
        #expect(value["a"]?.array?[1].int == 7)
        #expect(value["a"]?.array?[2].bool == true)
        #expect(value.object?.map(\.name) == ["a"])
        #expect(value["b"] == nil)
        #expect(value["a"]?["x"] == nil)
        #expect(value.string == nil)
    }
}

@Suite struct ByteEditTests {
    private func apply(_ edits: [(Range<Int>, String)], _ text: String, _ range: Range<Int>? = nil) -> String {
        let bytes = Array(text.utf8)
        let edits = edits.map { ByteEdit(range: $0.0, replacement: Array($0.1.utf8)) }
        return String(decoding: applying(edits, to: bytes, in: range ?? 0..<bytes.count), as: UTF8.self)
    }

    @Test func `edits cut, replace and insert in any order`() {
        #expect(apply([], "abcdef") == "abcdef")
        #expect(apply([(4..<5, "X"), (0..<2, "")], "abcdef") == "cdXf")
        #expect(apply([(3..<3, "__")], "abcdef") == "abc__def")
        #expect(apply([(0..<6, "")], "abcdef") == "")
        #expect(apply([(0..<0, "?"), (6..<6, "!")], "abcdef") == "?abcdef!")
        #expect(apply([(1..<1, "?")], "abcdef", 2..<4) == "cd")
    }

    @Test func `a range of the bytes is cut out with its own edits only`() {
        #expect(apply([(0..<1, "X"), (2..<3, "Y"), (5..<6, "Z")], "abcdef", 2..<5) == "Yde")
    }

    @Test func `what either of two overlapping cuts covers is gone`() {
        #expect(apply([(1..<4, ""), (2..<5, "")], "abcdef") == "af")
        #expect(apply([(2..<5, ""), (1..<4, "")], "abcdef") == "af")
        #expect(apply([(1..<5, "M"), (2..<3, "N")], "abcdef") == "aMf")
        #expect(apply([(1..<2, "M"), (1..<5, "N")], "abcdef") == "aNf")
    }

    @Test func `a cut that reaches out of the range is made as far as it lies inside`() {
        #expect(apply([(0..<4, "")], "abcdef", 2..<6) == "ef")
        #expect(apply([(4..<6, "")], "abcdef", 2..<5) == "cd")
    }
}
