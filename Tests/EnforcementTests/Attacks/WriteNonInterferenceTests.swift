import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// What the token cannot see makes no difference to a write: not to its answer, not to what the server is asked.
@Suite struct WriteNonInterferenceTests {
    enum Change: CaseIterable {
        /// Everything foreign says something else.
        case content
        /// Everything foreign has another id, so that what was there is not and something else is.
        case identity
        /// Everything foreign belongs to yet another patient.
        case owner

        func applied(to record: JSONValue) -> JSONValue {
            guard record.text.contains(AttackCatalogue.secret), let members = record.object else { return record }
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

    private struct Trace: Equatable {
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
        let changed = records.map(change.applied)
        #expect(zip(records, changed).count { $0 != $1 } > 3)

        for row in catalogue.attacks {
            let before = try await trace(row, on: records, catalogue)
            let after = try await trace(row, on: changed, catalogue)

            #expect(before == after, "\(row.testDescription)")
        }
    }
}
