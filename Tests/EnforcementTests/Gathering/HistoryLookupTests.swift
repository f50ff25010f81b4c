import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// What a history of a type may cost when the protected server does not keep to what it was asked for.
@Suite struct HistoryLookupTests {
    /// A server whose history is one page of so many rows, whatever `_count` says.
    private func server(rows: Int) -> ScriptedUpstream {
        let store = ScriptedRecords(
            (0..<rows).map {
                [
                    "resourceType": "Observation", "id": .string("o\($0)"), "status": "final",
                    "code": ["text": "x"], "subject": ["reference": "Patient/pA"],
                ] as JSONValue
            }, base: GatewayHarness.upstreamBase, obedience: .obedient)
        return ScriptedUpstream { request in
            guard request.path.hasSuffix("/_history") else { return store.upstream.reply(to: request) }
            let entries: [JSONValue] = (0..<rows).map { number in
                [
                    "resource": [
                        "resourceType": "Observation", "id": .string("o\(number)"), "meta": ["versionId": "1"],
                        "status": "final", "code": ["text": "x"], "subject": ["reference": "Patient/pA"],
                    ],
                    "request": ["method": "PUT", "url": .string("Observation/o\(number)")],
                ]
            }
            let body = JSONValue.object([
                JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "history"),
                JSONMemberValue("entry", .array(entries)),
            ])
            return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), body.serialized)
        }
    }

    private func answer(rows: Int) async throws -> GatewayHarness.Answer {
        let panels = PanelSource.table(
            users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])])
        let harness = try GatewayHarness(upstream: server(rows: rows), panels: panels)
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")
        return await harness.send("GET", "/Observation/_history?_count=50", token: token)
    }

    @Test(.verifies("house@HISTORY-LOOKUPS"))
    func `a page that is far longer than asked for is refused and not looked up row by row`() async throws {
        let answer = try await answer(rows: 4_000)

        #expect(answer.status == 502)
        #expect(answer.upstream.count == 1)
    }

    @Test(.verifies("house@HISTORY-LOOKUPS"), arguments: [50, 400])
    func `a page that can be afforded is looked up`(rows: Int) async throws {
        let answer = try await answer(rows: rows)

        #expect(answer.status == 200)
        #expect(answer.keys.count == 50)
        #expect(answer.upstream.count == 1 + (rows + 39) / 40)
    }
}
