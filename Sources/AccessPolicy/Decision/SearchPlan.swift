internal import FHIRCore

/// What became of a client's search parameters: what is forwarded, what was consumed, what comes along.
struct SearchPlan: Hashable, Sendable {
    /// Terms to forward as they are.
    var terms: [SearchTerm] = []
    /// Patients that the client named by membership parameters; one set per parameter, all of which hold.
    var patients: [Set<ResourceID>] = []
    /// The patient whose compartment is searched, where more than the subject puts a row into it.
    var compartment: ResourceID?
    /// What a compartment of somebody who is no patient asks for, beside all else.
    var association: RowLimit.Association?
    /// `_sort`, checked.
    var sort: SearchTerm?
    /// The page size, clamped.
    var count: Int?
    /// Whether only a number is asked for.
    var isCount = false
    /// `_total`, if it asks for one.
    var total: SearchTerm?
    /// Includes that may be forwarded.
    var includes: [Include] = []
    /// The terms that say those includes to the upstream.
    var includeTerms: [SearchTerm] = []
    /// The includes as the client wrote them, for the `self` link.
    var publicIncludeTerms: [SearchTerm] = []
}
