import FHIRCore
import Foundation
import Testing

@testable import SandboxFHIR

/// The sandbox has its own, as it shares nothing with the gateway in front of it.
private typealias JSONPatch = SandboxFHIR.JSONPatch

@Suite struct `JSON Patch` {
    private static func apply(_ patch: String, to document: String) throws -> String {
        let patch = try JSONPatch(try StoreTransaction.parse(Array(patch.utf8)))
        return try patch.applied(to: try StoreTransaction.parse(Array(document.utf8))).text
    }

    @Test(arguments: [
        #"{}"#, #"[{}]"#, #"["x"]"#, #"[{"op":"add","path":"/a"}]"#, #"[{"op":"replace","path":"/a"}]"#,
        #"[{"op":"test","path":"/a"}]"#, #"[{"op":"remove"}]"#, #"[{"op":"remove","path":"a"}]"#,
        #"[{"op":"move","path":"/a"}]"#, #"[{"op":"copy","path":"/a"}]"#, #"[{"op":"merge","path":"/a","value":1}]"#,
        #"[{"op":"Add","path":"/a","value":1}]"#, #"[{"op":"add","path":"/~2","value":1}]"#,
        #"[{"op":"add","path":"/~","value":1}]"#, #"[{"op":"move","from":"/a","path":"/a/b"}]"#,
    ])
    func `a document that is no patch is refused as a whole`(_ patch: String) {
        #expect { try Self.apply(patch, to: "{}") } throws: { ($0 as? SandboxFailure)?.status == 400 }
    }

    @Test(arguments: [
        (#"[{"op":"remove","path":"/b"}]"#, #"{"a":1}"#), (#"[{"op":"replace","path":"/b","value":1}]"#, #"{"a":1}"#),
        (#"[{"op":"add","path":"/b/c","value":1}]"#, #"{"a":1}"#),
        (#"[{"op":"add","path":"/a/b","value":1}]"#, #"{"a":1}"#),
        (#"[{"op":"add","path":"/a/3","value":1}]"#, #"{"a":[0,1]}"#),
        (#"[{"op":"add","path":"/a/01","value":1}]"#, #"{"a":[0,1]}"#),
        (#"[{"op":"add","path":"/a/-1","value":1}]"#, #"{"a":[0,1]}"#),
        (#"[{"op":"remove","path":"/a/-"}]"#, #"{"a":[0,1]}"#), (#"[{"op":"remove","path":"/a/2"}]"#, #"{"a":[0,1]}"#),
        (#"[{"op":"move","from":"/b","path":"/a"}]"#, #"{"a":1}"#),
        (#"[{"op":"copy","from":"/a/9","path":"/b"}]"#, #"{"a":[0]}"#),
        (#"[{"op":"test","path":"/a","value":"1"}]"#, #"{"a":1}"#),
        (#"[{"op":"test","path":"/b","value":null}]"#, #"{"a":1}"#),
        (#"[{"op":"test","path":"/a","value":[2,1]}]"#, #"{"a":[1,2]}"#),
        (#"[{"op":"test","path":"/a","value":{"b":1}}]"#, #"{"a":{"b":1,"c":2}}"#),
        (#"[{"op":"add","path":"/b","value":1},{"op":"test","path":"/b","value":2}]"#, #"{"a":1}"#),
    ])
    func `an operation that cannot be done fails the patch`(_ patch: String, _ document: String) {
        #expect { try Self.apply(patch, to: document) } throws: { ($0 as? SandboxFailure)?.status == 422 }
    }

    @Test(arguments: [
        // The examples of RFC 6902, Appendix A.
        (#"[{"op":"add","path":"/baz","value":"qux"}]"#, #"{"foo":"bar"}"#, #"{"foo":"bar","baz":"qux"}"#),
        (#"[{"op":"add","path":"/foo/1","value":"qux"}]"#, #"{"foo":["bar","baz"]}"#, #"{"foo":["bar","qux","baz"]}"#),
        (#"[{"op":"remove","path":"/baz"}]"#, #"{"baz":"qux","foo":"bar"}"#, #"{"foo":"bar"}"#),
        (#"[{"op":"remove","path":"/foo/1"}]"#, #"{"foo":["bar","qux","baz"]}"#, #"{"foo":["bar","baz"]}"#),
        (
            #"[{"op":"replace","path":"/baz","value":"boo"}]"#, #"{"baz":"qux","foo":"bar"}"#,
            #"{"baz":"boo","foo":"bar"}"#
        ),
        (
            #"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            #"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            #"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#
        ),
        (
            #"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#, #"{"foo":["all","grass","cows","eat"]}"#,
            #"{"foo":["all","cows","eat","grass"]}"#
        ),
        (#"[{"op":"test","path":"/foo/1","value":2}]"#, #"{"foo":["a",2,"c"]}"#, #"{"foo":["a",2,"c"]}"#),
        (
            #"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#, #"{"foo":"bar"}"#,
            #"{"foo":"bar","child":{"grandchild":{}}}"#
        ),
        (#"[{"op":"test","path":"/~01","value":10}]"#, #"{"/":9,"~1":10}"#, #"{"/":9,"~1":10}"#),
        (#"[{"op":"add","path":"/foo/-","value":["abc"]}]"#, #"{"foo":["bar"]}"#, #"{"foo":["bar",["abc"]]}"#),
        // Neighbours of them.
        (#"[{"op":"add","path":"/foo","value":2}]"#, #"{"foo":1}"#, #"{"foo":2}"#),
        (#"[{"op":"add","path":"","value":[]}]"#, #"{"foo":1}"#, "[]"),
        (#"[{"op":"copy","from":"/a","path":"/b/0"}]"#, #"{"a":{"x":1},"b":[]}"#, #"{"a":{"x":1},"b":[{"x":1}]}"#),
        (#"[{"op":"move","from":"/a","path":"/a"}]"#, #"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#),
        (#"[{"op":"add","path":"/a~1b","value":1}]"#, "{}", #"{"a/b":1}"#),
        (#"[{"op":"add","path":"/","value":1}]"#, "{}", #"{"":1}"#),
        (#"[{"op":"test","path":"/a","value":1.0}]"#, #"{"a":1}"#, #"{"a":1}"#),
        (#"[{"op":"test","path":"/a","value":1e2}]"#, #"{"a":100.00}"#, #"{"a":100.00}"#),
        (#"[{"op":"test","path":"/a","value":-0}]"#, #"{"a":0.0}"#, #"{"a":0.0}"#),
        (#"[{"op":"test","path":"/a","value":{"c":2,"b":1}}]"#, #"{"a":{"b":1,"c":2}}"#, #"{"a":{"b":1,"c":2}}"#),
        (#"[{"op":"replace","path":"/a","value":null}]"#, #"{"a":1}"#, #"{"a":null}"#),
        ("[]", #"{"a":1}"#, #"{"a":1}"#),
    ])
    func `operations change what they name`(_ patch: String, _ document: String, _ result: String) throws {
        #expect(try Self.apply(patch, to: document) == result)
    }
}

@Suite struct `PATCH on the sandbox` {
    private let fixture: SandboxFixture
    private let male =
        #"[{"op":"test","path":"/gender","value":"female"},{"op":"replace","path":"/gender","value":"male"}]"#

    init() throws { fixture = try SandboxFixture() }

    private func patch(_ url: String, _ body: String, headers: [String: String] = [:]) -> SandboxResponse {
        let type = ["content-type": JSONPatch.mediaType]
        return fixture.send("PATCH", url, headers: type.merging(headers) { $1 }, body: body)
    }

    @Test(arguments: [
        ("Patient/nobody", "[]", 404), ("Patient/b", #"[{"op":"test","path":"/gender","value":"female"}]"#, 422),
        ("Patient/a", "{}", 400), ("Patient/a", "[", 400),
        ("Patient/a", #"[{"op":"replace","path":"/id","value":"b"}]"#, 422),
        ("Patient/a", #"[{"op":"replace","path":"/resourceType","value":"Person"}]"#, 422),
        ("Patient/a", #"[{"op":"replace","path":"","value":[]}]"#, 422),
        ("Patient/a", #"[{"op":"remove","path":""}]"#, 422),
        ("Patient/a", #"[{"op":"replace","path":"/meta","value":"x"}]"#, 422), ("Patient?gender=other", "[]", 404),
        ("Patient?gender=male,female", "[]", 412), ("Patient?unheard=of", "[]", 400), ("Patient", "[]", 400),
    ])
    func `a patch that fails changes nothing`(_ url: String, _ body: String, _ status: Int) throws {
        #expect(patch(url, body).status == status)
        for id in ["a", "b"] {
            #expect(try fixture.store.current(try #require(InstanceKey("Patient/\(id)")))?.version == 1)
        }
    }

    @Test(arguments: ["application/fhir+json", "application/json", "application/xml-patch+xml", "text/plain"])
    func `other patch formats are not read`(_ type: String) {
        #expect(patch("Patient/a", "[]", headers: ["content-type": type]).status == 415)
    }

    @Test func `a patch makes the next version and answers as preferred`() throws {
        let response = patch("Patient/a", male)

        #expect(response.status == 200)
        #expect(response.etag == "W/\"2\"")
        #expect(try fixture.json(response)["gender"] == "male")
        #expect(try fixture.matches("Patient?gender=male") == ["Patient/a", "Patient/b"])
        let history = try fixture.json(fixture.send("GET", "Patient/a/_history"))
        #expect(history["entry"]?.array?.first?["request"]?["method"] == "PATCH")
        #expect(try patch("Patient/b", "[]", headers: ["prefer": "return=minimal"]).body.bytes.isEmpty)
    }

    @Test func `If-Match guards patches and conditional deletes`() {
        #expect(patch("Patient/a", male, headers: ["if-match": "W/\"2\""]).status == 412)
        #expect(patch("Patient/a", male, headers: ["if-match": "W/\"1\""]).status == 200)
        #expect(patch("Patient?identifier=http://mrn|111", "[]", headers: ["if-match": "W/\"1\""]).status == 412)
        #expect(patch("Patient?identifier=http://mrn|111", "[]", headers: ["if-match": "W/\"2\""]).status == 200)
        let guarded = ["if-match": "W/\"1\""]
        #expect(fixture.send("DELETE", "Patient?identifier=http://mrn|111", headers: guarded).status == 412)
    }

    @Test(arguments: ["batch", "transaction"])
    func `a Bundle carries a patch as a Binary`(_ type: String) throws {
        let data = Data(male.utf8).base64EncodedString()
        func submit(_ contentType: String) -> SandboxResponse {
            fixture.send(
                "POST", "",
                body: #"""
                    {"resourceType":"Bundle","type":"\#(type)","entry":[{"resource":{"resourceType":"Binary",
                    "contentType":"\#(contentType)","data":"\#(data)"},"request":{"method":"PATCH","url":"Patient/a"}}]}
                    """#)
        }

        let refused = try fixture.json(submit("application/json"))
        #expect(
            refused["issue"] != nil
                || refused["entry"]?.array?.first?["response"]?["status"] == "415 Unsupported Media Type")
        let answer = try fixture.json(submit(JSONPatch.mediaType))

        #expect(answer["entry"]?.array?.first?["response"]?["status"] == "200 OK")
        #expect(try fixture.json(fixture.send("GET", "Patient/a"))["gender"] == "male")
    }
}
