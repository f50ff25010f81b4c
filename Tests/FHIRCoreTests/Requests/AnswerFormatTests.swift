import RequirementTraits
import Testing

@testable import FHIRCore

/// Which format an answer is written in (FHIR R4 http.html, content types and encodings; RFC 9110 §12.5.1).
@Suite struct AnswerFormatTests {
    struct Row: CustomTestStringConvertible {
        let accept: String?
        let expected: String?

        init(_ accept: String?, _ expected: String?) {
            self.accept = accept
            self.expected = expected
        }

        var testDescription: String { "\(accept ?? "none") → \(expected ?? "406")" }
    }

    @Test(
        .verifies("house@xml-negotiation"),
        arguments: [
            Row(nil, "application/fhir+json"), Row("", "application/fhir+json"),
            Row("nonsense", "application/fhir+json"),
            Row("*/*", "application/fhir+json"), Row("application/*", "application/fhir+json"),
            Row("text/*", "text/json"),
            Row("application/fhir+json", "application/fhir+json"), Row("application/json", "application/json"),
            Row("text/json", "text/json"), Row("APPLICATION/FHIR+JSON", "application/fhir+json"),
            Row("application/fhir+xml", "application/fhir+xml"), Row("application/xml", "application/xml"),
            Row("text/xml", "text/xml"), Row("Application/FHIR+XML; charset=UTF-8", "application/fhir+xml"),
            Row("application/fhir+json; fhirVersion=4.0", "application/fhir+json"),
            Row("application/fhir+xml; fhirVersion=4.0.1", "application/fhir+xml"),
            Row("application/fhir+xml; fhirVersion=3.0", nil), Row("application/fhir+json; charset=latin1", nil),
            Row("application/fhir+xml; fhirVersion=5.0, application/fhir+json", "application/fhir+json"),
            // Weights.
            Row("application/fhir+json;q=0.5, application/fhir+xml;q=0.9", "application/fhir+xml"),
            Row("application/fhir+json;q=0.9, application/fhir+xml;q=0.5", "application/fhir+json"),
            Row("application/fhir+json, application/fhir+xml", "application/fhir+json"),
            Row("application/fhir+xml, application/fhir+json", "application/fhir+json"),
            Row("application/fhir+xml, */*", "application/fhir+xml"),
            Row("application/fhir+xml;q=0.1, */*;q=0.2", "application/fhir+json"),
            Row("*/*, application/fhir+json;q=0", "application/fhir+xml"),
            Row("application/*, application/fhir+json;q=0, application/fhir+xml;q=0", "application/json"),
            Row("application/fhir+json;q=0.123, application/fhir+xml;q=0.124", "application/fhir+xml"),
            Row("application/fhir+json;q=1.000, application/fhir+xml;q=1", "application/fhir+json"),
            Row("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
            Row("application/json, text/plain, */*", "application/json"),
            // What is no weight takes its range out.
            Row("application/fhir+xml;q=2, application/fhir+json;q=0.1", "application/fhir+json"),
            Row("application/fhir+xml;q=x", nil), Row("application/fhir+xml;q=0.1234", nil),
            Row("application/fhir+xml;q=1.1", nil), Row("application/fhir+xml;q=-1", nil),
            Row("application/fhir+xml;q=", nil),
            // Nothing that we have.
            Row("text/html", nil), Row("application/pdf", nil), Row("*/*;q=0", nil),
            Row("application/fhir+json;q=0.000", nil),
            Row("image/*", nil), Row("application/fhir+turtle", nil), Row("application/fhir", nil),
        ]) func `the best of what is acceptable is given`(row: Row)
    {
        #expect(AnswerFormat.accepted(row.accept)?.mediaType == row.expected)
    }

    @Test(
        .verifies("house@xml-negotiation"),
        arguments: [
            ("json", "application/fhir+json"), ("xml", "application/fhir+xml"), ("JSON", "application/fhir+json"),
            ("application/fhir+xml", "application/fhir+xml"), ("application/fhir xml", "application/fhir+xml"),
            ("application/fhir json", "application/fhir+json"), ("text/xml", "text/xml"),
            ("application/xml", "application/xml"),
            ("application/json", "application/json"), ("text/json", "text/json"),
            ("application/fhir+xml; fhirVersion=4.0", "application/fhir+xml"),
            ("application/fhir+xml;fhirVersion=3.0", nil),
            ("html", nil), ("text/html", nil), ("ttl", nil), ("", nil), ("*/*", nil), ("xml,json", nil),
            ("application/fhir  xml", nil),
        ] as [(String, String?)]) func `a format can be named`(value: String, expected: String?)
    {
        #expect(AnswerFormat.named(value)?.mediaType == expected)
    }

    @Test(
        .verifies("house@xml-negotiation"),
        arguments: [
            ("_format=xml", nil, "application/fhir+xml"),
            ("_format=xml", "application/fhir+json", "application/fhir+xml"),
            ("_format=json", "application/fhir+xml", "application/fhir+json"), ("a=b", "text/xml", "text/xml"),
            ("%5Fformat=%78ml", nil, "application/fhir+xml"),
            ("_format=application/fhir%2Bxml", nil, "application/fhir+xml"),
            ("_format=application/fhir+xml", nil, "application/fhir+xml"), (nil, nil, "application/fhir+json"),
            // Refusals too have a format, the best that can be told.
            ("_format=html", "application/fhir+xml", "application/fhir+xml"),
            ("_format=html", "text/html", "application/fhir+json"),
            ("%zz&_format=xml", "application/fhir+xml", "application/fhir+xml"),
            ("x_format=xml", nil, "application/fhir+json"),
        ] as [(String?, String?, String)])
    func `every request has a format for its answer`(query: String?, accept: String?, expected: String) {
        var request = FHIRRequest(method: .get, path: "/Patient", query: query)
        request.headers.accept = accept
        #expect(AnswerFormat(for: request).mediaType == expected)
    }

    @Test func `the form of a search can name it`() {
        var request = FHIRRequest(
            method: .post, path: "/Patient/_search", body: Array("name=a&_format=application%2Ffhir%2Bxml".utf8))
        #expect(AnswerFormat(for: request) == .json)
        request.headers.contentType = "application/x-www-form-urlencoded; charset=UTF-8"
        #expect(AnswerFormat(for: request) == .xml)
        request.method = .put
        #expect(AnswerFormat(for: request) == .json)
    }

    @Test(
        arguments: [
            (.post, "/Patient", "application/fhir+xml", true), (.put, "/Patient/a", "text/xml; charset=utf-8", true),
            (.post, "", "application/xml", true), (.post, "/Patient/$match", "application/fhir+xml", true),
            (.patch, "/Patient/a", "application/fhir+xml", false), (.get, "/Patient/a", "application/fhir+xml", false),
            (.post, "/Patient/_search", "application/fhir+xml", false),
            (.post, "/Patient", "application/fhir+json", false),
            (.post, "/Patient", "application/fhir+xml; charset=utf-16", false),
            (.post, "/Patient", "application/fhir+xml, text/xml", false),
            (.delete, "/Patient/a", "application/fhir+xml", false), (.post, "/Patient", "", false),
        ] as [(FHIRRequest.Method, String, String, Bool)])
    func `only a resource that says so is XML`(method: FHIRRequest.Method, path: String, type: String, expected: Bool) {
        var request = FHIRRequest(method: method, path: path, body: [0x3C])
        request.headers.contentType = type
        #expect(request.hasXMLResource == expected)
        request.headers.contentEncoding = "gzip"
        #expect(!request.hasXMLResource)
    }

    @Test func `an outcome has no character that XML has not`() throws {
        let outcome = OperationOutcome.json(
            code: "invalid", diagnostics: "`a\u{1}\u{FFFF}\nb` is no name", expression: ["\u{0}x"])
        let issue = try #require(try JSONValue(parsing: outcome)["issue"]?.array?.first)
        #expect(issue["diagnostics"] == "`a\u{FFFD}\u{FFFD}\u{FFFD}b` is no name")
        #expect(issue["expression"]?.array == ["\u{FFFD}x"])
    }
}
