import Authorization
import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

@Suite(.demoServer) struct AdminListenerTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    private func local() throws -> [(String, String)] {
        let credential = try #require(try LocalCredential(stateDirectory: server.folder))
        return [("authorization", "Bearer \(credential.token)")]
    }

    private func basic(_ user: String, _ password: String = "demo") -> [(String, String)] {
        [("authorization", "Basic " + Base64.encode("\(user):\(password)".utf8))]
    }

    @Test(arguments: ["/admin/v1/audit", "/admin/v1/grants", "/admin/v1/users", "/metrics", "/audit/fhir/AuditEvent"])
    func `nobody is answered without saying who they are`(path: String) async throws {
        let answer = try await Browser().get(server.admin + path)

        #expect(answer.status == 401)
        #expect(answer["www-authenticate"]?.hasPrefix("Basic ") == true)
    }

    @Test(arguments: ["Bearer guess", "Bearer ", "Basic !!!", "Digest x", "Basic ZGVtbw=="])
    func `a credential that is not one is refused`(header: String) async throws {
        let answer = try await Browser().get(server.admin + "/admin/v1/grants", headers: [("authorization", header)])

        #expect(answer.status == 401)
    }

    @Test func `a wrong password is refused`() async throws {
        let answer = try await Browser().get(server.admin + "/admin/v1/grants", headers: basic("admin-a", "wrong"))

        #expect(answer.status == 401)
    }

    @Test func `a member's account opens nothing on the admin side`() async throws {
        let answer = try await Browser().get(server.admin + "/admin/v1/audit", headers: basic("patient-a"))

        #expect(answer.status == 403)
    }

    @Test func `a credential is not taken from a page of another site`() async throws {
        let answer = try await Browser().get(
            server.admin + "/admin/v1/grants", headers: try local() + [("sec-fetch-site", "cross-site")])

        #expect(answer.status == 403)
    }

    @Test(.verifies("house@local-credential")) func `the local credential is for its owner's eyes only`() throws {
        var status = stat()

        let result = stat("\(server.folder)/\(LocalCredential.fileName)", &status)

        #expect(result == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test(.verifies("house@who-read-what")) func `who read what with which scope can be listed`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        _ = try await app.fhir("/Condition?_count=1", token)

        let listed = try await Browser().get(
            server.admin + "/admin/v1/audit?patient=patient-a&client=demo-patient-app&outcome=permitted",
            headers: try local())

        let rows = try listed.json()["entries"]?.array ?? []
        let row = try #require(rows.first { $0["request"]?.string == "GET /Condition?_count=1" })
        #expect(row["client"]?.string == "demo-patient-app")
        #expect(row["user"]?.string == "patient-a")
        #expect(row["patient"]?.string == "patient-a")
        #expect(row["scopes"]?.array?.contains("patient/Condition.rs") == true)
        #expect(row["outcome"]?.string == "permitted")
        #expect(row["status"]?.int == 200)
        #expect(row["phase"]?.string == "closed")
    }

    @Test func `a refused access is listed too`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        _ = try await app.fhir("/Patient/patient-b", token)

        let listed = try await Browser().get(
            server.admin + "/admin/v1/audit?client=demo-patient-app&outcome=refused", headers: try local())

        let requests = try listed.json()["entries"]?.array?.compactMap { $0["request"]?.string } ?? []
        #expect(requests.contains { $0.contains("Patient/patient-b") })
    }

    @Test func `an auditor finds AuditEvents by FHIR search, and is found there`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        _ = try await app.fhir("/Patient/patient-a", token)

        let found = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?patient=patient-a", headers: basic("auditor-a"))
        let readings = try await Browser().get(
            server.admin + "/admin/v1/audit?limit=200", headers: basic("auditor-a"))

        #expect(found.status == 200)
        #expect(found["content-type"] == "application/fhir+json")
        #expect(try found.json()["resourceType"]?.string == "Bundle")
        #expect(try found.json()["entry"]?.array?.first?["resource"]?["resourceType"]?.string == "AuditEvent")
        #expect(readings.text.contains("by auditor-a: patient=patient-a"))
    }

    @Test func `every page of the audit trail that somebody reads is recorded`() async throws {
        let first = try await Browser().get(server.admin + "/admin/v1/audit?limit=1", headers: try local())
        let cursor = try #require(try first.json()["next"]?.string)
        let search = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?_count=1", headers: basic("auditor-a"))
        let next = try #require(
            try search.json()["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string)

        let second = try await Browser().get(
            server.admin + "/admin/v1/audit?limit=1&cursor=\(cursor)", headers: try local())
        let further = try await Browser().get(next, headers: basic("auditor-a"))

        let readings = try await Browser().get(server.admin + "/admin/v1/audit?limit=200", headers: try local())
        #expect(second.status == 200)
        #expect(further.status == 200)
        #expect(readings.text.contains("by local: cursor=\(cursor)"))
        #expect(readings.text.contains("by auditor-a: _after="))
    }

    @Test func `a parameter that nobody looks at is refused`() async throws {
        let listed = try await Browser().get(server.admin + "/admin/v1/audit?pateint=x", headers: try local())
        let searched = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?pateint=x", headers: basic("auditor-a"))

        #expect(listed.status == 400)
        #expect(listed["content-type"] == "application/problem+json")
        #expect(searched.status == 400)
        #expect(try searched.json()["resourceType"]?.string == "OperationOutcome")
    }

    @Test func `an auditor can look but not end a grant`() async throws {
        let answer = try await Browser().post(
            server.admin + "/admin/v1/grants/any/revoke", [], headers: basic("auditor-a"))

        #expect(answer.status == 403)
    }

    @Test(.verifies("house@revocation-immediate")) func `a grant that was ended opens nothing any longer`() async throws
    {
        let app = TestApp(server: server)
        let token = try await app.launch(as: "patient-b")
        #expect(try await app.fhir("/Patient/patient-b", token).status == 200)
        let grants = try await Browser().get(server.admin + "/admin/v1/grants?user=patient-b", headers: try local())
        let id = try #require(try grants.json()["grants"]?.array?.first?["id"]?.string)

        let ended = try await Browser().send(
            .POST, server.admin + "/admin/v1/grants/\(id)/revoke", headers: try local())
        let again = try await Browser().send(
            .POST, server.admin + "/admin/v1/grants/\(id)/revoke", headers: try local())

        #expect(ended.status == 200)
        #expect(again.status == 409)
        #expect(try await app.fhir("/Patient/patient-b", token).status == 401)
    }

    @Test func `an account that was added can sign in and reads its own record`() async throws {
        let body = #"{"username":"new-member","password":"a-long-password","patients":["patient-b"]}"#
        let headers = try local() + [("content-type", "application/json")]

        let added = try await Browser().send(.POST, server.admin + "/admin/v1/users", headers: headers, body: body)
        let again = try await Browser().send(.POST, server.admin + "/admin/v1/users", headers: headers, body: body)

        #expect(added.status == 200)
        #expect(!added.text.contains("a-long-password"))
        #expect(again.status == 409)
    }

    @Test(arguments: [
        "{}", #"{"username":"x"}"#, #"{"username":"x","password":"a-long-password","fhirUser":"Observation/1"}"#,
        #"{"username":"x","password":"a-long-password","roles":["king"]}"#, #"{"username":"x","color":"red"}"#, "[1",
        "[]",
    ])
    func `an account that is not fully described is not added`(body: String) async throws {
        let headers = try local() + [("content-type", "application/json")]

        let answer = try await Browser().send(.POST, server.admin + "/admin/v1/users", headers: headers, body: body)

        #expect(answer.status == 400)
    }

    @Test func `clients, users and keys are listed without their secrets`() async throws {
        for path in ["clients", "users", "keys", "clients/demo-smart1-app"] {
            let answer = try await Browser().get(server.admin + "/admin/v1/\(path)", headers: try local())
            #expect(answer.status == 200)
            #expect(!answer.text.contains("secret\":"))
            #expect(!answer.text.contains("argon2"))
            #expect(!answer.text.contains("\"d\""))
        }
    }

    @Test func `metrics are in the Prometheus text format`() async throws {
        let answer = try await Browser().get(server.admin + "/metrics", headers: try local())

        #expect(answer.status == 200)
        #expect(answer["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
        #expect(answer.text.contains("# TYPE chaperone_http_requests_total counter\n"))
        #expect(answer.text.contains("chaperone_audit_can_record 1"))
    }

    @Test func `a second server on the same folder is refused`() async throws {
        await #expect(throws: Installation.Held.self) {
            _ = try await Installation(configuration: server.configuration)
        }
    }
}
