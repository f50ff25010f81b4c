import FHIRCore
import FHIRXML
import RequirementTraits
import Testing

@testable import Enforcement

/// XML over a real socket: what the client sends and gets, and what the protected server sees of it.
@Suite(.serialized) struct LiveFormatTests {
    private static let observation =
        "<Observation xmlns=\"http://hl7.org/fhir\"><status value=\"final\"/><code><text value=\"a &amp; b\"/></code>"
        + "<subject><reference value=\"Patient/pA\"/></subject></Observation>"

    private func withGateway(
        _ conduct: @escaping @Sendable (LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct,
        _ body: (LiveGateway, LoopbackUpstream) async throws -> Void
    ) async throws {
        let upstream = try await LoopbackUpstream.start(conduct)
        let gateway = try await LiveGateway.start(
            upstream: try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)/r4"))
        do { try await body(gateway, upstream) } catch {
            try await gateway.stop()
            try await upstream.stop()
            throw error
        }
        try await gateway.stop()
        try await upstream.stop()
    }

    @Test(.verifies("house@xml-same-content"))
    func `a resource goes through the gateway and back as XML`() async throws {
        try await withGateway({ seen in
            let stored = seen.body.replacing("{\"resourceType\"", with: "{\"id\":\"new\",\"resourceType\"")
            return .answer(201, stored, headers: [("location", "Observation/new/_history/1"), ("etag", "W/\"1\"")])
        }) { gateway, upstream in
            let answers = try await gateway.send(
                gateway.request(
                    "POST", "/Observation", ["Content-Type: application/fhir+xml", "Accept: application/fhir+xml"],
                    body: Self.observation))

            #expect(answers[0].status == 201, "\(answers[0].body)")
            #expect(answers[0].header("content-type") == "application/fhir+xml; charset=utf-8")
            #expect(answers[0].header("content-security-policy") == "sandbox")
            #expect(answers[0].header("x-content-type-options") == "nosniff")
            #expect(answers[0].header("content-length") == String(answers[0].body.utf8.count))
            #expect(answers[0].body.contains("<id value=\"new\"/>"))
            #expect(answers[0].body.contains("<text value=\"a &amp; b\"/>"))
            let seen = try #require(upstream.seen.last)
            #expect(seen.headers.first { $0.name == "content-type" }?.value == "application/fhir+json")
            #expect(seen.headers.first { $0.name == "accept" }?.value == "application/fhir+json")
            #expect(try JSONValue(parsing: Array(seen.body.utf8))["code"]?["text"] == "a & b")
        }
    }

    @Test(.verifies("house@xml-same-content"))
    func `HEAD has the length of the format that was asked for`() async throws {
        let patient = #"{"resourceType":"Patient","id":"pA","active":true}"#
        try await withGateway({ _ in .answer(200, patient) }) { gateway, _ in
            let whole = try await gateway.send(gateway.request("GET", "/Patient/pA", ["Accept: text/xml"]))
            #expect(whole[0].header("content-type") == "text/xml; charset=utf-8")

            let connection = try await RawConnection.open(port: gateway.port, headAnswers: true)
            connection.write(gateway.request("HEAD", "/Patient/pA", ["Accept: text/xml"]))
            let head = try await connection.answers(1)
            connection.close()
            #expect(head[0].header("content-length") == String(whole[0].body.utf8.count))
            #expect(head[0].header("content-type") == whole[0].header("content-type"))
        }
    }

    @Test(
        .verifies("house@xml-same-content"),
        arguments: [#"[{"type":"Patient","interaction":[{"code":"read"}]}]"#, "[]"])
    func `the capabilities are given in both formats, and name them`(resources: String) async throws {
        let statement =
            #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","resource":\#(resources)}]}"#
        try await withGateway({ _ in .answer(200, statement) }) { gateway, upstream in
            func ask(_ target: String, _ accept: String) async throws -> RawAnswer {
                try await gateway.send("GET /fhir\(target) HTTP/1.1\r\nHost: gw.test\r\nAccept: \(accept)\r\n\r\n")[0]
            }
            let json = try await ask("/metadata", "application/fhir+json")
            let xml = try await ask("/metadata", "application/fhir+xml")
            let named = try await ask("/metadata?_format=xml", "application/fhir+json")
            let neither = try await ask("/metadata", "text/html")

            #expect(json.status == 200)
            #expect(xml.status == 200)
            #expect(named.body == xml.body)
            #expect(neither.status == 406)
            #expect(xml.header("vary") == "Accept")
            #expect(xml.header("content-type") == "application/fhir+xml; charset=utf-8")
            let document = try JSONValue(parsing: Array(json.body.utf8))
            #expect(document["format"] == ["json", "xml", "application/fhir+json", "application/fhir+xml"])
            let converted = try JSONValue(parsing: ResourceXML.json(fromXML: Array(xml.body.utf8)))
            #expect(converted.comparable == document.comparable)
            #expect(upstream.seen.count == 1)
        }
    }

    @Test func `a message refused for its form is answered in the format that it asks for`() async throws {
        try await withGateway({ _ in .hangUp }) { gateway, upstream in
            let answers = try await gateway.send(
                "GET /fhir/Patient/pA HTTP/1.1\r\nHost: other.test\r\nAccept: application/fhir+xml\r\n\r\n")

            #expect(answers[0].status == 421)
            #expect(answers[0].body.hasPrefix("<?xml"))
            #expect(upstream.seen.isEmpty)
        }
    }
}
