import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Submissions through the whole gateway: what is looked up first, and what the opening record says.
@Suite struct SubmissionAnswerTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]

    private static func submission(_ coverage: String) -> [UInt8] {
        Array(
            #"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Claim","id":"c","patient":{"reference":"urn:uuid:2"},"insurance":[{"sequence":1,"focal":true,"coverage":{"reference":"\#(coverage)"}}]}},{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Patient","id":"pA"}}]}"#
                .utf8)
    }

    private static func site(
        change: @escaping @Sendable (UpstreamRequest, ScriptedUpstream.Reply) -> ScriptedUpstream.Reply = { $1 }
    ) throws -> (GatewayHarness, String) {
        let records = ["covA": "pA", "covB": "pB"].sorted { $0.key < $1.key }.map { id, patient -> JSONValue in
            [
                "resourceType": "Coverage", "id": .string(id), "status": "active",
                "beneficiary": ["reference": .string("Patient/\(patient)")],
            ]
        }
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase)
        let upstream = store.upstream.mapping { request, reply in
            let answer = #"{"resourceType":"Bundle","type":"collection"}"#
            return request.method == .post
                ? .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(answer.utf8))
                : change(request, reply)
        }
        let harness = try GatewayHarness(
            upstream: upstream,
            panels: .table(
                users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])]))
        return (harness, try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1"))
    }

    @Test(.verifies("house@OPS-03"), arguments: ["$submit", "$inquire"])
    func `a foreign record, none and one that is too large are refused alike`(operation: String) async throws {
        let (harness, token) = try Self.site { request, reply in
            request.path == "/Coverage/large" ? .failure(.tooLarge) : reply
        }
        var faces: Set<[UInt8]> = []

        for id in ["covB", "none", "large"] {
            let answer = await harness.send(
                "POST", "/Claim/\(operation)", token: token, headers: Self.json,
                body: Self.submission("Coverage/\(id)"))
            #expect(answer.status == 422, "\(answer.text)")
            #expect(answer.upstream.map(\.path) == ["/Coverage/\(id)"])
            faces.insert(answer.body)
        }

        #expect(faces.count == 1)
    }

    @Test(.verifies("house@OPS-03", "house@OPS-04"))
    func `the opening record of a call that changes something says whom and what it is about`() async throws {
        let (harness, token) = try Self.site()

        let answer = await harness.send(
            "POST", "/Claim/$submit", token: token, headers: Self.json, body: Self.submission("Coverage/covA"))

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.upstream.map(\.path) == ["/Coverage/covA", "/Claim/$submit"])
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
        #expect(answer.records.map(\.index.patients) == [["pA"], ["pA"]])
        guard case .access(let record)? = try answer.records.first?.statement().event else {
            Issue.record("no opening record")
            return
        }
        #expect(record.targets == ["POST Claim/c", "POST Patient/pA"])
    }
}
