public import Audit
public import OAuthCore
internal import Testing

/// What every store of checkpoints must do; each case is one promise.
public enum CheckpointStoreContract: String, CaseIterable, Sendable {
    case givesBackWhatItStored
    case refusesATakenNumber
    case refusesANumberThatDoesNotFollow
    case knowsTheNewestOfEachNode
    case pagesInTheOrderOfStoring
    case findsTheFirstThatReachesAPlace

    /// Checks the promise on a fresh, empty store.
    public func check(_ store: any AuditCheckpointStore, signedWith key: PrivateJWK) throws {
        func signed(_ number: Int64, node: String = "a") throws -> SignedAuditCheckpoint {
            try SignedAuditCheckpoint(
                AuditCheckpoint(
                    node: node, number: number, sequence: number * 10, head: .digest(of: "\(number)"), at: number,
                    previous: .origin), signedWith: key)
        }
        switch self {
        case .givesBackWhatItStored:
            let first = try signed(1)
            try store.append(first)
            let found = try #require(try store.checkpoints(after: 0, limit: 9).first)
            #expect(found.compact == first.compact)
            #expect((found.node, found.number, found.sequence) == ("a", 1, 10))
        case .refusesATakenNumber:
            try store.append(try signed(1))
            #expect(throws: (any Error).self) { try store.append(try signed(1)) }
        case .refusesANumberThatDoesNotFollow:
            #expect(throws: (any Error).self) { try store.append(try signed(2)) }
            try store.append(try signed(1))
            #expect(throws: (any Error).self) { try store.append(try signed(3)) }
        case .knowsTheNewestOfEachNode:
            for (node, number) in [("b", 1), ("a", 1), ("a", 2)] as [(String, Int64)] {
                try store.append(try signed(number, node: node))
            }
            let latest = try store.latestCheckpoints()
            #expect(latest.map(\.node) == ["a", "b"])
            #expect(latest.map(\.number) == [2, 1])
        case .pagesInTheOrderOfStoring:
            for number in 1...5 { try store.append(try signed(Int64(number))) }
            let first = try store.checkpoints(after: 0, limit: 3)
            let rest = try store.checkpoints(after: first.last?.position ?? 0, limit: 3)
            #expect((first + rest).map(\.number) == [1, 2, 3, 4, 5])
        case .findsTheFirstThatReachesAPlace:
            for number in 1...5 {
                try store.append(try signed(Int64(number)))
                try store.append(try signed(Int64(number), node: "b"))
            }
            for (place, number) in [(1, 1), (10, 1), (11, 2), (35, 4), (50, 5)] as [(Int64, Int64)] {
                #expect(try store.checkpoint(of: "a", reaching: place)?.number == number, "\(place)")
            }
            #expect(try store.checkpoint(of: "a", reaching: 51) == nil)
            #expect(try store.checkpoint(of: "c", reaching: 1) == nil)
            #expect(try store.links(of: "a", in: 1..<9) == [])
        }
    }
}
