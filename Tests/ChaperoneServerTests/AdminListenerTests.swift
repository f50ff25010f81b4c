import Audit
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

    /// Whether a listing has a reading of the trail by somebody, of something.
    private static func tells(_ listing: Answer, _ actor: String, _ asked: String) throws -> Bool {
        try listing.json()["entries"]?.array?.contains {
            $0["kind"]?.string == "audit-read" && $0["by"]?.string == actor
                && $0["detail"]?.string?.contains(asked) == true
        } == true
    }

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

    @Test(
        .verifies("house@admin-no-forms"),
        arguments: [
            ("origin", "null", 403), ("content-type", "text/plain", 415), ("content-type", "application/jsonx", 415),
            ("content-type", "application/x-www-form-urlencoded", 415), ("content-type", "multipart/form-data", 415),
            ("content-type", "application/json; charset=utf-8", 404), ("accept", "*/*", 404),
        ])
    func `what a browser's form can send is refused`(_ name: String, _ value: String, _ status: Int) async throws {
        let path = server.admin + "/admin/v1/grants/none/revoke"
        let answer = try await Browser().send(.POST, path, headers: try local() + [(name, value)])
        #expect(answer.status == status, "\(answer.text)")
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
        #expect(try Self.tells(readings, "auditor-a", "patient=patient-a"))
    }

    @Test(.verifies("audit@fhir-search"))
    func `a span of dates is two dates, and the record of the reading has both`() async throws {
        let app = TestApp(server: server)
        _ = try await app.fhir("/Patient/patient-a", try await app.launch())

        let within = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?patient=patient-a&date=ge2020-01-01&date=lt2999-01-01",
            headers: basic("auditor-a"))
        let before = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?patient=patient-a&date=ge2019-01-01&date=lt2020-01-01",
            headers: basic("auditor-a"))
        let twice = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?patient=patient-a&patient=patient-b", headers: basic("auditor-a"))
        let readings = try await Browser().get(server.admin + "/admin/v1/audit?limit=200", headers: basic("auditor-a"))

        #expect(within.status == 200)
        #expect(try within.json()["entry"]?.array?.isEmpty == false)
        #expect(before.status == 200)
        #expect(try before.json()["entry"] == nil)
        #expect(twice.status == 400)
        #expect(try Self.tells(readings, "auditor-a", "date=ge2020-01-01&date=lt2999-01-01&patient=patient-a"))
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
        #expect(try Self.tells(readings, "local", "cursor=\(cursor)"))
        #expect(try Self.tells(readings, "auditor-a", "_after="))
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
        let answer = try await Browser().send(
            .POST, server.admin + "/admin/v1/grants/any/revoke", headers: basic("auditor-a"))

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

    @Test(.verifies("audit@console"), arguments: ["auditor-a", "admin-a"])
    func `the console shows who read what to those who may see it`(account: String) async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        _ = try await app.fhir("/Condition?_count=1", token)

        let page = try await Browser().get(
            server.admin + "/console/audit?patient=patient-a&outcome=permitted&kind=access&client=&user=",
            headers: basic(account))

        #expect(page.status == 200)
        #expect(page["content-type"]?.hasPrefix("text/html") == true)
        #expect(page["content-security-policy"]?.contains("default-src 'none'") == true)
        #expect(page.text.contains("GET /Condition?_count=1"))
        #expect(page.text.contains("<svg class=\"timeline\""))
        #expect(!page.text.contains("<script"))
        #expect(!page.text.contains("style=\""))
    }

    @Test(.verifies("audit@console")) func `the console is closed to members and to strangers`() async throws {
        #expect(try await Browser().get(server.admin + "/console/audit").status == 401)
        #expect(try await Browser().get(server.admin + "/console/audit", headers: basic("patient-a")).status == 403)
    }

    @Test func `a filter of the console that is wrong is said on the page, and text of strangers is text`() async throws
    {
        let page = try await Browser().get(
            server.admin + "/console/audit?since=%3Cb%3Ex", headers: basic("auditor-a"))
        #expect(page.status == 400)
        #expect(page.text.contains("role=\"alert\""))
        #expect(page.text.contains("value=\"&lt;b&gt;x\""))
    }

    @Test func `a trace goes from the request into its record`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        let bearer = try #require(token["access_token"]?.string)
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        _ = try await Browser().get(
            server.fhir + "/Patient/patient-a",
            headers: [("authorization", "Bearer \(bearer)"), ("traceparent", "00-\(trace)-00f067aa0ba902b7-01")])

        let listed = try await Browser().get(server.admin + "/admin/v1/audit?limit=200", headers: try local())

        let row = try #require(try listed.json()["entries"]?.array?.first { $0["trace"]?.string == trace })
        #expect(row["legalBasis"]?.string?.contains("156.221") == true)
        #expect(row["purpose"]?.array?.compactMap(\.string) == ["PATRQT"])
    }

    @Test func `the configuration in force is recorded once`() async throws {
        let listed = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?subtype=configuration-changed", headers: basic("auditor-a"))
        #expect(try listed.json()["total"]?.int == 1)
    }

    @Test(.verifies("audit@retention")) func `holds are placed and lifted by administrators, and recorded`()
        async throws
    {
        let path = server.admin + "/admin/v1/audit/holds"
        let refused = try await Browser().send(.POST, path + "?reason=x", headers: basic("auditor-a"))
        let placed = try await Browser().send(.POST, path + "?patient=patient-a&reason=claim", headers: try local())
        let id = try #require(try placed.json()["id"]?.string)
        let listed = try await Browser().get(path, headers: basic("auditor-a"))
        let lifted = try await Browser().send(.POST, path + "/\(id)", headers: try local())
        let again = try await Browser().send(.POST, path + "/\(id)", headers: try local())
        let records = try await Browser().get(
            server.admin + "/audit/fhir/AuditEvent?subtype=hold-placed,hold-lifted", headers: basic("auditor-a"))

        #expect(refused.status == 403)
        #expect(listed.text.contains(id))
        #expect(lifted.status == 200)
        #expect(again.status == 404)
        // The second lifting is recorded as refused.
        #expect(try records.json()["total"]?.int == 3)
    }

    @Test(.verifies("audit@checkpoints"))
    func `a checkpoint can be made and verified with the keys that are given out`() async throws {
        let keys = try await Browser().get(server.admin + "/admin/v1/audit/keys", headers: basic("auditor-a"))
        let made = try await Browser().send(.POST, server.admin + "/admin/v1/audit/checkpoints", headers: try local())

        let set = try JWKSet(parsing: try keys.json(), from: .registered)
        let signed = try SignedAuditCheckpoint(
            verifying: try #require(try made.json()["signed"]?.string), keys: set)

        #expect(signed.checkpoint.node == "local")
        #expect(!keys.text.contains("\"d\""))
    }

    @Test func `metrics tell of writing, disk and feeds`() async throws {
        let metrics = try await Browser().get(server.admin + "/metrics", headers: try local())
        for name in [
            "chaperone_audit_sync_seconds_bucket{le=\"+Inf\"}", "chaperone_audit_disk_free_bytes",
            "chaperone_audit_disk_full_seconds",
        ] {
            #expect(metrics.text.contains(name))
        }
    }

    @Test func `a second server on the same folder is refused`() async throws {
        await #expect(throws: Installation.Held.self) {
            _ = try await Installation(configuration: server.configuration)
        }
    }
}
