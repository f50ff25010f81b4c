import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import FoundationEssentials
import Testing

/// The attacks of `fixtures/attacks`, and the two patients that they are about.
struct AttackCatalogue {
    struct Attack: CustomTestStringConvertible {
        let id: String
        let method: String
        let target: String
        let token: String
        let status: [Int]
        let mustNotAskUpstream: Bool
        let contains: [String]
        let absent: [String]
        /// Nothing but these may be among the resources of the answer.
        let only: Set<String>?
        let headers: [(name: String, value: String)]

        var testDescription: String { "\(id) \(method) \(target) (\(token))" }
    }

    let records: [JSONValue]
    let deleted: [InstanceKey]
    let attacks: [Attack]
    private let tokens: JSONValue

    static let shared: Result<AttackCatalogue, any Error> = Result { try AttackCatalogue() }

    /// The word that stands in every record that nobody here may see.
    static let secret = "SECRET-B"

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        func read(_ name: String) throws -> JSONValue {
            let bytes = try Data(contentsOf: root.appending(path: "fixtures/attacks/\(name).json"))
            return try JSONValue(parsing: Array(bytes))
        }
        let stored = try read("records")
        records = try #require(stored["resources"]?.array)
        deleted = try #require(stored["deleted"]?.array).compactMap { $0.string.flatMap { InstanceKey($0) } }
        let catalogue = try read("attacks")
        tokens = try #require(catalogue["tokens"])
        let users = try #require(catalogue["panels"]?["users"]?.object).map { member in
            (
                try #require(InstanceKey(member.name)),
                PatientPanel.patients(
                    Set((member.value.array ?? []).compactMap { $0.string.flatMap { ResourceID($0) } }))
            )
        }
        let clients = (catalogue["panels"]?["everyone"]?.array ?? []).compactMap(\.string)
            .map { (ClientID($0), PatientPanel.everyone) }
        panels = .table(
            users: Dictionary(uniqueKeysWithValues: users), clients: Dictionary(uniqueKeysWithValues: clients))
        attacks = try #require(catalogue["attacks"]?.array).map { json in
            func texts(_ name: String) -> [String] { json[name]?.array?.compactMap(\.string) ?? [] }
            return Attack(
                id: try #require(json["id"]?.string), method: try #require(json["method"]?.string),
                target: try #require(json["target"]?.string), token: try #require(json["token"]?.string),
                status: try #require(json["status"]?.array).compactMap { $0.int.map(Int.init) },
                mustNotAskUpstream: json["upstream"]?.string == "none", contains: texts("contains"),
                absent: texts("absent"), only: json["only"]?.array.map { Set($0.compactMap(\.string)) },
                headers: json["headers"]?.object?.map { ($0.name, $0.value.string ?? "") } ?? [])
        }
    }

    /// The tokens by name, with `scope` and `patient`.
    var held: [String: JSONValue] {
        Dictionary(uniqueKeysWithValues: (tokens.object ?? []).map { ($0.name, $0.value) })
    }

    /// A fresh protected server that holds the records.
    func store(_ obedience: ScriptedRecords.Obedience) -> ScriptedRecords {
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: obedience)
        for key in deleted { store.delete(key) }
        return store
    }

    func token(_ name: String, from harness: GatewayHarness) throws -> String? {
        let json = try #require(tokens[name])
        guard let scope = json["scope"]?.string else { return nil }
        return try harness.token(
            scope: scope, patient: json["patient"]?.string, fhirUser: json["fhirUser"]?.string,
            client: json["client"]?.string ?? "app")
    }

    /// Whom the users and clients of the catalogue may see.
    let panels: PanelSource

    func records(of patient: String) -> [JSONValue] { records.filter { $0.text.contains(Self.secret) } }
}

/// What holds for every answer whatever was asked.
func expectNoLeak(_ answer: GatewayHarness.Answer, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(!answer.text.contains(AttackCatalogue.secret), sourceLocation: sourceLocation)
    for field in answer.fields {
        #expect(!field.value.contains(AttackCatalogue.secret), sourceLocation: sourceLocation)
        #expect(!field.value.contains("upstream.example"), sourceLocation: sourceLocation)
        #expect(!field.value.contains("evil.example"), sourceLocation: sourceLocation)
    }
    #expect(!answer.text.contains("upstream.example"), sourceLocation: sourceLocation)
    #expect(!answer.text.contains("evil.example"), sourceLocation: sourceLocation)
    // The records of a Bundle's entries stand beside the one of the whole.
    let closed = answer.records.filter { $0.index.phase != .opening && $0.parent == nil }
    #expect(closed.count == 1, "exactly one closed record", sourceLocation: sourceLocation)
    #expect(answer.field("x-request-id") == closed.first?.index.eventID.text, sourceLocation: sourceLocation)
    let opened = answer.records.filter { $0.index.phase == .opening }
    #expect(opened.count <= 1, sourceLocation: sourceLocation)
    #expect(closed.first?.index.closes == opened.first?.sequence, sourceLocation: sourceLocation)
    if answer.status < 300 {
        #expect(
            closed.first?.index.outcome == (answer.isCut ? "interrupted" : "permitted"), sourceLocation: sourceLocation)
    } else {
        #expect(closed.first?.index.outcome != "permitted", sourceLocation: sourceLocation)
    }
}

extension AuditEntry {
    /// The decision on the Bundle that this record is about one entry of.
    var parent: DecisionID? {
        guard case .access(let record)? = try? statement().event else { return nil }
        return record.parent
    }
}
