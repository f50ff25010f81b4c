internal import FHIRCore

/// `_elements` and `_summary`, applied by us after the judgement: what the upstream leaves out cannot be judged.
///
/// `_summary=true` and `false` leave a resource whole: a server is not obliged to return just a summary (FHIR R4
/// search.html), and the list of summary elements is not among our tables.
struct Projection: Hashable, Sendable {
    private let kept: Set<String>?
    private let dropsNarrative: Bool

    /// What every projection keeps: identity, and what changes the meaning of the rest.
    private static let always: Set<String> = [
        "resourceType", "id", "meta", "implicitRules", "modifierExtension", "status",
    ]

    init(_ options: ResultOptions) {
        var kept: Set<String>?
        if !options.elements.isEmpty { kept = Projection.always.union(options.elements) }
        if options.summary == .text {
            kept = (kept ?? Projection.always).intersection(Projection.always).union(["text"])
        }
        self.kept = kept
        dropsNarrative = options.summary == .data
    }

    /// The projection that leaves a resource as it is.
    static let whole = Projection(ResultOptions())

    /// Whether every member stays.
    var isWhole: Bool { kept == nil && !dropsNarrative }

    /// Whether a member stays.
    func keeps(_ member: JSONMember) -> Bool {
        if dropsNarrative, member.isNamed("text") || member.isNamed("_text") { return false }
        guard let kept else { return true }
        let name = member.name
        return kept.contains(name.hasPrefix("_") ? String(name.dropFirst()) : name)
    }
}
