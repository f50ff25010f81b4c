import FHIRCore
import Testing

@testable import Audit

/// Accesses added up.
@Suite struct AccessSummaryTests {
    private static func row(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test func `accesses of one app, user, patient and type come to one line`() throws {
        var summary = AccessSummary()
        for (at, outcome, released, scope) in [
            ("2026-01-02T00:00:00.000Z", "permitted", 3, "patient/Observation.rs"),
            ("2026-01-01T00:00:00.000Z", "permitted", 1, "patient/Observation.r"),
            ("2026-01-03T00:00:00.000Z", "refused", 0, ""), ("2026-01-02T10:00:00.000Z", "failed", 0, ""),
        ] {
            summary.add(
                try Self.row(
                    """
                    {"kind":"access","phase":"closed","at":"\(at)","client":"app","user":"u","patients":["p"],
                    "resourceType":"Observation","outcome":"\(outcome)","released":\(released),
                    "scopes":[\(scope.isEmpty ? "" : "\"\(scope)\"")]}
                    """))
        }

        let key = AccessSummary.Key(client: "app", user: "u", patient: "p", type: "Observation")
        #expect(Array(summary.sums.keys) == [key])
        let sum = try #require(summary.sums[key])
        #expect((sum.permitted, sum.refused, sum.other) == (2, 1, 1))
        #expect(sum.released == 4)
        #expect((sum.first, sum.last) == ("2026-01-01T00:00:00.000Z", "2026-01-03T00:00:00.000Z"))
        #expect(sum.scopes == ["patient/Observation.rs", "patient/Observation.r"])
    }

    @Test func `what names several patients counts for each, and what is no access for nobody`() throws {
        var summary = AccessSummary()
        summary.add(
            try Self.row(#"{"kind":"access","phase":"closed","patients":["p","q"],"outcome":"permitted","released":2}"#)
        )
        summary.add(try Self.row(#"{"kind":"access","phase":"closed","outcome":"refused"}"#))
        summary.add(try Self.row(#"{"kind":"access","phase":"opened","patients":["p"],"outcome":"pending"}"#))
        summary.add(try Self.row(#"{"kind":"token","phase":"closed","patients":["p"],"outcome":"succeeded"}"#))

        #expect(summary.sums.keys.map(\.patient).sorted() == ["", "p", "q"])
        #expect(summary.sums.values.reduce(0) { $0 + $1.permitted } == 2)
    }
}
