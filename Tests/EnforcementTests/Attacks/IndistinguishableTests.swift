import ChaperoneTesting
import Enforcement
import RequirementTraits
import Testing

/// Requests whose answers must not differ in one byte (decision 5, enforcer.md b.3).
@Suite(.underMutation) struct IndistinguishableTests {
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

    // MARK: - on every server

    /// A protected server that the same question is put to.
    enum Server: CustomTestStringConvertible, CaseIterable {
        case sandbox, obedient, lenient
        case hostile(UpstreamHostility)

        static var allCases: [Server] {
            [.sandbox, .obedient, .lenient] + UpstreamHostility.allCases.map(Server.hostile)
        }

        var testDescription: String { "\(self)" }

        func harness() throws -> GatewayHarness {
            let catalogue = try AttackCatalogue.shared.get()
            let upstream =
                switch self {
                case .sandbox: try SandboxUpstream(catalogue.records, deleted: catalogue.deleted).upstream
                case .obedient: catalogue.store(.obedient).upstream
                case .lenient: catalogue.store(.lenient).upstream
                case .hostile(let hostility):
                    catalogue.store(.lenient).upstream.hostile(hostility, foreign: catalogue.records(of: "pB"))
                }
            return try GatewayHarness(upstream: upstream)
        }
    }

    /// A way to ask about one record.
    enum Ask: String, CaseIterable {
        case read, head, vread, history, delete, update, patch, testingPatch, conditionalRead, versionedUpdate

        func answer(about id: String, from harness: GatewayHarness, token: String) async -> GatewayHarness.Answer {
            let place = "/Observation/\(id)"
            func body(_ text: String, _ type: String) -> ([(name: String, value: String)], [UInt8]) {
                ([("Content-Type", type)], Array(text.utf8))
            }
            let whole = body(
                #"{"resourceType":"Observation","id":"\#(id)","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#,
                "application/fhir+json")
            let change = body(#"[{"op":"replace","path":"/status","value":"final"}]"#, "application/json-patch+json")
            let question = body(#"[{"op":"test","path":"/status","value":"final"}]"#, "application/json-patch+json")
            return switch self {
            case .read: await harness.send("GET", place, token: token)
            case .head: await harness.send("HEAD", place, token: token)
            case .vread: await harness.send("GET", place + "/_history/1", token: token)
            case .history: await harness.send("GET", place + "/_history", token: token)
            case .delete: await harness.send("DELETE", place, token: token)
            case .update: await harness.send("PUT", place, token: token, headers: whole.0, body: whole.1)
            case .patch: await harness.send("PATCH", place, token: token, headers: change.0, body: change.1)
            case .testingPatch: await harness.send("PATCH", place, token: token, headers: question.0, body: question.1)
            case .conditionalRead:
                await harness.send("GET", place, token: token, headers: [("If-None-Match", "W/\"1\"")])
            case .versionedUpdate:
                await harness.send(
                    "PUT", place, token: token, headers: whole.0 + [("If-Match", "W/\"1\"")], body: whole.1)
            }
        }
    }

    @Test(.verifies("house@not-yours-not-there"), arguments: Server.allCases, Ask.allCases)
    func `what is not yours and what is not there are one, byte for byte`(server: Server, ask: Ask) async throws {
        let harness = try server.harness()
        let token = try AttackCatalogue.shared.get().token("Pw", from: harness) ?? ""
        var faces: [Face] = []
        for id in ["never", "obsB", "obsB-deleted", "obs-orphan"] {
            let answer = await ask.answer(about: id, from: harness, token: token)
            try expectNoLeak(answer)
            faces.append(Face(answer))
        }

        #expect(faces[0].status >= 400)
        #expect(faces.allSatisfy { $0 == faces[0] })
    }

    @Test(.verifies("house@not-yours-not-there"), arguments: [Server.sandbox, .obedient, .lenient], Ask.allCases)
    func `on a server that works that one is 404`(server: Server, ask: Ask) async throws {
        let harness = try server.harness()
        let token = try AttackCatalogue.shared.get().token("Pw", from: harness) ?? ""

        let answer = await ask.answer(about: "obsB", from: harness, token: token)

        #expect(answer.status == 404)
    }
}
