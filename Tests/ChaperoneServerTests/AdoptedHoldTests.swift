import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Who may adopt a legal hold, and which: refusals. What comes of it is shown from outside, on a log that was made so.
@Suite(.demoServer) struct AdoptedHoldTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    @Test(.verifies("audit@holds-follow-chain"))
    func `only an administrator adopts a hold, and none that has a record or is nowhere`() async throws {
        let path = server.admin + "/admin/v1/audit/holds"
        let credential = try #require(try LocalCredential(stateDirectory: server.folder))
        let local = [("authorization", "Bearer \(credential.token)")]
        let auditor = [("authorization", "Basic " + Base64.encode("auditor-a:demo".utf8))]
        let placed = try await Browser().send(.POST, path + "?patient=patient-z&reason=claim", headers: local)
        let id = try #require(try placed.json()["id"]?.string)
        let refused = try await Browser().send(.POST, path + "/\(id)/adopt", headers: auditor)
        let recorded = try await Browser().send(.POST, path + "/\(id)/adopt", headers: local)
        let unknown = try await Browser().send(.POST, path + "/nobody/adopt", headers: local)
        let other = try await Browser().send(.POST, path + "/\(id)/other", headers: local)
        let lifted = try await Browser().send(.POST, path + "/\(id)", headers: local)

        #expect([refused, recorded, unknown, other, lifted].map(\.status) == [403, 409, 409, 404, 200])
    }
}
