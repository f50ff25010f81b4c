import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import Foundation
import RequirementTraits
import Testing

let sampleSystem = AuditSystem(
    name: "Chaperone", fhirBase: "http://127.0.0.1:8080/fhir", issuer: "http://127.0.0.1:8080")

/// The event that a record becomes once it is written.
func rendered(_ record: AccessRecord) async throws -> JSONValue {
    let sink = InMemoryAuditSink()
    _ = try await AuditRecorder(sink: sink, node: "node-1", clock: stillClock).record(record).decisionID
    return try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
}

/// AuditEvents are what BALP says, and name what an auditor needs.
@Suite struct RenderingTests {
    enum Shape: CaseIterable {
        case read, vread, search, create, update, patch, delete, readNoPatient, searchMany, backendRead, backendSearch
        case backendDelete, disclosedRead, disclosedSearch, disclosedByBackend
        case searchNoPatient, searchSystem, createNoPatient, updateNoPatient, deleteNoPatient, backendCreate
        case backendUpdate, backendReadNoPatient, backendSearchNoPatient, backendDeleteNoPatient

        var record: AccessRecord {
            sampleRecord { record in
                switch self {
                case .read: break
                case .vread: (record.interaction, record.versionID) = (.vread, "2")
                case .search, .searchMany, .backendSearch:
                    (record.interaction, record.resourceID) = (.searchType, nil)
                    (record.queryAsked, record.queryNarrowed) = ("code=1234", "code=1234&patient=patient-a")
                case .create: (record.interaction, record.method, record.status) = (.create, "POST", 201)
                case .update: (record.interaction, record.method) = (.update, "PUT")
                case .patch: (record.interaction, record.method) = (.patch, "PATCH")
                case .delete, .backendDelete: (record.interaction, record.method) = (.delete, "DELETE")
                case .readNoPatient, .backendReadNoPatient:
                    (record.resourceType, record.patients) = ("Organization", [])
                case .searchNoPatient, .backendSearchNoPatient:
                    (record.interaction, record.resourceID) = (.searchType, nil)
                    (record.resourceType, record.patients) = ("Organization", [])
                case .searchSystem:
                    (record.interaction, record.resourceID, record.resourceType) = (.searchSystem, nil, nil)
                case .createNoPatient, .backendCreate:
                    (record.interaction, record.method, record.status) = (.create, "POST", 201)
                case .updateNoPatient, .backendUpdate: (record.interaction, record.method) = (.update, "PUT")
                case .deleteNoPatient, .backendDeleteNoPatient:
                    (record.interaction, record.method) = (.delete, "DELETE")
                case .backendRead, .disclosedRead, .disclosedByBackend: break
                case .disclosedSearch:
                    (record.interaction, record.resourceID, record.queryAsked) = (.searchType, nil, "code=1234")
                }
                if [.disclosedRead, .disclosedSearch, .disclosedByBackend].contains(self) {
                    (record.fhirUser, record.purposeOfUse) = ("Practitioner/p", ["PUBHLTH"])
                }
                if self == .disclosedByBackend { (record.subject, record.fhirUser) = (nil, nil) }
                if [.createNoPatient, .updateNoPatient, .deleteNoPatient, .backendDeleteNoPatient].contains(self) {
                    (record.resourceType, record.patients) = ("Organization", [])
                }
                if self == .searchMany { record.patients = ["patient-a", "patient-b"] }
                if "\(self)".hasPrefix("backend") {
                    (record.subject, record.fhirUser) = (nil, nil)
                }
            }
        }

        var profiles: [String] {
            switch self {
            case .read, .vread: ["PatientRead", "OAUTHaccessTokenUse.Comprehensive"]
            case .search: ["PatientQuery", "OAUTHaccessTokenUse.Comprehensive"]
            case .searchMany: ["Query", "OAUTHaccessTokenUse.Comprehensive"]
            case .create: ["PatientCreate", "OAUTHaccessTokenUse.Opaque"]
            case .update, .patch: ["PatientUpdate", "OAUTHaccessTokenUse.Opaque"]
            case .delete, .backendDelete: ["PatientDelete", "OAUTHaccessTokenUse.Opaque"]
            case .readNoPatient: ["Read", "OAUTHaccessTokenUse.Comprehensive"]
            case .searchNoPatient: ["Query", "OAUTHaccessTokenUse.Comprehensive"]
            case .searchSystem: ["PatientQuery", "OAUTHaccessTokenUse.Comprehensive"]
            case .createNoPatient: ["Create", "OAUTHaccessTokenUse.Opaque"]
            case .updateNoPatient: ["Update", "OAUTHaccessTokenUse.Opaque"]
            case .deleteNoPatient, .backendDeleteNoPatient: ["Delete", "OAUTHaccessTokenUse.Opaque"]
            case .backendCreate: ["PatientCreate", "OAUTHaccessTokenUse.Opaque"]
            case .backendUpdate: ["PatientUpdate", "OAUTHaccessTokenUse.Opaque"]
            case .backendReadNoPatient: ["Read", "OAUTHaccessTokenUse.Opaque"]
            case .backendSearchNoPatient: ["Query", "OAUTHaccessTokenUse.Opaque"]
            case .backendRead: ["PatientRead", "OAUTHaccessTokenUse.Opaque"]
            case .backendSearch: ["PatientQuery", "OAUTHaccessTokenUse.Opaque"]
            case .disclosedRead, .disclosedSearch: ["PrivacyDisclosure.Source", "OAUTHaccessTokenUse.Comprehensive"]
            case .disclosedByBackend: ["PrivacyDisclosure.Source", "OAUTHaccessTokenUse.Opaque"]
            }
        }
    }

    @Test(.verifies("audit@balp"), arguments: Shape.allCases)
    func `what succeeded satisfies the profiles that it claims`(_ shape: Shape) async throws {
        let event = try await rendered(shape.record)
        let claimed = event["meta"]?["profile"]?.array?.compactMap(\.string) ?? []
        #expect(
            claimed
                == shape.profiles.map { "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.\($0)" })
        #expect(try Self.violations(event) == [])
    }

    /// By our own reading of the patterns, and by the published list where it is at hand.
    static func violations(_ event: JSONValue) throws -> [String] {
        ClaimedPatterns.violations(event)
            + (BALPConstraints.isThere ? try BALPConstraints().violations(event) : [])
    }

    @Test func `a disclosure says that it is one, and to whom`() async throws {
        let event = try await rendered(Shape.disclosedRead.record)
        #expect(event["type"]?["code"]?.string == "110106")
        #expect(event["subtype"]?.array?.compactMap { $0["code"]?.string } == ["read", "disclose"])
        #expect(event["purposeOfEvent"]?.array?.first?["coding"]?.array?.first?["code"]?.string == "PUBHLTH")
    }

    @Test(arguments: ["TREAT", "HPAYMT", "HOPERAT", "PATRQT"])
    func `what treatment, payment, operations and the patient take is no disclosure`(purpose: String) async throws {
        var record = Shape.disclosedRead.record
        record.purposeOfUse = [purpose]
        let event = try await rendered(record)
        #expect(event["type"]?["code"]?.string == "rest")
    }

    @Test(
        arguments: [
            "subtype", "action", "recorded", "outcome", "agent", "source", "entity", "type",
        ], [Shape.read, .search, .delete, .disclosedRead])
    func `our own reading finds what is missing`(member: String, shape: Shape) async throws {
        let event = try await rendered(shape.record)
        let crippled = JSONValue.object((event.object ?? []).filter { $0.name != member })
        #expect(ClaimedPatterns.violations(crippled) != [])
    }

    @Test(.enabled(if: BALPConstraints.isThere)) func `the check passes the examples of IHE`() throws {
        let folder = try #require(BALPConstraints.folder)
        let constraints = try BALPConstraints()
        for name in ["ReadServer", "QueryGetServer", "Update1", "Create1", "DeleteClient", "ReadOServer"] {
            let url = folder.appending(path: "AuditEvent-ex-auditBasic\(name).json")
            let event = try JSONValue(parsing: Array(Data(contentsOf: url)))
            #expect(constraints.violations(event) == [], "\(name)")
        }
    }

    @Test(
        .enabled(if: BALPConstraints.isThere), arguments: ["agent", "entity", "subtype", "outcome", "action", "type"])
    func `the check finds what is missing`(member: String) async throws {
        let event = try await rendered(sampleRecord())
        let crippled = JSONValue.object((event.object ?? []).filter { $0.name != member })
        #expect(try BALPConstraints().violations(crippled) != [])
    }

    @Test func `a refusal claims no pattern of success`() async throws {
        let event = try await rendered(
            sampleRecord { ($0.outcome, $0.status) = (.refused(reason: "insufficient-scope"), 403) })
        let claimed = event["meta"]?["profile"]?.array?.compactMap(\.string) ?? []
        #expect(claimed.allSatisfy { $0.contains("OAUTHaccessTokenUse") })
        #expect(event["outcome"]?.string == "4")
        #expect(event["outcomeDesc"]?.string == "refused: insufficient-scope (HTTP 403)")
    }

    @Test func `a request without a token names who came and claims nothing`() async throws {
        let event = try await rendered(
            AccessRecord(
                decisionID: DecisionID("d"), sourceAddress: "192.0.2.9", interaction: .unclassified, method: "GET",
                path: "/x", outcome: .refused(reason: "no-token"), status: 401, startedAt: 0))
        #expect(event["meta"]?["profile"] == nil)
        #expect(event["agent"]?.array?.first?["network"]?["address"]?.string == "192.0.2.9")
        #expect(event["agent"]?.array?.first?["requestor"]?.bool == true)
    }

    @Test func `the event names each scope, the patient, the query and what was withheld`() async throws {
        let event = try await rendered(
            sampleRecord {
                $0.interaction = .searchType
                $0.scopes = ["patient/Observation.rs?category=laboratory", "patient/Condition.rs"]
                ($0.queryAsked, $0.queryNarrowed) = ("code=1", "code=1&patient=patient-a")
                $0.withheld = [.init(reason: "compartment", count: 2), .init(reason: "scope", count: 1)]
            })
        let entities = event["entity"]?.array ?? []
        let details = entities.last?["detail"]?.array ?? []
        func values(_ type: String) -> [String] {
            details.filter { $0["type"]?.string == type }.compactMap { $0["valueString"]?.string }
        }
        #expect(values("scope") == ["patient/Observation.rs?category=laboratory", "patient/Condition.rs"])
        #expect(values("withheld:compartment") == ["2"])
        #expect(values("narrowed") == ["code=1&patient=patient-a"])
        #expect(entities.first?["what"]?["reference"]?.string == "Patient/patient-a")
        let query = entities.compactMap { $0["query"]?.string }.first.flatMap { Data(base64Encoded: $0) }
        #expect(
            query.map { String(decoding: $0, as: UTF8.self) }
                == "GET http://127.0.0.1:8080/fhir/Observation/obs-1?code=1")
        #expect(event["recorded"]?.string == "2025-10-09T08:53:20.500Z")
    }

    @Test(.verifies("audit@balp"), arguments: [AuthorizationRecord.Kind.consent, .consentDenied])
    func `a decision about consent satisfies the profile that it claims`(kind: AuthorizationRecord.Kind) async throws {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(
            AuthorizationRecord(
                id: DecisionID("e"), kind: kind, clientID: ClientID("c"), subject: SubjectID("s"), patient: "p",
                grantID: GrantID("g"), scopes: ["openid"], outcome: .succeeded, sourceAddress: "192.0.2.1", at: 0))
        let event = try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
        let profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.AuthZconsent"
        #expect(event["meta"]?["profile"]?.array?.compactMap(\.string) == [profile])
        #expect(try Self.violations(event) == [])
    }

    @Test(
        .verifies("audit@balp"), arguments: [AuthorizationRecord.Kind.token, .refresh], [SubjectID("s"), nil])
    func `a token that is given out satisfies the profile of IUA`(kind: AuthorizationRecord.Kind, subject: SubjectID?)
        async throws
    {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(
            AuthorizationRecord(
                id: DecisionID("e"), kind: kind, clientID: ClientID("c"), subject: subject, patient: "p",
                grantID: GrantID("g"), tokenID: TokenID("t"), scopes: ["patient/*.rs", "openid"], outcome: .succeeded,
                sourceAddress: "192.0.2.1", at: 0, traceID: "trace"))
        let event = try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
        let profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.IUA.71"
        #expect(event["meta"]?["profile"]?.array?.compactMap(\.string) == [profile])
        #expect(try Self.violations(event) == [])
        let details = event["entity"]?.array?.first?["detail"]?.array ?? []
        let texts = details.compactMap { detail in
            detail["type"]?.string.flatMap { type in detail["valueString"]?.string.map { "\(type)=\($0)" } }
        }
        #expect(
            Set(texts).isSuperset(of: [
                "scope=patient/*.rs", "scope=openid", "step=\(kind.rawValue)", "patient=Patient/p", "grant=g",
                "request=trace",
            ]))
    }

    @Test func `a token that was refused claims no profile`() async throws {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(
            AuthorizationRecord(
                id: DecisionID("e"), kind: .tokenRefused, clientID: ClientID("c"), tokenID: TokenID("t"),
                outcome: .refused(reason: "invalid_grant"), sourceAddress: "192.0.2.1", at: 0))
        #expect(
            try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)["meta"]?["profile"]
                == nil)
    }

    @Test func `a consent without a patient claims no profile`() async throws {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(
            AuthorizationRecord(
                id: DecisionID("e"), kind: .consent, clientID: ClientID("c"), subject: SubjectID("s"),
                outcome: .succeeded, sourceAddress: "192.0.2.1", at: 0))
        let event = try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
        #expect(event["meta"]?["profile"] == nil)
    }

    @Test func `the event says why, on which basis, for whom and under which trace`() async throws {
        let event = try await rendered(
            sampleRecord {
                ($0.organization, $0.purposeOfUse) = ("Example Health", ["PATRQT"])
                ($0.legalBasis, $0.reportingEntity) = ("45 CFR 156.221(a)", "H1234")
                ($0.traceID, $0.parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", DecisionID("batch-1"))
            })
        let details = event["entity"]?.array?.last?["detail"]?.array ?? []
        func value(_ type: String) -> String? {
            details.first { $0["type"]?.string == type }?["valueString"]?.string
        }
        #expect(event["purposeOfEvent"]?.array?.first?["coding"]?.array?.first?["code"]?.string == "PATRQT")
        #expect(value("organization") == "Example Health")
        #expect(value("legal-basis") == "45 CFR 156.221(a)")
        #expect(value("reporting-entity") == "H1234")
        #expect(value("parent") == "batch-1")
        #expect(
            event["entity"]?.array?.contains {
                $0["what"]?["identifier"]?["value"]?.string == "4bf92f3577b34da6a3ce929d0e0e4736"
            } == true)
    }

    @Test(arguments: AuthorizationRecord.Kind.allCases)
    func `every step of authorization has a rendering`(kind: AuthorizationRecord.Kind) async throws {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "n").record(
            AuthorizationRecord(
                id: DecisionID("e"), kind: kind, clientID: ClientID("c"), subject: SubjectID("s"), patient: "p",
                scopes: ["openid"], outcome: .refused(reason: "r"), sourceAddress: "192.0.2.1", at: 0))
        let event = try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
        #expect(event["subtype"]?.array?.first?["code"]?.string == kind.rawValue)
        #expect(event["outcome"]?.string == "4")
        #expect(event["agent"]?.array?.count == 3)
    }
}
