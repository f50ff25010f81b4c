import AccessPolicy
import FHIRCore
import NIOCore
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// The lines of access logs, and what is made of them.
@Suite struct AccessLogTests {
    private static let head = #"192.0.2.1 - - [25/Nov/2026:18:30:05 +0100] "#
    private static let tail = #" 200 512 "-" "curl/8""#

    @Test(arguments: [
        "", "nonsense", #"192.0.2.1 - - [25/Nov/2026:18:30:05] "GET / HTTP/1.1" 200 1"#,
        #"192.0.2.1 - - [99/Nov/2026:18:30:05 +0000] "GET / HTTP/1.1" 200 1"#,
        #"192.0.2.1 - - [25/Nov/2026:18:30:9223372036854775807 +0000] "GET / HTTP/1.1" 200 1"#,
        #"192.0.2.1 - - [25/Nov/2026:-9223372036854775807:30:05 +0000] "GET / HTTP/1.1" 200 1"#,
        head + #""GET /fhir/Patient" 200 1"#, head + #""GET /fhir/Patient HTTP/1.1" x 1"#,
        head + #""\x16\x03\x01" 400 0"#,
    ])
    func `what is no line of a request is passed over`(_ line: String) {
        #expect(AccessLogLine(line) == nil)
    }

    @Test func `a combined line is read with its fields`() throws {
        let line = try #require(
            AccessLogLine(
                Self.head + #""GET /fhir/Observation?patient=a HTTP/1.1""# + Self.tail
                    + #" client="ward" scope="user/*.rs patient/Patient.r" patient="a" fhir_user="Practitioner/d" x="\x22q\x22" authorization="-""#
            ))

        #expect(line.method == "GET")
        #expect(line.target == "/fhir/Observation?patient=a")
        #expect(line.status == 200)
        // 25 November 2026, 17:30:05 UTC
        #expect(line.time == 1_795_627_805_000)
        #expect(line.fields["x"] == "\"q\"")
        #expect(line.fields["authorization"] == nil)
        let access = try #require(line.access(program: .patientAccess))
        #expect(access.clientID.text == "ward")
        #expect(access.scopes.count == 2)
        #expect(access.launch.patient?.text == "a")
        #expect(access.launch.fhirUser?.description == "Practitioner/d")
    }

    @Test func `a line that names no client has no facts`() throws {
        let line = try #require(AccessLogLine(Self.head + #""GET /fhir/Patient/a HTTP/1.1""# + Self.tail))

        #expect(line.access(program: .patientAccess) == nil)
    }
}

/// What the mirror says of a site.
@Suite struct MirrorTests {
    private static func site(kinds: Int = 2000) throws -> MirrorSite {
        let yaml = """
            issuer: http://localhost:9
            authorization-server: none
            fhir-server: {upstream: "http://127.0.0.1:9/fhir"}
            token-issuer:
              issuer: https://idp.example
              audience: http://localhost:9/fhir
              program: patient-access
              key-set: http://127.0.0.1:9/jwks.json
            """
        return try MirrorSite(
            configuration: try Configuration(settings: try Setting(yaml: yaml), isDemo: false), kinds: kinds)
    }

    private static func line(_ target: String, status: Int = 200, fields: String) -> String {
        #"192.0.2.1 - - [25/Nov/2026:18:30:05 +0000] "GET \#(target) HTTP/1.1" \#(status) 512 "-" "-" \#(fields)"#
    }

    private static let member = #"client="app" scope="patient/Observation.rs patient/Patient.rs" patient="a""#

    @Test(arguments: [
        ("/fhir/Observation", 200, member, "leaks", "not-narrowed-to-token"),
        ("/fhir/Observation?patient=a", 200, member, "passes", "-"),
        ("/fhir/Observation?subject=Patient/a", 200, member, "passes", "-"),
        ("/fhir/Observation?patient=b", 200, member, "leaks", "other-patient-named"),
        ("/fhir/Patient/b", 200, member, "leaks", "not-found"), ("/fhir/Patient/a", 200, member, "passes", "-"),
        ("/fhir/Condition?patient=a", 200, member, "breaks", "type-not-granted"),
        ("/fhir/Condition?patient=a", 403, member, "refused-today", "type-not-granted"),
        ("/fhir/Observation", 200, "", "leaks", "token-missing"),
        ("/fhir/Observation", 401, "", "refused-today", "token-missing"),
        ("/fhir/Observation?patient=a", 404, member, "refused-today", "status-404"),
    ])
    func `a line is compared with what today's answer was`(
        _ target: String, _ status: Int, _ fields: String, _ finding: String, _ reason: String
    ) async throws {
        let site = try Self.site()

        await site.see(line: Self.line(target, status: status, fields: fields))

        let rows = try #require(site.report.json(at: 0)["rows"]?.array)
        #expect(rows.map { $0["finding"]?.string } == [finding])
        #expect(rows.map { $0["reason"]?.string } == [reason])
    }

    @Test func `what is not below the FHIR base is not counted, and what is no line is told`() async throws {
        let site = try Self.site()

        await site.see(line: Self.line("/login", fields: ""))
        await site.see(line: "nonsense")

        #expect(site.report.seen == 0)
        #expect(site.report.unreadable == 1)
    }

    @Test(.verifies("house@mirror-bounded"))
    func `the ledger is bounded and holds no id, value or token`() async throws {
        let site = try Self.site()
        await site.see(
            line: Self.line(
                "/fhir/Observation?patient=secret-patient&code=secret-code",
                fields: #"client="app" scope="patient/*.rs" patient="secret-patient""#))
        await site.see(line: Self.line("/fhir/Patient/secret-id", fields: #"authorization="Bearer secret-token""#))
        let text = site.report.json(at: 0).text + site.report.html(at: 0)
        #expect(!text.contains("secret"))

        let small = try Self.site(kinds: 10)
        for number in 0..<200 {
            await small.see(
                line: Self.line(
                    "/fhir/Observation?patient=a",
                    fields: #"client="app\#(number)" scope="patient/Observation.rs" patient="a""#))
        }
        let rows = try #require(small.report.json(at: 0)["rows"]?.array)
        #expect(rows.count == 11)
        #expect(rows.compactMap { $0["count"]?.int }.reduce(0, +) == 200)
    }

    @Test func `the page escapes what it shows`() async throws {
        let site = try Self.site()

        await site.see(
            line: Self.line("/fhir/Observation", fields: ##"client="<script>" scope="patient/*.rs" patient="a""##))

        #expect(site.report.html(at: 0).contains("&lt;script&gt;"))
        #expect(!site.report.html(at: 0).contains("<script>"))
    }
}
