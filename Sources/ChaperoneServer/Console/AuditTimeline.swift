internal import FHIRCore

/// How entries lie in time: bars of equal spans between the oldest and the newest.
struct AuditTimeline {
    static let width = 960
    private static let height = 64
    private static let count = 48

    let bars: [AuditPageFacts.Bar]
    let first: String
    let last: String
    /// What the picture shows, in words.
    let text: String

    init(_ rows: [JSONValue]) {
        let points = rows.compactMap { row -> (at: Int64, isGood: Bool)? in
            guard let at = row["at"]?.string.flatMap(Timestamp.milliseconds) else { return nil }
            return (at, Self.isGood(row["outcome"]?.string ?? ""))
        }
        guard let oldest = points.map(\.at).min(), let newest = points.map(\.at).max() else {
            (bars, first, last, text) = ([], "", "", "no entries")
            return
        }
        let span = max(1, (newest - oldest) / Int64(Self.count) + 1)
        var good = [Int](repeating: 0, count: Self.count)
        var bad = good
        for point in points {
            let place = min(Self.count - 1, Int((point.at - oldest) / span))
            if point.isGood { good[place] += 1 } else { bad[place] += 1 }
        }
        let highest = max(1, zip(good, bad).map(+).max() ?? 1)
        let step = Self.width / Self.count
        bars = (0..<Self.count).compactMap { place in
            guard good[place] + bad[place] > 0 else { return nil }
            let goodHeight = Self.scaled(good[place], highest)
            let badHeight = Self.scaled(bad[place], highest)
            let start = Timestamp.text(milliseconds: oldest + Int64(place) * span)
            return AuditPageFacts.Bar(
                label: "from \(start): \(good[place]) permitted, \(bad[place]) not", x: place * step,
                barWidth: step - 2,
                goodY: Self.height - goodHeight, goodHeight: goodHeight,
                badY: Self.height - goodHeight - badHeight, badHeight: badHeight)
        }
        let isShort = newest - oldest < 3_600_000
        first = Self.moment(oldest, withSeconds: isShort)
        last = Self.moment(newest, withSeconds: isShort)
        let refused = points.filter { !$0.isGood }.count
        text = "\(points.count) entries from \(first) to \(last), \(refused) of them refused, failed or interrupted"
    }

    /// Whether an outcome is what was asked for.
    static func isGood(_ outcome: String) -> Bool { outcome == "permitted" || outcome == "succeeded" }

    /// A count that is there is seen.
    private static func scaled(_ count: Int, _ highest: Int) -> Int {
        count == 0 ? 0 : max(2, count * (height - 4) / highest)
    }

    /// To the second where the whole span is short.
    private static func moment(_ milliseconds: Int64, withSeconds: Bool) -> String {
        let text = Timestamp.text(milliseconds: milliseconds)
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(withSeconds ? 8 : 5)) UTC"
    }
}
