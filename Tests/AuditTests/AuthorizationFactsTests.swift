import AccessPolicy
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Audit

/// Steps of authorization say by what right, from the one source that accesses have it from.
@Suite(.verifies("audit@step-facts")) struct AuthorizationFactsTests {
    private static let facts = RecordFacts(
        reportingEntity: "H1234", organization: { $0.text == "app" ? "Example Health" : nil },
        purposes: { $0.text == "researcher" ? ["HRESCH"] : nil })

    private static func step(_ kind: AuthorizationRecord.Kind = .token, client: String? = "app")
        -> AuthorizationRecord
    {
        AuthorizationRecord(
            id: DecisionID("e"), kind: kind, clientID: client.map { ClientID($0) }, subject: SubjectID("s"),
            patient: "p", grantID: GrantID("g"), tokenID: TokenID("t"), scopes: ["openid"], outcome: .succeeded,
            sourceAddress: "192.0.2.1", at: 7, traceID: "trace")
    }

    private static func written(_ record: AuthorizationRecord) async throws -> AuditEntry {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(record)
        return try #require(sink.entries.first)
    }

    @Test(arguments: APIProgram.allCases)
    func `a step of a client has what its program stands for, as an access has it`(program: APIProgram) {
        let record = Self.facts.completing(Self.step(), program: program)

        #expect(record.program == program.rawValue)
        #expect(record.legalBasis == RecordFacts.legalBasis(program))
        #expect(record.purposeOfUse == RecordFacts.purposeOfUse(program))
        #expect(record.organization == "Example Health")
        #expect(record.reportingEntity == "H1234")
    }

    @Test func `a client's own purpose goes before that of its program`() {
        let record = Self.facts.completing(Self.step(client: "researcher"), program: .general)
        #expect(record.purposeOfUse == ["HRESCH"])
        #expect(record.organization == nil)
    }

    @Test func `a step without a client counts under an entity and claims no right`() {
        let record = Self.facts.completing(Self.step(.login, client: nil))
        #expect(record.reportingEntity == "H1234")
        #expect(record.legalBasis == nil && record.purposeOfUse == [] && record.program == nil)
    }

    @Test func `what a step says itself is not written over`() {
        var said = Self.step()
        (said.program, said.legalBasis, said.organization) = ("general", "a court's order", "Another")
        (said.purposeOfUse, said.reportingEntity) = (["PUBHLTH"], "other")

        #expect(Self.facts.completing(said, program: .patientAccess) == said)
    }

    @Test func `the facts are in the bytes, and bytes without them are read`() async throws {
        let record = Self.facts.completing(Self.step(), program: .patientAccess)
        #expect(try AuthorizationRecord(decoding: record.encoded) == record)

        let old = #"{"v":1,"phase":"whole","authorization":{"id":"e","kind":"token","outcome":"succeeded","at":7}}"#
        guard case .authorization(let read) = try AuditStatement(decoding: Array(old.utf8)).event else {
            Issue.record("no step of authorization")
            return
        }
        #expect(read == AuthorizationRecord(id: DecisionID("e"), kind: .token, outcome: .succeeded, at: 7))
    }

    @Test(
        .verifies("audit@balp"),
        arguments: [AuthorizationRecord.Kind.token, .refresh, .consent, .consentDenied, .login, .revoke])
    func `the event says why, on which basis and for whom, and keeps its profile`(kind: AuthorizationRecord.Kind)
        async throws
    {
        let entry = try await Self.written(Self.facts.completing(Self.step(kind), program: .providerAccess))
        let event = try AuditEventResource.json(entry, system: sampleSystem)

        let details = (event["entity"]?.array ?? []).flatMap { $0["detail"]?.array ?? [] }
        func value(_ type: String) -> String? {
            details.first { $0["type"]?.string == type }?["valueString"]?.string
        }
        #expect(event["purposeOfEvent"]?.array?.first?["coding"]?.array?.first?["code"]?.string == "TREAT")
        #expect(value("organization") == "Example Health")
        #expect(value("reporting-entity") == "H1234")
        #expect(value("program") == "provider-access")
        #expect(value("legal-basis")?.contains("422.121(a)") == true)
        #expect(try RenderingTests.violations(event) == [])
    }

    @Test(
        .verifies("audit@fhir-search"),
        arguments: [
            ("purpose=TREAT", 1), ("purpose=PATRQT", 0), ("organization=Example Health", 1), ("organization=x", 0),
            ("reporting-entity=H1234", 1), ("reporting-entity=x", 0), ("program=provider-access", 1),
            ("disclosures=true", 0),
        ])
    func `a step is found by them`(text: String, count: Int) async throws {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(
            Self.facts.completing(Self.step(), program: .providerAccess))
        let search = try AuditEventSearch(parsing: text, of: sampleSystem)

        #expect(try sink.search(search.query, content: search.content).entries.count == count)
    }

    @Test(.verifies("audit@export")) func `a line of the table has them under their headings`() async throws {
        let entry = try await Self.written(Self.facts.completing(Self.step(), program: .general))
        var export = AuditExport(format: .csv, system: sampleSystem)
        let headings = export.open(at: 0).trimmingSuffix().split(separator: ",", omittingEmptySubsequences: false)
        let cells = try export.add([entry]).trimmingSuffix().split(separator: ",", omittingEmptySubsequences: false)

        func cell(_ name: String) throws -> Substring { cells[try #require(headings.firstIndex { $0 == name })] }
        #expect(cells.count == headings.count)
        #expect(try cell("organization") == "Example Health")
        #expect(try cell("legalBasis") == "45 CFR 164.506")
        #expect(try cell("reportingEntity") == "H1234")
        #expect(try cell("askedOnly") == "" && cell("compartment") == "")
        #expect(try cell("grant") == "g" && cell("token") == "t" && cell("trace") == "trace")
    }

    @Test(.verifies("audit@export", "audit@patients-asked"))
    func `a line of an access says of whom nothing was given, and which compartment was searched`() async throws {
        var record = AccessRecord(
            decisionID: DecisionID("d"), patients: ["a", "b", "c"], interaction: .searchType, method: "GET",
            path: "/Patient/b/Observation", outcome: .permitted, startedAt: 1)
        (record.askedOnly, record.compartment) = (["b", "c"], "Patient/b")
        let sink = InMemoryAuditSink()
        _ = try await AuditRecorder(sink: sink, node: "n").record(record).decisionID
        var export = AuditExport(format: .csv, system: sampleSystem)
        let headings = export.open(at: 0).trimmingSuffix().split(separator: ",", omittingEmptySubsequences: false)
        let cells = try export.add(sink.entries).trimmingSuffix().split(
            separator: ",", omittingEmptySubsequences: false)

        // Behind the columns that there were before: who reads by place reads on.
        #expect(headings.suffix(3) == ["trace", "askedOnly", "compartment"])
        #expect(cells.count == headings.count)
        #expect(cells.suffix(2) == ["b c", "Patient/b"])
    }

    @Test(.verifies("audit@retention")) func `retention and holds of a reporting entity reach its steps`() {
        let record = Self.facts.completing(Self.step(), program: .general)
        let statement = AuditStatement(event: .authorization(record), phase: .whole)
        let policy = AuditRetentionPolicy(rules: [.init(reportingEntity: "H1234", days: 30)])
        func hold(_ entity: String) -> LegalHold {
            LegalHold(id: "h", reportingEntity: entity, reason: "r", placedBy: "a", placedAt: 1)
        }

        #expect(policy.days(statement) == 30)
        #expect(hold("H1234").keeps(statement))
        #expect(!hold("H9999").keeps(statement))
    }
}

extension String {
    fileprivate func trimmingSuffix() -> String { String(prefix { $0 != "\r\n" }) }
}
