internal import FHIRCore

/// What has to go from a resource before it may pass: parts of it, and perhaps its narrative, which tells the same.
///
/// Members are named here and cut in one place only (``OutgoingResource``): two cuts made apart could meet, and what
/// is left between them would no longer be JSON.
struct Redaction: Hashable, Sendable {
    /// Replacements inside members.
    var edits: [ByteEdit] = []
    /// Whether the narrative goes too.
    var cutsNarrative = false

    /// Nothing has to go.
    static let none = Redaction()

    var isEmpty: Bool { edits.isEmpty && !cutsNarrative }
    /// How much goes, for comparing two.
    var count: Int { edits.count + (cutsNarrative ? 1 : 0) }
}
