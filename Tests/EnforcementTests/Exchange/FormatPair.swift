import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import FHIRXML
import Testing

/// One request sent by two clients that differ in nothing but the format they speak.
struct FormatPair {
    let json: GatewayHarness.Answer
    let xml: GatewayHarness.Answer

    /// - Parameters:
    ///   - upstream: makes a fresh protected server for each of the two.
    ///   - body: a resource in JSON; the other client sends the same in XML.
    static func send(
        _ method: String, _ target: String, scope: String?, patient: String? = nil, body: String = "",
        headers: [(name: String, value: String)] = [], upstream: () -> ScriptedUpstream
    ) async throws -> FormatPair {
        let isPatch = method == "PATCH"
        var answers: [GatewayHarness.Answer] = []
        for format in ["json", "xml"] {
            let harness = try GatewayHarness(upstream: upstream())
            let token = try scope.map { try harness.token(scope: $0, patient: patient) }
            var sent = Array(body.utf8)
            if format == "xml", !isPatch, !body.isEmpty { sent = try ResourceXML.xml(fromJSON: sent) }
            var fields = headers + [(name: "Accept", value: "application/fhir+\(format)")]
            if !body.isEmpty {
                let type = isPatch ? "application/json-patch+json" : "application/fhir+\(format)"
                fields.append((name: "Content-Type", value: type))
            }
            answers.append(await harness.send(method, target, token: token, headers: fields, body: sent))
        }
        return FormatPair(json: answers[0], xml: answers[1])
    }

    /// Both clients see the same, the protected server was asked the same, and the same was recorded.
    func expectSame(_ note: Comment, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(json.status == xml.status, note, sourceLocation: sourceLocation)
        #expect(fields(of: json) == fields(of: xml), note, sourceLocation: sourceLocation)
        #expect(json.body.isEmpty == xml.body.isEmpty, note, sourceLocation: sourceLocation)
        if !xml.body.isEmpty {
            #expect(
                json.field("content-type") == "application/fhir+json; charset=utf-8", note,
                sourceLocation: sourceLocation)
            #expect(
                xml.field("content-type") == "application/fhir+xml; charset=utf-8", note, sourceLocation: sourceLocation
            )
            let converted = try JSONValue(parsing: ResourceXML.json(fromXML: xml.body))
            #expect(
                try JSONValue(parsing: json.body).comparable == converted.comparable, note,
                sourceLocation: sourceLocation)
        }
        #expect(calls(of: json) == calls(of: xml), note, sourceLocation: sourceLocation)
        #expect(try records(of: json) == records(of: xml), note, sourceLocation: sourceLocation)
    }

    /// But for what names the format and the exchange.
    private func fields(of answer: GatewayHarness.Answer) -> [String] {
        answer.fields.filter { $0.name != "content-type" && $0.name != "x-request-id" }.map {
            "\($0.name): \($0.value)"
        }
    }

    private func calls(of answer: GatewayHarness.Answer) -> [String] {
        answer.upstream.map { request in
            let body =
                (try? JSONValue(parsing: request.body).comparable.text) ?? String(decoding: request.body, as: UTF8.self)
            return "\(request.method.rawValue) \(request.path)?\(request.query ?? "") \(request.ifMatch ?? "") "
                + "\(request.contentType ?? "") \(request.prefer ?? "") \(body)"
        }
    }

    private func records(of answer: GatewayHarness.Answer) throws -> [AccessRecord] {
        try answer.records.compactMap { entry in
            guard case .access(var record) = try AuditStatement(decoding: entry.body).event else { return nil }
            record.decisionID = DecisionID("any")
            record.parent = record.parent.map { _ in DecisionID("any") }
            record.endedAt = nil
            return record
        }
    }
}

extension JSONValue {
    /// With members in the order of their names, and sealed page links, which are never the same twice, left out.
    var comparable: JSONValue {
        switch self {
        case .object(let members):
            .object(members.sorted { $0.name < $1.name }.map { JSONMemberValue($0.name, $0.value.comparable) })
        case .array(let elements): .array(elements.map(\.comparable))
        case .string(let text):
            .string(
                text.hasPrefix(GatewayHarness.publicBase + "/_page/") ? GatewayHarness.publicBase + "/_page/" : text)
        case .null, .bool, .int, .number: self
        }
    }
}
