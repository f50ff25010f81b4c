import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// What an update may not take from the version that it replaces (ADR 0070).
@Suite struct OverwritingTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]

    private static func encounter(_ status: String, participant: String = #"{"reference":"Patient/pB"}"#) -> String {
        #"{"resourceType":"Encounter","id":"encShared","status":"\#(status)","class":{"code":"AMB"},"subject":{"reference":"Patient/pA"},"participant":[{"individual":\#(participant)}]}"#
    }

    private static let label = #"{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}"#
    private static let profile = #""http://profiles.example/a""#

    private static func observation(_ meta: String?, id: String = "obsLabel") -> String {
        let meta = meta.map { #""meta":{\#($0)},"# } ?? ""
        return
            #"{"resourceType":"Observation","id":"\#(id)",\#(meta)"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
    }

    private func setUp() throws -> (store: ScriptedRecords, harness: GatewayHarness, own: String, all: String) {
        let records = [
            Self.encounter("finished"),
            Self.observation(#""security":[\#(Self.label)],"profile":[\#(Self.profile)]"#),
            Self.observation(nil, id: "obsPlain"),
        ]
        let store = ScriptedRecords(
            try records.map { try JSONValue(parsing: Array($0.utf8)) }, base: GatewayHarness.upstreamBase)
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: .table(users: [:], clients: [ClientID("backend"): .everyone]))
        return (
            store, harness, try harness.token(scope: "patient/*.cruds", patient: "pA"),
            try harness.token(scope: "system/*.cruds", client: "backend", subject: nil)
        )
    }

    private func put(_ body: String, _ target: String, _ harness: GatewayHarness, _ token: String) async
        -> GatewayHarness.Answer
    {
        await harness.send("PUT", target, token: token, headers: Self.json, body: Array(body.utf8))
    }

    // MARK: - what was masked

    @Test(.verifies("house@REP-01"))
    func `what was masked for a reader is not erased by what the reader writes back`() async throws {
        let (store, harness, own, all) = try setUp()
        let before = store.currentRecords
        let read = await harness.send("GET", "/Encounter/encShared", token: own)
        #expect(read.text.contains("redacted"))

        let bodies = [
            Self.encounter("cancelled", participant: #"{"display":"redacted"}"#),
            Self.encounter("cancelled", participant: #"{"reference":"Patient/pA"}"#),
        ]
        for body in bodies {
            for target in ["/Encounter/encShared", "/Encounter?_id=encShared"] {
                let answer = await put(body, target, harness, own)
                #expect(answer.status == 403, "\(answer.text)")
                #expect(answer.upstream.allSatisfy { $0.method == .get })
            }
        }

        #expect(store.currentRecords == before)
        #expect(await put(Self.encounter("cancelled"), "/Encounter/encShared", harness, all).status == 200)
    }

    // MARK: - labels

    static let refused: [(target: String, meta: String?)] = [
        ("/Observation/obsLabel", nil),
        ("/Observation/obsLabel", #""profile":[\#(profile)]"#),
        ("/Observation/obsLabel", #""security":[],"profile":[\#(profile)]"#),
        ("/Observation/obsLabel", #""security":[\#(label),\#(label)],"profile":[\#(profile)]"#),
        ("/Observation/obsLabel", #""security":[{"code":"N"}],"profile":[\#(profile)]"#),
        ("/Observation/obsLabel", #""security":[\#(label)],"profile":[]"#),
        ("/Observation/obsLabel", #""security":[\#(label)],"profile":[\#(profile),"http://profiles.example/b"]"#),
        ("/Observation/obsPlain", #""security":[\#(label)]"#), ("/Observation/obsPlain", #""profile":[\#(profile)]"#),
    ]

    @Test(.verifies("house@REP-02"), arguments: refused.indices)
    func `an update changes no security label and no profile`(place: Int) async throws {
        let (target, meta) = Self.refused[place]
        let (store, harness, own, all) = try setUp()
        let before = store.currentRecords
        let id = String(target.split(separator: "/")[1])

        let answer = await put(Self.observation(meta, id: id), target, harness, own)

        #expect(answer.status == 403, "\(answer.text)")
        #expect(store.currentRecords == before)
        #expect(await put(Self.observation(meta, id: id), target, harness, all).status == 200)
    }

    @Test(arguments: [
        #""security":[\#(label)],"profile":[\#(profile)]"#, #""security":[\#(label)]"#,
        #""versionId":"1","tag":[{"code":"x"}],"security":[\#(label)]"#,
    ])
    func `an update that says the labels again passes, and profiles may be left to the server`(
        meta: String
    ) async throws {
        let (_, harness, own, _) = try setUp()

        #expect(await put(Self.observation(meta), "/Observation/obsLabel", harness, own).status == 200)
        #expect(await put(Self.observation(nil, id: "obsPlain"), "/Observation/obsPlain", harness, own).status == 200)
    }
}
