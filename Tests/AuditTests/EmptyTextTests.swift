import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

/// FHIR forbids empty texts and lists (R4 datatypes.html#string, json.html): one event that has one would be refused by a
/// strict repository, and would hold up its feed for ever.
@Suite(.verifies("audit@feeds")) struct EmptyTextTests {
    private func emptiness(_ value: JSONValue, at path: String = "") -> [String] {
        switch value {
        case .string(let text): text.isEmpty ? [path] : []
        case .array(let list):
            list.isEmpty ? [path] : list.enumerated().flatMap { emptiness($1, at: "\(path)[\($0)]") }
        case .object(let members):
            members.isEmpty ? [path] : members.flatMap { emptiness($0.value, at: "\(path).\($0.name)") }
        default: []
        }
    }

    private func step(_ record: AuthorizationRecord) async throws -> JSONValue {
        let sink = InMemoryAuditSink()
        try await AuditRecorder(sink: sink, node: "node-1", clock: stillClock).recordOnce(record)
        return try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
    }

    @Test func `a request that says nothing is rendered without empty texts`() async throws {
        let record = sampleRecord { record in
            record.queryAsked = ""
            record.queryNarrowed = ""
            record.sourceAddress = ""
            record.fhirUser = ""
            record.program = ""
            record.scopes = [""]
            record.resourceID = ""
            record.outcome = .refused(reason: "")
        }
        #expect(emptiness(try await rendered(record)) == [])
    }

    @Test(arguments: AuthorizationRecord.Kind.allCases)
    func `a step of authorization without detail is rendered without empty texts`(kind: AuthorizationRecord.Kind)
        async throws
    {
        let record = AuthorizationRecord(
            id: DecisionID("d"), kind: kind, clientID: ClientID("app"), subject: SubjectID("s"), fhirUser: "",
            scopes: [""], program: "", outcome: .succeeded, detail: "", sourceAddress: "", at: 1)
        #expect(emptiness(try await step(record)) == [])
    }
}
