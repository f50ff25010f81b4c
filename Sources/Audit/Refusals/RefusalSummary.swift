public import AccessPolicy

/// What one network was refused in one interval beyond what is recorded one by one: one record for all of it.
public struct RefusalSummary: Hashable, Sendable {
    /// The network.
    public let source: SourceClass
    /// How many refusals, by reason.
    public internal(set) var reasons: [String: Int]
    /// When the first and the last of them came, milliseconds since 1970 UTC.
    public internal(set) var first: Int64
    public internal(set) var last: Int64

    /// How many refusals.
    public var count: Int { reasons.values.reduce(0, +) }

    /// The two as one.
    mutating func add(_ other: RefusalSummary) {
        reasons.merge(other.reasons) { $0 + $1 }
        first = min(first, other.first)
        last = max(last, other.last)
    }

    /// The record of it; its address is the network's.
    ///
    /// - Parameters:
    ///   - id: names the record.
    ///   - place: what refused, such as `fhir`, for whoever reads the record.
    ///   - now: milliseconds since 1970 UTC.
    public func record(id: DecisionID, place: String, at now: Int64) -> AuthorizationRecord {
        let list = reasons.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.map { "\($0.key) \($0.value)" }
        return AuthorizationRecord(
            id: id, kind: .refusalsSummed, outcome: .refused(reason: "without-valid-credentials"),
            detail: "\(place): \(count) refusals not recorded one by one, \(FHIRTime.instant(first)) to "
                + "\(FHIRTime.instant(last)): \(list.joined(separator: ", "))",
            sourceAddress: source.text, at: now)
    }
}
