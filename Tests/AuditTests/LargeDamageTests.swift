import OAuthCore
import RequirementTraits
import Testing

@testable import Audit

/// Damage of a size at which a verifier that looks at every piece for every other one would never end.
@Suite(.verifies("audit@damage-at-size"), .timeLimit(.minutes(5))) struct LargeDamageTests {
    private static let count: Int64 = 300_000

    private static func hash(_ number: Int64) -> ChainHash { number == 0 ? .origin : .digest(of: "\(number)") }

    /// Pieces of nine entries with a missing one between each two, as if every tenth entry had been deleted.
    private static let pieces = (0..<count).map { number -> AuditSegment.Piece in
        AuditSegment.Piece(
            first: number * 10 + 1, previous: hash(number), last: number * 10 + 9, stored: hash(number + 1),
            expected: hash(number + 1))
    }

    private func verification(
        _ pieces: [AuditSegment.Piece], removals: AuditRemovalReview = .none, ends: AuditCheckpointReview? = nil
    ) -> AuditVerification {
        let segment = AuditSegment(parts: [.init(node: "n", pieces: pieces)], findings: [], holds: [])
        return AuditStitching([segment]).verification(
            ends ?? AuditCheckpointReview([], anchors: [], keys: .init([])), removals: removals)
    }

    @Test func `every tenth entry of millions is missing, and the first of them are named`() {
        let verification = verification(Self.pieces)

        #expect(verification.findings.count == AuditVerification.findingLimit)
        #expect(verification.findings.first?.description == "entry n/10: missing: it is not there")
        #expect(verification.findings.last?.description == "entry n/100000: missing: it is not there")
        #expect(verification.chains.map(\.entries) == [Self.count * 9])
        #expect(verification.chains.map(\.end.sequence) == [Self.count * 10 - 1])
    }

    @Test func `the same in the order of storing turned round`() {
        let findings = verification(Self.pieces.reversed()).findings

        #expect(findings.count == AuditVerification.findingLimit)
        #expect(findings.first?.description == "entry n/1: reordered: it stands elsewhere")
        #expect(findings.dropFirst().first?.description == "entry n/10: missing: it is not there")
    }

    @Test func `every second piece stands at the end, and each gap finds it`() {
        let (even, odd) = (
            Self.pieces.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element),
            Self.pieces.enumerated().filter { !$0.offset.isMultiple(of: 2) }.map(\.element)
        )
        let verification = verification(even + odd)

        #expect(verification.findings.count == AuditVerification.findingLimit)
        #expect(
            verification.findings.prefix(3).map(\.description) == [
                "entry n/10: missing: it is not there", "entry n/11: reordered: it stands elsewhere",
                "entry n/20: missing: it is not there",
            ])
        #expect(verification.chains.map(\.entries) == [Self.count * 9])
    }

    @Test func `small damage is named as it was`() {
        func piece(_ range: ClosedRange<Int64>) -> AuditSegment.Piece {
            .init(
                first: range.lowerBound, previous: Self.hash(range.lowerBound - 1), last: range.upperBound,
                stored: Self.hash(range.upperBound), expected: Self.hash(range.upperBound))
        }
        func found(_ ranges: [ClosedRange<Int64>]) -> [String] {
            verification(ranges.map(piece)).findings.map { "\($0.place) \($0.fault.rawValue)" }
        }

        #expect(found([1...9]) == [])
        #expect(found([1...3, 5...9]) == ["entry n/4 missing"])
        #expect(found([2...9]) == ["entry n/1 missing"])
        // 4 to 6 stand behind 7 to 9.
        #expect(found([1...3, 7...9, 4...6]) == ["entry n/4 reordered"])
        #expect(found([1...3, 7...9, 5...5]) == ["entry n/4 missing", "entry n/5 reordered", "entry n/6 missing"])
        // A place that is taken twice.
        #expect(found([1...5, 3...4]) == ["entry n/3 changed", "entry n/4 changed"])
        #expect(found([1...3, 5...9, 4...6]) == ["entry n/4 reordered", "entry n/5 changed", "entry n/6 changed"])
        #expect(found([Int64.max - 1...Int64.max]) == ["entry n/1 missing"])
    }
}
