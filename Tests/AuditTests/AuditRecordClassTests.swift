import AccessPolicy
import RequirementTraits
import Testing

@testable import Audit

/// For how long a record is kept hangs on its class.
@Suite(.verifies("audit@retention")) struct AuditRecordClassTests {
    @Test(arguments: [false, true], [false, true])
    func `an access is anonymous where it names neither token nor client nor grant`(token: Bool, client: Bool) {
        for grant in [false, true] {
            let record = sampleRecord("d") {
                if !token { $0.tokenID = nil }
                if !client { $0.clientID = nil }
                if !grant { $0.grantID = nil }
            }
            let recordClass = AuditRecordClass(AuditStatement(event: .access(record), phase: .whole))
            #expect(recordClass == (token || client || grant ? .access : .anonymous), "\(token) \(client) \(grant)")
        }
    }
}
