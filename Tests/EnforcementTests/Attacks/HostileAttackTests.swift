import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// The whole attack catalogue behind a server that ignores narrowing and is wrong, broken or captured besides.
@Suite(.underMutation) struct HostileAttackTests {
    @Test(.verifies("house@attacks-on-hostile"), arguments: UpstreamHostility.allCases)
    func `no row of the catalogue gets more from a hostile server than it says`(
        hostility: UpstreamHostility
    ) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        // An old version that says it was pA's is what nobody could tell from a record of pA, were it handed out as one.
        let foreign = catalogue.records(of: "pB").filter { $0["subject"]?["reference"]?.string != "Patient/pA" }
        var served = 0
        for row in catalogue.attacks {
            let harness = try GatewayHarness(
                upstream: catalogue.store(.lenient).upstream.hostile(hostility, foreign: foreign),
                panels: catalogue.panels)
            let token = try catalogue.token(row.token, from: harness)

            let answer = await harness.send(row.method, row.target, token: token, headers: row.headers)

            let note = Comment(rawValue: "\(row.testDescription): \(answer.status) \(answer.text)")
            // It may get less where the server was asked at all: what cannot be judged is not there, and what is broken
            // is said to be the server's.
            let isLess = !answer.upstream.isEmpty && [404, 502].contains(answer.status)
            #expect(row.status.contains(answer.status) || isLess, note)
            if row.mustNotAskUpstream { #expect(answer.upstream.isEmpty, note) }
            if answer.status == 200, row.method != "HEAD", let only = row.only {
                let keys = Set(answer.keys).subtracting(only)
                #expect(keys.allSatisfy { $0.hasPrefix("OperationOutcome") }, note)
            }
            for text in row.absent { #expect(!answer.text.contains(text), note) }
            try expectNoLeak(answer)
            if answer.status == 200, !answer.keys.isEmpty { served += 1 }
        }
        #expect(served >= Self.leastServed(hostility), "\(served)")
    }

    /// How many rows of the catalogue are served with resources by a server that is bad in this way, at least: one that
    /// only adds to what it was asked for, or says where more is, still serves.
    private static func leastServed(_ hostility: UpstreamHostility) -> Int {
        switch hostility {
        case .foreignEntries, .wrongTypes, .wrongOrder, .inflatedTotal, .talkativeOutcome, .locationElsewhere: 40
        case .swappedResource, .wrappedInBundle, .nextLinkElsewhere: 10
        case .duplicateMember, .brokenJSON, .invalidUTF8, .html, .emptyBody, .endlessBody, .compressedBody, .cutShort,
            .serverError, .redirect:
            0
        }
    }

    /// How many writes go through at a server that is bad in this way, at least.
    private static func leastWritten(_ hostility: UpstreamHostility) -> Int {
        switch hostility {
        case .foreignEntries, .wrongTypes, .wrongOrder, .inflatedTotal, .talkativeOutcome, .locationElsewhere: 12
        case .nextLinkElsewhere: 3
        case .swappedResource, .wrappedInBundle, .duplicateMember, .brokenJSON, .invalidUTF8, .html, .emptyBody,
            .endlessBody, .compressedBody, .cutShort, .serverError, .redirect:
            0
        }
    }

    /// A server gone bad can fail a write, and cannot make it one on somebody else's record.
    @Test(.verifies("house@hostile-writes"), arguments: UpstreamHostility.allCases)
    func `whatever the server says nothing foreign is written or leaves`(hostility: UpstreamHostility) async throws {
        let catalogue = try WriteAttackCatalogue.shared.get()
        let records = try AttackCatalogue.shared.get()
        let foreign = records.records(of: "pB")
        var written = 0
        for row in catalogue.attacks {
            let store = records.store(.lenient)
            let harness = try GatewayHarness(upstream: store.upstream.hostile(hostility, foreign: foreign))
            let before = store.currentRecords

            let answer = await harness.send(
                row.method, row.target, token: try catalogue.token(row.token, from: harness), headers: row.headers,
                body: row.body)

            let changes = ScriptedRecords.changes(from: before, to: store.currentRecords)
            #expect(changes.isSubset(of: row.changes), "\(row.testDescription): \(changes)")
            try expectNoLeak(answer)
            if !changes.isEmpty { written += 1 }
        }
        #expect(written >= Self.leastWritten(hostility), "\(written)")
    }
}
