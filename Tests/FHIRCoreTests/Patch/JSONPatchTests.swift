import FHIRCore
import RequirementTraits
import Testing

/// JSON Patch as RFC 6902 defines it, with cases of our own for each of its rules.
@Suite struct JSONPatchTests {
    struct Case: CustomTestStringConvertible {
        let rule: String
        let document: String
        let patch: String
        /// Nil where the patch cannot be applied.
        let result: String?

        var testDescription: String { rule }
    }

    private static func patch(_ text: String) throws -> JSONPatch {
        try JSONPatch(JSONDocument(Array(text.utf8)).root)
    }

    private static func value(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    static let applied: [Case] = [
        Case(
            rule: "add puts in a member", document: #"{"a":1}"#, patch: #"[{"op":"add","path":"/b","value":2}]"#,
            result: #"{"a":1,"b":2}"#),
        Case(
            rule: "add replaces a member where it stands", document: #"{"a":1,"b":2}"#,
            patch: #"[{"op":"add","path":"/a","value":{"x":null}}]"#, result: #"{"a":{"x":null},"b":2}"#),
        Case(
            rule: "add puts an element before the one at its place", document: #"{"a":[1,3]}"#,
            patch: #"[{"op":"add","path":"/a/1","value":2}]"#, result: #"{"a":[1,2,3]}"#),
        Case(
            rule: "add at the length of a list is at its end", document: #"[1]"#,
            patch: #"[{"op":"add","path":"/1","value":2}]"#, result: "[1,2]"),
        Case(
            rule: "a minus sign is the end of a list", document: #"{"a":[1]}"#,
            patch: #"[{"op":"add","path":"/a/-","value":[2]}]"#, result: #"{"a":[1,[2]]}"#),
        Case(
            rule: "add at the root replaces all of it", document: #"{"a":1}"#,
            patch: #"[{"op":"add","path":"","value":[]}]"#, result: "[]"),
        Case(
            rule: "an explicit null is a value", document: "{}", patch: #"[{"op":"add","path":"/a","value":null}]"#,
            result: #"{"a":null}"#),
        Case(
            rule: "remove takes a member out", document: #"{"a":1,"b":2}"#, patch: #"[{"op":"remove","path":"/a"}]"#,
            result: #"{"b":2}"#),
        Case(
            rule: "remove closes the gap in a list", document: "[1,2,3]", patch: #"[{"op":"remove","path":"/1"}]"#,
            result: "[1,3]"),
        Case(
            rule: "replace changes what is there", document: #"{"a":{"b":[1,2]}}"#,
            patch: #"[{"op":"replace","path":"/a/b/1","value":"x"}]"#, result: #"{"a":{"b":[1,"x"]}}"#),
        Case(
            rule: "move takes out and puts in", document: #"{"a":{"x":1},"b":{}}"#,
            patch: #"[{"op":"move","from":"/a/x","path":"/b/y"}]"#, result: #"{"a":{},"b":{"y":1}}"#),
        Case(
            rule: "move within a list counts places after the taking out", document: #"["a","b","c"]"#,
            patch: #"[{"op":"move","from":"/0","path":"/2"}]"#, result: #"["b","c","a"]"#),
        Case(
            rule: "move to the same place changes nothing", document: #"{"a":1}"#,
            patch: #"[{"op":"move","from":"/a","path":"/a"}]"#, result: #"{"a":1}"#),
        Case(
            rule: "copy leaves its source", document: #"{"a":[1]}"#,
            patch: #"[{"op":"copy","from":"/a","path":"/a/-"}]"#,
            result: #"{"a":[1,[1]]}"#),
        Case(
            rule: "test passes on equal objects whatever their order", document: #"{"a":{"x":1,"y":[true]}}"#,
            patch: #"[{"op":"test","path":"/a","value":{"y":[true],"x":1}}]"#, result: #"{"a":{"x":1,"y":[true]}}"#),
        Case(
            rule: "test compares numbers by value", document: #"{"a":1.50,"b":100,"c":0,"d":-0.0}"#,
            patch:
                #"[{"op":"test","path":"/a","value":15e-1},{"op":"test","path":"/b","value":1E2},{"op":"test","path":"/c","value":-0},{"op":"test","path":"/d","value":0e5}]"#,
            result: #"{"a":1.50,"b":100,"c":0,"d":-0.0}"#),
        Case(
            rule: "a tilde and a slash are escaped", document: #"{"a/b":1,"m~n":2,"~1":3}"#,
            patch:
                #"[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"},{"op":"replace","path":"/~01","value":4}]"#,
            result: #"{"~1":4}"#),
        Case(
            rule: "an empty name is a name", document: #"{"":1,"a":2}"#, patch: #"[{"op":"remove","path":"/"}]"#,
            result: #"{"a":2}"#),
        Case(
            rule: "a number can be a member's name", document: #"{"0":1}"#,
            patch: #"[{"op":"replace","path":"/0","value":2}]"#, result: #"{"0":2}"#),
        Case(
            rule: "members that nobody knows are passed over", document: "{}",
            patch: #"[{"op":"add","path":"/a","value":1,"xyz":{"op":"remove"}}]"#, result: #"{"a":1}"#),
        Case(
            rule: "operations see what those before them did", document: "{}",
            patch:
                #"[{"op":"add","path":"/a","value":[]},{"op":"add","path":"/a/0","value":1},{"op":"test","path":"/a/0","value":1}]"#,
            result: #"{"a":[1]}"#),
        Case(rule: "no operation changes nothing", document: #"{"a":1}"#, patch: "[]", result: #"{"a":1}"#),
    ]

    static let unapplied: [Case] = [
        Case(
            rule: "add below what is not there", document: "{}", patch: #"[{"op":"add","path":"/a/b","value":1}]"#,
            result: nil),
        Case(rule: "add behind the end", document: "[1]", patch: #"[{"op":"add","path":"/2","value":1}]"#, result: nil),
        Case(
            rule: "add below a string", document: #"{"a":"x"}"#, patch: #"[{"op":"add","path":"/a/b","value":1}]"#,
            result: nil),
        Case(rule: "remove what is not there", document: "{}", patch: #"[{"op":"remove","path":"/a"}]"#, result: nil),
        Case(rule: "remove the root", document: "{}", patch: #"[{"op":"remove","path":""}]"#, result: nil),
        Case(rule: "remove the end", document: "[1]", patch: #"[{"op":"remove","path":"/-"}]"#, result: nil),
        Case(
            rule: "replace what is not there", document: "{}", patch: #"[{"op":"replace","path":"/a","value":1}]"#,
            result: nil),
        Case(
            rule: "move what is not there", document: "{}", patch: #"[{"op":"move","from":"/a","path":"/b"}]"#,
            result: nil),
        Case(
            rule: "copy what is not there", document: "{}", patch: #"[{"op":"copy","from":"/a","path":"/b"}]"#,
            result: nil),
        Case(rule: "a leading zero", document: "[1,2]", patch: #"[{"op":"remove","path":"/01"}]"#, result: nil),
        Case(rule: "a sign before a place", document: "[1,2]", patch: #"[{"op":"remove","path":"/+1"}]"#, result: nil),
        Case(
            rule: "a place that is a word", document: "[1,2]", patch: #"[{"op":"remove","path":"/one"}]"#, result: nil),
        Case(
            rule: "a number too large to be a place", document: "[1]",
            patch: #"[{"op":"remove","path":"/18446744073709551616"}]"#, result: nil),
        Case(
            rule: "test another value", document: #"{"a":1}"#, patch: #"[{"op":"test","path":"/a","value":2}]"#,
            result: nil),
        Case(
            rule: "test a string against a number", document: #"{"a":"1"}"#,
            patch: #"[{"op":"test","path":"/a","value":1}]"#, result: nil),
        Case(
            rule: "test null against nothing", document: "{}", patch: #"[{"op":"test","path":"/a","value":null}]"#,
            result: nil),
        Case(
            rule: "test a longer list", document: "[1]", patch: #"[{"op":"test","path":"","value":[1,2]}]"#, result: nil
        ),
        Case(
            rule: "one failure undoes the rest", document: #"{"a":1}"#,
            patch: #"[{"op":"replace","path":"/a","value":2},{"op":"remove","path":"/b"}]"#, result: nil),
    ]

    @Test(.verifies("house@json-patch"), arguments: Self.applied)
    func `an operation does what the RFC says`(row: Case) throws {
        let result = try Self.patch(row.patch).applied(to: try Self.value(row.document))

        #expect(result == (try Self.value(try #require(row.result))))
    }

    @Test(.verifies("house@json-patch"), arguments: Self.unapplied)
    func `a patch that leads nowhere is refused whole`(row: Case) throws {
        let patch = try Self.patch(row.patch)
        let document = try Self.value(row.document)

        #expect(throws: JSONPatchError.self) { try patch.applied(to: document) }
    }

    @Test(
        .verifies("house@json-patch"),
        arguments: [
            "{}", #"[1]"#, #"[{"op":"add","path":"/a"}]"#, #"[{"op":"replace","path":"/a"}]"#,
            #"[{"op":"test","path":"/a"}]"#, #"[{"op":"move","path":"/a"}]"#, #"[{"op":"copy","path":"/a"}]"#,
            #"[{"path":"/a","value":1}]"#, #"[{"op":"add","value":1}]"#, #"[{"op":"spam","path":"/a","value":1}]"#,
            #"[{"op":"ADD","path":"/a","value":1}]"#, #"[{"op":"add","path":"a","value":1}]"#,
            #"[{"op":"add","path":"/a~2","value":1}]"#, #"[{"op":"add","path":"/a~","value":1}]"#,
            #"[{"op":"add","path":1,"value":1}]"#, #"[{"op":["add"],"path":"/a","value":1}]"#,
            #"[{"op":"move","from":"/a","path":"/a/b"}]"#, #"[{"op":"move","from":"","path":"/a"}]"#,
        ])
    func `what is no patch is none`(text: String) throws {
        let node = try JSONDocument(Array(text.utf8)).root

        #expect(throws: JSONPatchError.self) { try JSONPatch(node) }
    }

    @Test func `an operation's place is told`() throws {
        let patch = try Self.patch(#"[{"op":"add","path":"/a","value":1},{"op":"test","path":"/a","value":2}]"#)

        #expect(throws: JSONPatchError.testFailed(1)) { try patch.applied(to: .object([])) }
    }

    @Test func `two names that only look alike are two`() throws {
        let document = JSONValue.object([JSONMemberValue("e\u{301}", 1)])
        let patch = JSONPatch([.remove(try #require(JSONPointer("/\u{E9}")))])

        #expect(throws: JSONPatchError.noSuchPlace(0)) { try patch.applied(to: document) }
    }

    @Test func `copies of copies end at the limit`() throws {
        let copy = #"{"op":"copy","from":"","path":"/a"}"#
        let deep = try Self.patch("[" + Array(repeating: copy, count: 100).joined(separator: ",") + "]")
        let wide = try Self.patch(
            "[" + Array(repeating: #"{"op":"copy","from":"/a","path":"/a/-"}"#, count: 60).joined(separator: ",") + "]")

        #expect(throws: JSONPatchError.self) { try deep.applied(to: .object([JSONMemberValue("a", 1)])) }
        #expect(throws: JSONPatchError.self) {
            try wide.applied(
                to: .object([JSONMemberValue("a", ["0123456789"])]),
                limits: JSONLimits(maxDepth: 10_000, maxBytes: 4096))
        }
    }

    @Test func `objects of many members are compared in any order`() {
        let members = (0..<20_000).map { JSONMemberValue("m\($0)", .int(Int64($0))) }

        #expect(JSONValue.object(members).isEqual(to: .object(members.reversed())))
        #expect(!JSONValue.object(members).isEqual(to: .object(Array(members.dropLast()) + [JSONMemberValue("m0", 0)])))
    }

    @Test func `few operations buy no endless copying`() throws {
        let prepend = #"{"op":"add","path":"/a/0","value":1}"#
        let patch = try Self.patch(
            "[" + Array(repeating: prepend, count: JSONPatch.maxOperations).joined(separator: ",") + "]")
        let large = JSONValue.object([JSONMemberValue("a", .array(Array(repeating: 0, count: 20_000)))])
        let small = JSONValue.object([JSONMemberValue("a", .array(Array(repeating: 0, count: 100)))])

        #expect(throws: JSONPatchError.self) { try patch.applied(to: large) }
        #expect(try patch.applied(to: small) != small)
    }

    @Test func `a patch has a bounded number of operations`() throws {
        let one = #"{"op":"remove","path":"/a"}"#
        let many = "[" + Array(repeating: one, count: JSONPatch.maxOperations + 1).joined(separator: ",") + "]"

        #expect(throws: JSONPatchError.tooManyOperations) { try Self.patch(many) }
    }

    @Test func `what tells of the document is known`() throws {
        for text in [
            #"[{"op":"test","path":"/a","value":1}]"#, #"[{"op":"move","from":"/a","path":"/b"}]"#,
            #"[{"op":"copy","from":"/a","path":"/b"}]"#, #"[{"op":"remove","path":"/a"}]"#,
            #"[{"op":"replace","path":"/a","value":1}]"#, #"[{"op":"add","path":"/a/b","value":1}]"#,
            #"[{"op":"add","path":"/a","value":1},{"op":"add","path":"/b/-","value":1}]"#,
        ] {
            #expect(try Self.patch(text).readsDocument, "\(text)")
        }
        let blind = #"[{"op":"add","path":"/a","value":1},{"op":"replace","path":"","value":{}}]"#
        #expect(try !Self.patch(blind).readsDocument)
    }

    @Test(arguments: [
        ("1", "1.0", true), ("1e400", "10e399", true), ("1e400", "1e401", false), ("-1", "1", false),
        ("0.10", "0.1", true), ("1e99999999999999999999", "1e99999999999999999999", true),
        ("1e99999999999999999999", "10e99999999999999999998", false),
        ("123456789012345678901", "123456789012345678902", false),
    ])
    func `numbers are equal by value, exactly`(left: String, right: String, isEqual: Bool) throws {
        #expect(try Self.value(left).isEqual(to: try Self.value(right)) == isEqual)
    }
}
