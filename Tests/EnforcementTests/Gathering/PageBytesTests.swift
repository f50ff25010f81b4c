import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// A page that is put together from several upstream answers holds so many bytes and no more; what is left comes next.
@Suite struct PageBytesTests {
    private static func large(_ id: String, bytes: Int, naming other: String = "pA") -> JSONValue {
        [
            "resourceType": "List", "id": .string(id), "status": "current", "mode": "working",
            "subject": ["reference": "Patient/pA"], "title": .string(String(repeating: "t", count: bytes)),
            "entry": [["item": ["reference": .string("Patient/\(other)")]]],
        ]
    }

    private static func harness(_ records: [JSONValue], pageBytes: Int?) throws -> GatewayHarness {
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .obedient)
        return try GatewayHarness(
            upstream: store.upstream, panels: PanelSource(ofUser: { _ in .none }, ofClient: { _ in .everyone }),
            pageBytes: pageBytes)
    }

    /// The history of a type is for clients of the whole server.
    private static func token(_ harness: GatewayHarness, _ target: String) throws -> String {
        try target.hasSuffix("_history")
            ? harness.token(scope: "system/*.rs", subject: nil) : harness.token(scope: "patient/*.rs", patient: "pA")
    }

    private static func entries(_ pages: [GatewayHarness.Answer]) -> [String] {
        pages.flatMap { $0.json?["entry"]?.array ?? [] }.map(\.text)
    }

    static let targets = ["/List", "/List/_history", "/Patient/pA/$everything"]

    @Test(.verifies("house@page-bytes"), arguments: targets, [1, 1_500, 4_000, 20_000])
    func `pages cut by size hold together what one page would, byte for byte`(
        target: String, bytes: Int
    ) async throws {
        let sizes = (0..<12).map { ($0 * 677) % 1_990 + 10 }
        let records =
            [["resourceType": "Patient", "id": "pA"] as JSONValue]
            + sizes.enumerated().map { Self.large("l\(10 + $0)", bytes: $1, naming: $0 % 3 == 0 ? "pB" : "pA") }
        let small = try Self.harness(records, pageBytes: bytes)
        let whole = try Self.harness(records, pageBytes: nil)

        let cut = try await GatheredAnswerTests.pages(small, target, try Self.token(small, target))
        let plain = try await GatheredAnswerTests.pages(whole, target, try Self.token(whole, target))

        #expect(Self.entries(cut) == Self.entries(plain))
        #expect(plain.count == 1 && Self.entries(plain).count > 7)
        if bytes < 4_000 { #expect(cut.count > 1) }
        for page in cut {
            let rows = page.json?["entry"]?.array ?? []
            #expect(!rows.isEmpty)
            let size = rows.reduce(0) { $0 + ($1["resource"]?.serialized.count ?? 0) }
            #expect(rows.count == 1 || size <= bytes, "\(size)")
        }
    }

    @Test func `a few rows of a large answer are sent as they are`() async throws {
        // One upstream page of more than 64 KiB of which little may be seen, with others in it to be masked.
        let hidden = (0..<40).map { Self.large("h\($0)", bytes: 4_000, naming: "pB") }
        let seen: JSONValue = [
            "resourceType": "List", "id": "seen", "status": "current", "mode": "working", "title": "é\"\\",
            "subject": ["reference": "Patient/pA"],
        ]
        let harness = try Self.harness(hidden + [seen], pageBytes: nil)
        let alone = try Self.harness([seen], pageBytes: nil)

        let many = try await GatheredAnswerTests.pages(
            harness, "/List", try harness.token(scope: "patient/*.rs", patient: "pA"))
        let one = try await GatheredAnswerTests.pages(
            alone, "/List", try alone.token(scope: "patient/*.rs", patient: "pA"))

        #expect(Self.entries(many) == Self.entries(one))
        #expect(Self.entries(one).count == 1)
    }
}
