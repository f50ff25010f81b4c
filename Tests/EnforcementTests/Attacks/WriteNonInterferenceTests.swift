import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// What the token cannot see makes no difference to a write: not to its answer, not to what the server is asked.
@Suite(.underMutation) struct WriteNonInterferenceTests {
    enum Change: CaseIterable {
        /// Everything foreign says something else.
        case content
        /// Everything foreign has another id, so that what was there is not and something else is.
        case identity
        /// Everything foreign belongs to yet another patient.
        case owner

        /// - Parameter own: what the token sees; an old version of it keeps the id, or it would be another resource.
        func applied(to record: JSONValue, own: Set<String>) -> JSONValue {
            guard record.text.contains(AttackCatalogue.secret), let members = record.object else { return record }
            if self == .identity, own.contains(WriteNonInterferenceTests.key(record)) { return record }
            return .object(
                members.map { member in
                    switch (self, member.name, member.value) {
                    case (.content, "status", _): JSONMemberValue("status", "amended")
                    case (.content, "code", _):
                        JSONMemberValue("code", ["coding": [["system": "http://loinc.org", "code": "x-1"]]])
                    case (.identity, "id", .string(let id)): JSONMemberValue("id", .string("other-\(id)"))
                    case (.owner, _, .object(let parts)) where parts.contains { $0.value == "Patient/pB" }:
                        JSONMemberValue(member.name, ["reference": "Patient/pC"])
                    default: member
                    }
                })
        }
    }

    static func key(_ record: JSONValue) -> String {
        "\(record["resourceType"]?.string ?? "")/\(record["id"]?.string ?? "")"
    }

    private struct Trace {
        let status: Int
        let fields: [String]
        let body: [UInt8]
        let upstream: [UpstreamRequest]
    }

    private func trace(
        _ row: WriteAttackCatalogue.Attack, on records: [JSONValue], _ catalogue: WriteAttackCatalogue
    ) async throws -> Trace {
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .obedient)
        let harness = try GatewayHarness(upstream: store.upstream)
        let answer = await harness.send(
            row.method, row.target, token: try catalogue.token(row.token, from: harness), headers: row.headers,
            body: row.body)
        return Trace(
            status: answer.status,
            fields: answer.fields.filter { $0.name != "x-request-id" }.map { "\($0.name): \($0.value)" },
            body: answer.body, upstream: answer.upstream)
    }

    @Test(.verifies("house@write-non-interference"), arguments: Change.allCases)
    func `a write is the same whatever stands outside the boundary`(change: Change) async throws {
        let catalogue = try WriteAttackCatalogue.shared.get()
        let records = try AttackCatalogue.shared.get().records
        let own = Set(records.filter { !$0.text.contains(AttackCatalogue.secret) }.map(Self.key))
        let changed = records.map { change.applied(to: $0, own: own) }
        #expect(zip(records, changed).count { $0 != $1 } > 3)

        for row in catalogue.attacks {
            let before = try await trace(row, on: records, catalogue)
            let after = try await trace(row, on: changed, catalogue)

            let note = Comment(rawValue: "\(row.testDescription)")
            #expect(before.status == after.status, note)
            #expect(before.fields == after.fields, note)
            #expect(String(decoding: before.body, as: UTF8.self) == String(decoding: after.body, as: UTF8.self), note)
            #expect(before.upstream.map(\.described) == after.upstream.map(\.described), note)
        }
    }
}

extension UpstreamRequest {
    /// Everything that the protected server is told.
    fileprivate var described: String {
        let parts = [method.rawValue, pageTarget ?? path, query, contentType, ifMatch, ifNoneExist, prefer]
        return parts.map { $0 ?? "-" }.joined(separator: " ") + " " + String(decoding: body, as: UTF8.self)
    }
}
