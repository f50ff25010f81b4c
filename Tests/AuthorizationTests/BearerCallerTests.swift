import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// The endpoints of ours that are called with a bearer token: what is recorded of their callers, and what wrong tokens
/// can cost.
@Suite struct BearerCallerTests {
    enum Door: String, CaseIterable, Sendable {
        case userInfo, introspection, launch

        var kind: AuthorizationRecord.Kind {
            switch self {
            case .userInfo: .userInfo
            case .introspection: .introspect
            case .launch: .launch
            }
        }
    }

    private enum Face: Equatable { case given, unauthorized, forbidden, tooMany, other }

    private func knock(
        _ door: Door, _ token: String, _ harness: LaunchHarness, from source: RequestSource? = nil
    ) async throws -> Face {
        let source = source ?? harness.source
        let presented = PresentedAccessToken(authorizationHeader: "Bearer \(token)")
        switch door {
        case .userInfo:
            switch await harness.server.userInfo.answer(presented, from: source) {
            case .claims: return .given
            case .unauthorized: return .unauthorized
            case .forbidden: return .forbidden
            case .tooManyRequests: return .tooMany
            case .refused: return .other
            }
        case .introspection:
            let answer = await harness.server.introspection.answer(
                try LaunchHarness.form([("token", "x")]), authorization: "Bearer \(token)", from: source)
            switch answer {
            case .facts: return .given
            case .unauthorized: return .unauthorized
            case .forbidden: return .forbidden
            case .tooManyRequests: return .tooMany
            case .refused: return .other
            }
        case .launch:
            switch await harness.server.launch.create(EHR.document(), token: presented, from: source) {
            case .created: return .given
            case .unauthorized: return .unauthorized
            case .forbidden: return .forbidden
            case .tooManyRequests: return .tooMany
            case .refused: return .other
            }
        }
    }

    private func good(_ door: Door, _ harness: LaunchHarness) async throws -> String {
        switch door {
        case .userInfo:
            try #require(try await harness.exchange(try await harness.launch()).response).accessToken.reveal()
        case .introspection: try await EHR.token(harness, client: "resource-server", scope: "__introspect")
        case .launch: try await EHR.token(harness)
        }
    }

    @Test(.verifies("house@bearer-callers"), arguments: Door.allCases)
    func `a wrong token is recorded`(_ door: Door) async throws {
        let harness = try await LaunchHarness()
        let before = harness.log.records.count
        #expect(try await knock(door, "junk", harness) == .unauthorized)
        #expect(try await knock(door, "a,b", harness) == .unauthorized)
        let records = harness.log.records.dropFirst(before)
        #expect(records.map(\.kind) == [door.kind, door.kind])
        #expect(records.allSatisfy { $0.outcome == .refused(reason: "invalid_token") && $0.clientID == nil })
        #expect(records.allSatisfy { $0.sourceAddress == harness.source.address })
    }

    @Test(.verifies("house@bearer-callers"), arguments: Door.allCases)
    func `a token without the scope is recorded with its client`(_ door: Door) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["scope": "launch/patient patient/Patient.rs"])
        let token = try #require(try await harness.exchange(code).response).accessToken.reveal()
        #expect(try await knock(door, token, harness) == .forbidden)
        let record = try #require(harness.log.records.last)
        #expect(record.kind == door.kind && record.outcome == .refused(reason: "insufficient_scope"))
        #expect(record.clientID == ClientID("app") && record.subject != nil)
    }

    @Test(.verifies("house@bearer-callers"), arguments: Door.allCases)
    func `whoever sends many wrong tokens is not listened to for a while, and nobody else suffers`(
        _ door: Door
    ) async throws {
        let harness = try await LaunchHarness()
        let token = try await good(door, harness)
        var faces: [Face] = []
        for _ in 0..<250 { faces.append(try await knock(door, "junk", harness)) }
        #expect(faces.prefix(200).allSatisfy { $0 == .unauthorized })
        #expect(faces.suffix(50).allSatisfy { $0 == .tooMany })
        // Before anything costly: a good token is not looked at either.
        #expect(try await knock(door, token, harness) == .tooMany)
        #expect(
            harness.server.refusals.close().contains {
                $0.reasons.contains { $0.key.contains("throttled") && $0.value == 51 }
            })
        let elsewhere = RequestSource(address: "198.51.100.9")
        #expect(try await knock(door, token, harness, from: elsewhere) == .given)
        harness.clock.advance(seconds: 60)
        #expect(try await knock(door, try await good(door, harness), harness) == .given)
    }

    @Test(.verifies("house@bearer-callers"))
    func `good tokens are not counted`() async throws {
        let harness = try await LaunchHarness()
        let token = try await good(.userInfo, harness)
        for _ in 0..<250 { #expect(try await knock(.userInfo, token, harness) == .given) }
    }

    @Test(.verifies("house@bearer-callers"))
    func `who somebody is is told after its record only`() async throws {
        let harness = try await LaunchHarness()
        let token = try await good(.userInfo, harness)
        #expect(try await knock(.userInfo, token, harness) == .given)
        let record = try #require(harness.log.records.last)
        #expect(record.kind == .userInfo && record.outcome == .succeeded && record.clientID == ClientID("app"))
        #expect(record.fhirUser == "Patient/patient-a" && record.tokenID != nil && record.grantID != nil)
        harness.log.fill()
        #expect(try await knock(.userInfo, token, harness) == .other)
    }
}
