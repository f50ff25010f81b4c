import Audit
import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// AuditEvents read by their ids, over HTTP on the admin listener.
@Suite(.demoServer) struct AuditEventReadTests {
    let server: RunningServer
    private var base: String { server.admin + "/audit/fhir/AuditEvent" }

    init() throws { server = try #require(ServerScope.current) }

    private func `as`(_ user: String) -> [(String, String)] {
        [("authorization", "Basic " + Base64.encode("\(user):demo".utf8))]
    }

    /// The event of an access to patient-a.
    private func access() async throws -> JSONValue {
        let app = TestApp(server: server)
        _ = try await app.fhir("/Patient/patient-a", try await app.launch())
        let found = try await Browser().get(
            base + "?patient=patient-a&subtype=read&_count=1", headers: `as`("auditor-a"))
        return try #require(try found.json()["entry"]?.array?.first)
    }

    private func id(_ entry: JSONValue) throws -> String { try #require(entry["resource"]?["id"]?.string) }

    /// The readings of the trail that are recorded, as the local credential sees them.
    private func readings() async throws -> [JSONValue] {
        let credential = try #require(try LocalCredential(stateDirectory: server.folder))
        let listed = try await Browser().get(
            server.admin + "/admin/v1/audit?limit=400", headers: [("authorization", "Bearer \(credential.token)")])
        return try listed.json()["entries"]?.array ?? []
    }

    // MARK: - refusals

    @Test(.verifies("audit@read-by-id"))
    func `who may not see the trail is answered as if there were no such event`() async throws {
        let id = try id(try await access())
        let nobody = String(repeating: "0", count: 64)
        var answers: [Answer] = []
        for path in [
            "/\(id)", "/\(id)?_format=xml", "/\(id)/_history", "/\(id)/_history/1", "/\(nobody)", "/\(nobody)/_history",
        ] {
            answers.append(try await Browser().get(base + path, headers: `as`("patient-a")))
        }
        for path in [
            "/\(nobody)", "/\(nobody)/_history", "/\(nobody)/_history/1", "/\(id)/_history/2", "/\(id)/_history/0",
            "/\(id.uppercased())", "/\(id)0", "/x", "/a%2Fb", "/" + String(repeating: "y", count: 3000),
        ] {
            answers.append(try await Browser().get(base + path, headers: `as`("auditor-a")))
        }

        #expect(answers.allSatisfy { $0.status == 404 })
        #expect(Set(answers.map(\.text)).count == 1)
        #expect(answers.allSatisfy { $0["content-type"] == "application/fhir+json" && $0["etag"] == nil })
        #expect(try answers[0].json()["issue"]?.array?.first?["code"]?.string == "not-found")
        let refused = try await readings().filter {
            $0["kind"]?.string == "authorization-refused" && $0["by"]?.string == "patient-a"
        }
        #expect(refused.count == 6)
        #expect(refused.contains { $0["detail"]?.string == "GET /audit/fhir/AuditEvent/\(id)" })
    }

    @Test(.verifies("audit@read-by-id")) func `nobody reads an event without saying who they are`() async throws {
        let id = try id(try await access())
        for path in ["/\(id)", "/\(id)/_history/1", "/x"] {
            let answer = try await Browser().get(base + path)
            #expect(answer.status == 401)
            #expect(try answer.json()["resourceType"]?.string == "OperationOutcome")
        }
    }

    @Test(
        .verifies("audit@read-by-id"),
        arguments: [
            ("?_format=xml", "", 406, "not-supported"), ("?_format=application/fhir%2Bxml", "", 406, "not-supported"),
            ("", "application/fhir+xml", 406, "not-supported"), ("?_elements=id", "", 400, "not-supported"),
            ("?patient=patient-a", "", 400, "not-supported"), ("?_format=json&_format=json", "", 400, "invalid"),
        ])
    func `what a read does not take is refused`(_ query: String, _ accept: String, _ status: Int, _ code: String)
        async throws
    {
        let id = try id(try await access())
        let headers = `as`("auditor-a") + (accept.isEmpty ? [] : [("accept", accept)])
        for path in ["/\(id)", "/\(id)/_history/1", "/\(id)/_history"] {
            let answer = try await Browser().get(base + path + query, headers: headers)
            #expect(answer.status == status)
            #expect(try answer.json()["issue"]?.array?.first?["code"]?.string == code)
        }
    }

    @Test(
        .verifies("audit@read-by-id"),
        arguments: [
            (HTTPMethod.PUT, "/x", 405), (.DELETE, "/x", 405), (.PATCH, "/x", 405), (.POST, "", 405),
            (.POST, "/x", 405),
            (.GET, "/_history", 400), (.GET, "/x/y", 404), (.GET, "/x/_history/1/2", 404),
        ])
    func `what is not to be had is refused with an OperationOutcome`(method: HTTPMethod, path: String, status: Int)
        async throws
    {
        let answer = try await Browser().send(method, base + path, headers: `as`("admin-a"))
        #expect(answer.status == status)
        #expect(try answer.json()["resourceType"]?.string == "OperationOutcome")
    }

    @Test(
        .verifies("audit@fhir-search"),
        arguments: [
            ("_format=xml", 406, "not-supported"), ("altid=x", 400, "not-supported"),
            ("entity-role=1", 400, "not-supported"), ("_sort=patient", 400, "not-supported"),
            ("_include=AuditEvent:patient", 400, "not-supported"), ("scope=,", 400, "invalid"),
        ])
    func `a search that cannot be answered says why`(_ query: String, _ status: Int, _ code: String) async throws {
        let answer = try await Browser().get(base + "?" + query, headers: `as`("auditor-a"))
        #expect(answer.status == status)
        #expect(try answer.json()["issue"]?.array?.first?["code"]?.string == code)
    }

    @Test(.verifies("audit@readings")) func `who is refused a search or the console is recorded`() async throws {
        let search = try await Browser().get(base + "?patient=patient-a", headers: `as`("developer-a"))
        let console = try await Browser().get(server.admin + "/console/audit", headers: `as`("developer-a"))

        #expect(search.status == 403 && console.status == 403)
        let details = try await readings().filter {
            $0["kind"]?.string == "authorization-refused" && $0["by"]?.string == "developer-a"
        }.compactMap { $0["detail"]?.string }
        #expect(Set(details) == ["GET /audit/fhir/AuditEvent", "GET /console/audit"])
    }

    // MARK: - reads

    @Test(.verifies("audit@read-by-id"), arguments: ["auditor-a", "admin-a"])
    func `an event is read by the id that a search gave, and the reading is recorded`(user: String) async throws {
        let entry = try await access()
        let id = try id(entry)
        #expect(entry["fullUrl"]?.string?.hasSuffix("/audit/fhir/AuditEvent/\(id)") == true)

        let read = try await Browser().get(base + "/\(id)", headers: `as`(user))
        let version = try await Browser().get(base + "/\(id)/_history/1", headers: `as`(user))
        let head = try await Browser().send(.HEAD, base + "/\(id)?_format=application/fhir%2Bjson", headers: `as`(user))
        let history = try await Browser().get(base + "/\(id)/_history", headers: `as`(user))
        let found = try await Browser().get(
            base + "?_id=\(id),\(String(repeating: "0", count: 64))", headers: `as`(user))

        #expect(read.status == 200)
        let event = try read.json()
        #expect(event == entry["resource"])
        #expect(version.body == read.body)
        for answer in [read, version, head] {
            #expect(answer["etag"] == "W/\"1\"")
            #expect(answer["last-modified"]?.hasSuffix(" GMT") == true)
            #expect(answer["content-type"] == "application/fhir+json")
        }
        #expect(head.status == 200 && head.body.isEmpty)
        #expect(event["meta"]?["versionId"]?.string == "1")
        #expect(event["meta"]?["lastUpdated"] == event["recorded"])
        let versions = try history.json()
        #expect(versions["type"]?.string == "history")
        #expect(versions["entry"]?.array?.map { $0["resource"] } == [event])
        #expect(versions["entry"]?.array?.first?["response"]?["etag"]?.string == "W/\"1\"")
        #expect(try found.json()["entry"]?.array?.map { $0["resource"] } == [event])
        let mine = try await readings().filter {
            $0["kind"]?.string == "audit-read" && $0["by"]?.string == user
                && $0["detail"]?.string?.contains("_id=\(id)") == true
        }
        #expect(mine.count == 5)
        // An access to what is known of a patient is found by that patient.
        #expect(mine.filter { $0["patient"]?.string == "patient-a" }.count == 4)
    }

    @Test(.verifies("audit@read-by-id")) func `what can be asked is what the statement says`() async throws {
        let statement = try await Browser().get(server.admin + "/audit/fhir/metadata", headers: `as`("auditor-a"))
            .json()
        let resource = statement["rest"]?.array?.first?["resource"]?.array?.first
        #expect(
            resource?["interaction"]?.array?.compactMap { $0["code"]?.string } == [
                "read", "vread", "history-instance", "search-type",
            ])
        #expect(resource?["readHistory"] == .bool(true))
        let names = resource?["searchParam"]?.array?.compactMap { $0["name"]?.string } ?? []
        #expect(Set(names).isSuperset(of: ["_id", "_lastUpdated", "date", "patient", "source", "agent", "policy"]))
    }
}
