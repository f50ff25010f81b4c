import ChaperoneTesting
import Enforcement
import RequirementTraits
import Testing

/// Requests whose answers must not differ in one byte (decision 5, enforcer.md b.3).
@Suite struct IndistinguishableTests {
    /// What a client sees of an answer.
    private struct Face: Equatable, CustomStringConvertible {
        let status: Int
        let fields: [String]
        let body: String

        init(_ answer: GatewayHarness.Answer) {
            status = answer.status
            // The request id is random and differs for every request.
            fields = answer.fields.filter { $0.name != "x-request-id" }.map { "\($0.name): \($0.value)" }
            body = answer.text
        }

        var description: String { "\(status) \(fields) \(body)" }
    }

    private func faces(_ targets: [String], method: String = "GET", headers: [(name: String, value: String)] = [])
        async throws -> [Face]
    {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream)
        let token = try catalogue.token("Pw", from: harness)
        var faces: [Face] = []
        for target in targets {
            faces.append(Face(await harness.send(method, target, token: token, headers: headers)))
        }
        return faces
    }

    @Test(.verifies("attack@ATK-001"))
    func `another patient and no patient have one face`() async throws {
        let faces = try await faces(["/Patient/pB", "/Patient/pC", "/Patient/nobody"])

        #expect(faces.allSatisfy { $0 == faces[0] && $0.status == 404 })
    }

    @Test(.verifies("attack@ATK-003"))
    func `foreign, deleted, orphaned and missing records have one face`() async throws {
        let faces = try await faces([
            "/Observation/obsB", "/Observation/obsB-deleted", "/Observation/obs-orphan", "/Observation/never",
        ])

        #expect(faces.allSatisfy { $0 == faces[0] && $0.status == 404 })
    }

    @Test(.verifies("attack@ATK-004"))
    func `HEAD of foreign and missing records has one face`() async throws {
        let faces = try await faces(["/Observation/obsB", "/Observation/never"], method: "HEAD")

        #expect(faces[0] == faces[1])
        #expect(!faces[0].fields.contains { $0.hasPrefix("etag") || $0.hasPrefix("last-modified") })
    }

    @Test(.verifies("attack@ATK-006"), arguments: ["If-None-Match", "If-Modified-Since"])
    func `conditions on foreign and missing records have one face`(header: String) async throws {
        let value = header == "If-None-Match" ? "W/\"1\"" : "Thu, 01 Jan 2099 00:00:00 GMT"

        let faces = try await faces(["/Observation/obsB", "/Observation/never"], headers: [(header, value)])

        #expect(faces[0] == faces[1] && faces[0].status == 404)
    }

    @Test(.verifies("attack@ATK-116"), arguments: ["PUT", "DELETE"])
    func `writing to a foreign and to a free id have one face`(method: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream)
        let token = try catalogue.token("Pw", from: harness)
        var faces: [Face] = []
        for id in ["obsB", "obsB-deleted", "never"] {
            let body =
                #"{"resourceType":"Observation","id":"\#(id)","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
            faces.append(
                Face(
                    await harness.send(
                        method, "/Observation/\(id)", token: token,
                        headers: method == "PUT" ? [("Content-Type", "application/fhir+json")] : [],
                        body: method == "PUT" ? Array(body.utf8) : [])))
        }

        #expect(faces.allSatisfy { $0 == faces[0] && $0.status == 404 })
    }

    @Test(.verifies("attack@ATK-016"))
    func `naming a foreign and naming a missing patient have one face`() async throws {
        let faces = try await faces(["/Observation?patient=pB", "/Observation?patient=nobody"])

        #expect(faces[0] == faces[1] && faces[0].status == 403)
    }
}
