import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Files that are too large, files that are only mentioned, and what the record says of those that were read.
@Suite struct FileRecordTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]

    private static func document(_ id: String, _ url: String, extra: String = "") -> String {
        #"{"resourceType":"DocumentReference","id":"\#(id)","status":"current","subject":{"reference":"Patient/pA"},"content":[{"attachment":{"url":"\#(url)"}}]\#(extra)}"#
    }

    private static let records = [
        #"{"resourceType":"Patient","id":"pA"}"#,
        document("docA", "Binary/b1"),
        document("docVersion", "Binary/binB/_history/1", extra: #","description":"Binary/binC""#),
        #"{"resourceType":"Binary","id":"b1","contentType":"text/plain","data":"eA=="}"#,
        #"{"resourceType":"Binary","id":"b2","contentType":"text/plain","securityContext":{"reference":"Patient/pA"},"data":"eA=="}"#,
        #"{"resourceType":"Binary","id":"binB","contentType":"text/plain","securityContext":{"reference":"Patient/pB"},"data":"eA=="}"#,
        #"{"resourceType":"Binary","id":"binC","contentType":"text/plain","data":"eA=="}"#,
        #"{"resourceType":"Encounter","id":"encB","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/pB"}}"#,
        #"{"resourceType":"Observation","id":"obsB","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pB"}}"#,
    ]

    private static func site(
        tooLarge paths: Set<String> = [], operations: OperationTable = .builtIn
    ) throws -> (store: ScriptedRecords, harness: GatewayHarness) {
        let store = ScriptedRecords(
            try records.map { try JSONValue(parsing: Array($0.utf8)) }, base: GatewayHarness.upstreamBase)
        let panels = PanelSource.table(
            users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])])
        let upstream = store.upstream.mapping { request, reply in
            paths.contains(request.path) ? .failure(.tooLarge) : reply
        }
        return (store, try GatewayHarness(upstream: upstream, panels: panels, operations: operations))
    }

    private static func reason(_ answer: GatewayHarness.Answer) -> String? {
        guard case .access(let record)? = try? answer.records.last?.statement().event else { return nil }
        return record.outcome.reason
    }

    // MARK: - sizes

    @Test(.verifies("house@FIL-01"))
    func `a file that is too large to be judged looks like none`() async throws {
        let (_, harness) = try Self.site(tooLarge: ["/Binary/binB"])
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")

        let large = await harness.send("GET", "/Binary/binB", token: token)
        let none = await harness.send("GET", "/Binary/none", token: token)

        #expect(large.status == 404 && large.body == none.body)
        #expect(large.upstream.map(\.path) == none.upstream.map { $0.path.replacing("none", with: "binB") })
        #expect(Self.reason(large) == "upstream-\(UpstreamFailure.tooLarge.rawValue)")
    }

    @Test(.verifies("house@FIL-01"))
    func `what a request hangs on and is too large looks like what is not there`() async throws {
        let review = OperationDescriptor(
            "review", levels: [.instance], types: [.observation], contexts: [.user],
            requirements: [.init(.read, .observation)], binding: .instance, answers: [.bundle])
        let (_, harness) = try Self.site(
            tooLarge: ["/Encounter/encB", "/Observation/obsB"], operations: try OperationTable.builtIn.adding([review]))
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")

        for (large, none) in [
            ("/Encounter/encB/Observation", "/Encounter/none/Observation"),
            ("/Observation/obsB/$review", "/Observation/none/$review"),
        ] {
            let first = await harness.send("GET", large, token: token)
            let second = await harness.send("GET", none, token: token)

            #expect(first.status == 404 && second.status == 404, "\(first.text) \(second.text)")
            #expect(first.body == second.body)
            #expect(Self.reason(first) == "upstream-\(UpstreamFailure.tooLarge.rawValue)")
        }
    }

    // MARK: - mentions

    @Test(
        .verifies("house@FIL-02"),
        arguments: [
            document("docVersion", "Binary/binB", extra: #","description":"Binary/binC""#),
            document("docVersion", "Binary/binC", extra: #","description":"Binary/binB/_history/1""#),
            document("docVersion", "https://gw.example/fhir/Binary/binC", extra: #","description":"Binary/binB""#),
        ])
    func `what is only mentioned, or named by a version, is not made the file of a document`(
        body: String
    ) async throws {
        let (store, harness) = try Self.site()
        let before = store.currentRecords
        let token = try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1")

        let answer = await harness.send(
            "PUT", "/DocumentReference/docVersion", token: token, headers: Self.json, body: Array(body.utf8))

        #expect(answer.status == 403, "\(answer.text)")
        #expect(store.currentRecords == before)
    }

    @Test func `a document keeps the files that it has`() async throws {
        let (_, harness) = try Self.site()
        let token = try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1")

        for body in [
            Self.document("docA", "https://gw.example/fhir/Binary/b1"), Self.document("docA", "Binary/b1"),
        ] {
            let answer = await harness.send(
                "PUT", "/DocumentReference/docA", token: token, headers: Self.json, body: Array(body.utf8))
            #expect(answer.status == 200, "\(answer.text)")
        }
    }

    // MARK: - the record

    @Test(.verifies("house@FIL-03"), arguments: ["b1", "b2"], ["application/fhir+json", "text/plain"])
    func `a read of a file names the patient whose record opens it`(id: String, accept: String) async throws {
        let (_, harness) = try Self.site()
        let linked = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")
        let direct = try harness.token(scope: "user/Binary.r", fhirUser: "Practitioner/dr1")

        for token in id == "b1" ? [linked] : [linked, direct] {
            let answer = await harness.send("GET", "/Binary/\(id)", token: token, headers: [("Accept", accept)])

            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.records.map(\.index.patients) == [["pA"]])
        }
    }
}
