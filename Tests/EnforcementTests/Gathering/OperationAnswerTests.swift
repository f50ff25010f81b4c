import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// What operations answer, through the whole gateway without sockets.
@Suite(.underMutation) struct OperationAnswerTests {
    private func harness(_ upstream: ScriptedUpstream, panels: PanelSource = .table(users: [:])) throws
        -> GatewayHarness
    {
        try GatewayHarness(upstream: upstream, panels: panels)
    }

    private static let clinician = "Practitioner/dr1"
    private static func panel(_ ids: [String]) throws -> PanelSource {
        .table(users: [
            try #require(InstanceKey(clinician)): .patients(Set(ids.compactMap { ResourceID($0) }))
        ])
    }

    private static func fixed(_ body: String, status: Int = 200) -> ScriptedUpstream {
        ScriptedUpstream { _ in
            .answer(UpstreamHead(status: status, contentType: "application/fhir+json"), Array(body.utf8))
        }
    }

    // MARK: - pages

    @Test(.verifies("attack@ATK-234"), arguments: [1, 2, 3, 100], [ScriptedRecords.Obedience.obedient, .lenient])
    func `everything comes in full pages of what is granted, whatever else the upstream gives`(
        count: Int, obedience: ScriptedRecords.Obedience
    ) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try harness(catalogue.store(obedience).upstream)
        let token = try #require(try catalogue.token("PO", from: harness))

        let pages = try await GatheredAnswerTests.pages(harness, "/Patient/pA/$everything?_count=\(count)", token)

        #expect(
            Set(pages.flatMap(\.keys)) == [
                "Patient/pA", "Observation/obsA", "Observation/obsA-member", "Observation/obsA-perfB",
                "Observation/obsA-vitals",
            ])
        #expect(pages.dropLast().allSatisfy { $0.keys.count == count })
    }

    // MARK: - Parameters and Bundles inside

    private static let member = #"{"resourceType":"Patient","id":"pA"}"#
    private static let other = #"{"resourceType":"Patient","id":"pB","name":[{"family":"SECRET-B"}]}"#
    private static func outcome(_ patient: String) -> String {
        #"{"resourceType":"ClaimResponse","id":"r-\#(patient)","status":"active","patient":{"reference":"Patient/\#(patient)"}}"#
    }

    static let nested =
        #"{"resourceType":"Parameters","parameter":["#
        + #"{"name":"return","resource":{"resourceType":"Bundle","type":"collection","total":9,"link":[{"relation":"next","url":"http://evil.example/"}],"entry":["#
        + #"{"fullUrl":"urn:uuid:1","resource":\#(outcome("pA"))},{"fullUrl":"urn:uuid:2","resource":\#(outcome("pB"))},"#
        + #"{"resource":{"resourceType":"Bundle","type":"collection","entry":[{"resource":\#(other)},{"resource":\#(member)}]}},"#
        + #"{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"x","diagnostics":"SECRET-B"}]}}]}},"#
        + #"{"name":"foreign","resource":\#(other)},"#
        + #"{"name":"nested","part":[{"name":"own","resource":\#(member)},{"name":"foreign","resource":\#(other)},{"name":"ref","valueReference":{"reference":"Patient/pB","display":"SECRET-B"}}]},"#
        + #"{"name":"text","valueString":"http://upstream.example:8082/fhir/Patient/pA"}]}"#

    @Test(.verifies("attack@ATK-244"))
    func `every resource inside is admitted, at whatever depth`() async throws {
        let harness = try harness(Self.fixed(Self.nested), panels: try Self.panel(["pA"]))
        let token = try harness.token(scope: "user/*.cruds", fhirUser: Self.clinician)
        let claim = #"{"resourceType":"Claim","id":"c","patient":{"reference":"Patient/pA"}}"#
        let body = #"{"resourceType":"Bundle","type":"collection","entry":[{"resource":\#(claim)}]}"#

        let answer = await harness.send(
            "POST", "/Claim/$submit", token: token, headers: [("Content-Type", "application/fhir+json")],
            body: Array(body.utf8))

        #expect(answer.status == 200)
        try expectNoLeak(answer)
        let parameters = answer.json?["parameter"]?.array ?? []
        #expect(parameters.map { $0["name"]?.string } == ["return", "nested", "text"])
        let bundle = parameters.first?["resource"]
        #expect(bundle?["total"] == nil && bundle?["link"]?.array?.isEmpty == true)
        #expect(bundle?["entry"]?.array?.count == 2)
        #expect(answer.text.contains(#""id":"r-pA""#) && !answer.text.contains("pB"))
        #expect(parameters.last?["valueString"]?.string == "https://gw.example/fhir/Patient/pA")
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
    }

    @Test(.verifies("attack@ATK-244"))
    func `a grant for everybody on another type frees no value of an answer`() async throws {
        let users = [
            try #require(InstanceKey(Self.clinician)): PatientPanel.patients(Set([ResourceID("pA")].compactMap { $0 }))
        ]
        let panels = PanelSource.table(users: users, clients: [ClientID("app"): .everyone])
        let body =
            #"{"resourceType":"Parameters","parameter":[{"name":"own","valueString":"Patient/pA"},{"name":"foreign","valueString":"Patient/pB"},{"name":"plain","valueString":"x"}]}"#
        let claim = #"{"resourceType":"Claim","id":"c","patient":{"reference":"Patient/pA"}}"#
        let request = #"{"resourceType":"Bundle","type":"collection","entry":[{"resource":\#(claim)}]}"#
        func names(_ scope: String) async throws -> [String?] {
            let harness = try harness(Self.fixed(body), panels: panels)
            let answer = await harness.send(
                "POST", "/Claim/$submit", token: try harness.token(scope: scope, fhirUser: Self.clinician),
                headers: [("Content-Type", "application/fhir+json")], body: Array(request.utf8))
            #expect(answer.status == 200)
            return (answer.json?["parameter"]?.array ?? []).map { $0["name"]?.string }
        }

        let bounded = "user/Claim.cruds user/ClaimResponse.rs"
        #expect(try await names(bounded) == ["own", "plain"])
        #expect(try await names("\(bounded) system/Organization.rs") == ["own", "plain"])
        #expect(try await names("\(bounded) system/Claim.c") == ["own", "plain"])
        #expect(try await names("system/Claim.cruds system/ClaimResponse.rs") == ["own", "foreign", "plain"])
    }

    static let unreadable = [
        "", "[]", #"{"resourceType":"Group","id":"g"}"#, #"{"resourceType":"OperationOutcome","issue":[]}"#,
        #"{"resourceType":"Parameters","parameter":{}}"#, #"{"resourceType":"Bundle","entry":[]}"#,
        #"{"resourceType":"ClaimResponse","id":"x","patient":{"reference":"Patient/pA"}}"#,
    ]

    @Test(arguments: unreadable)
    func `an answer of another kind than described does not pass, and the record says that it was done`(
        body: String
    ) async throws {
        let harness = try harness(Self.fixed(body), panels: try Self.panel(["pA"]))
        let token = try harness.token(scope: "user/*.cruds", fhirUser: Self.clinician)
        let claim = #"{"resourceType":"Claim","id":"c","patient":{"reference":"Patient/pA"}}"#
        let request = #"{"resourceType":"Bundle","type":"collection","entry":[{"resource":\#(claim)}]}"#

        let answer = await harness.send(
            "POST", "/Claim/$submit", token: token, headers: [("Content-Type", "application/fhir+json")],
            body: Array(request.utf8))

        #expect(answer.status == 502)
        #expect(answer.records.map(\.index.outcome) == ["pending", "interrupted"])
        try expectNoLeak(answer)
    }

    @Test func `a call that changes nothing has one record and is not called a write when it fails`() async throws {
        let harness = try harness(Self.fixed("", status: 400))
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send("GET", "/ValueSet/$expand?url=http://x", token: token)

        #expect(answer.status == 400)
        #expect(answer.records.map(\.index.phase) == [.whole])
        #expect(answer.upstream.map(\.method) == [.get])
    }

    @Test(.verifies("attack@ATK-243"))
    func `a member match gives an identifier back and no records`() async throws {
        let panels = PanelSource.table(users: [:], clients: [ClientID("peer"): .patients([])])
        let body =
            #"{"resourceType":"Parameters","parameter":[{"name":"MemberIdentifier","valueIdentifier":{"system":"http://mrn","value":"1"}},{"name":"MemberPatient","resource":\#(Self.other)}]}"#
        let harness = try harness(Self.fixed(body), panels: panels)
        let token = try harness.token(scope: "system/Patient.rs system/Coverage.rs", client: "peer", subject: nil)
        let request =
            #"{"resourceType":"Parameters","parameter":[{"name":"MemberPatient","resource":{"resourceType":"Patient","id":"1"}}]}"#

        let answer = await harness.send(
            "POST", "/Patient/$member-match", token: token, headers: [("Content-Type", "application/fhir+json")],
            body: Array(request.utf8))

        #expect(answer.status == 200)
        #expect(answer.json?["parameter"]?.array?.count == 1)
        try expectNoLeak(answer)
    }
}
