import AccessPolicy
import Audit
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Authorization

/// Endings that are given up half-way, and stores that fail in the middle of one: what stands ended in the store is refused
/// here, and what nobody knows is, too.
@Suite struct RevocationFaultTests {
    private struct Scene {
        let seam = Seam()
        let harness: LaunchHarness
        let ending: TokenResponse
        let other: TokenResponse
        let grant: GrantID

        init() async throws {
            harness = try await LaunchHarness(seam: seam)
            ending = try #require(try await harness.exchange(try await harness.launch()).response)
            other = try #require(try await harness.exchange(try await harness.launch(as: "ben")).response)
            grant = try harness.access(ending).access.grantID
        }

        var state: RevocationState { harness.server.revocationState }

        func end() async throws {
            _ = try await harness.server.access.revoke(
                .grant(grant), because: .person, by: "test", from: harness.source)
        }

        func isEndedInStore() async throws -> Bool { try await harness.store.grant(grant)?.revocation != nil }
    }

    @Test(.verifies("house@ENDED-AT-ONCE"))
    func `a caller that goes away leaves nothing ended in the store that is still accepted`() async throws {
        var ended = 0
        for place in 0..<20 {
            let scene = try await Scene()
            let start = AsyncStream<Void>.makeStream()
            let task = Task {
                for await _ in start.stream {}
                try await scene.end()
            }
            scene.seam.watch(at: place) { task.cancel() }
            start.continuation.finish()
            _ = await task.result
            let name = scene.seam.rest()
            let isEnded = try await scene.isEndedInStore()
            #expect(try scene.harness.isRefused(scene.ending) == isEnded, "\(name ?? "at the end")")
            #expect(try !scene.harness.isRefused(scene.other))
            if isEnded { ended += 1 }
            guard name != nil else { break }
        }
        #expect(ended > 2)
    }

    @Test(.verifies("house@ENDED-AT-ONCE"))
    func `while the store fails in the middle of an ending, what is not known is refused`() async throws {
        var doubts = 0
        var names: [String] = []
        for place in 0..<20 {
            let scene = try await Scene()
            scene.seam.breakDown(from: place)
            let result = await Task { try await scene.end() }.result
            let isOver = scene.seam.passed <= place
            let isEnded = try await scene.isEndedInStore()
            if isOver {
                #expect(throws: Never.self) { try result.get() }
                #expect(try scene.harness.isRefused(scene.ending) && isEnded)
                #expect(try !scene.harness.isRefused(scene.other))
                break
            }
            #expect(throws: Seam.Broken.self) { try result.get() }
            if isEnded { #expect(try scene.harness.isRefused(scene.ending), "place \(place)") }
            // As long as the store cannot be read nobody knows of others either.
            if scene.state.isUncertain {
                doubts += 1
                #expect(try scene.harness.isRefused(scene.other))
                await #expect(throws: Seam.Broken.self) { try await scene.harness.server.followRevocations() }
                #expect(scene.state.isUncertain)
            }
            names.append(scene.seam.rest() ?? "")
            try await scene.harness.server.followRevocations()
            #expect(!scene.state.isUncertain)
            #expect(try scene.harness.isRefused(scene.ending) == isEnded, "place \(place)")
            #expect(try !scene.harness.isRefused(scene.other))
        }
        // The write itself, the moment after it, and the reading that follows.
        #expect(doubts >= 3, "\(names)")
    }

    @Test(.verifies("house@ENDED-AT-ONCE"))
    func `a doubt that comes while the store is being read outlasts the reading`() async throws {
        let scene = try await Scene()
        let state = scene.state
        scene.seam.watch(at: 0) { state.doubt() }
        try await scene.harness.server.followRevocations()
        #expect(scene.seam.rest() == "revocations")
        #expect(state.isUncertain)
        #expect(try scene.harness.isRefused(scene.other))
        try await scene.harness.server.followRevocations()
        #expect(!state.isUncertain)
        #expect(try !scene.harness.isRefused(scene.other))
    }
}
