internal import FHIRCore

/// What the judge leaves of one upstream page of a search, before it is part of any answer.
struct JudgedPage {
    /// The rows that may be seen, in the upstream's order.
    let matches: [SearchAnswer.Entry]
    /// What came along and has still to be connected and judged.
    let candidates: [SearchAnswer.Entry]
    /// Whether a row was withheld.
    let hidesMatches: Bool
    let withheld: [WithholdReason: Int]
    let securityEvents: [String]
    /// The type of the search, where the upstream has passed over what an exact one said.
    let disobeyed: Set<ResourceType>
}
