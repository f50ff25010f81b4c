public import FHIRCore

/// The search that a granular scope is limited to: terms that must all hold (SMART 2.2 scopes, finer-grained access).
public struct SearchConstraint: Hashable, Sendable {
    /// The terms, in the order written; all must hold.
    public let terms: [ConstraintTerm]
    /// Exactly the text after the question mark.
    public let text: String

    /// Parses the text after the question mark; nil when any term is malformed or the text is empty.
    init?(parsing text: some StringProtocol) {
        var terms: [ConstraintTerm] = []
        for piece in text.split(separator: "&", omittingEmptySubsequences: false) {
            guard let term = ConstraintTerm(parsing: piece) else { return nil }
            terms.append(term)
        }
        guard !terms.isEmpty, terms.count <= SearchConstraint.maximumTerms else { return nil }
        self.terms = terms
        self.text = String(text)
    }

    /// Makes a constraint from terms, spelt canonically.
    init(terms: [ConstraintTerm]) {
        self.terms = terms
        text = terms.map(\.text).joined(separator: "&")
    }

    /// More terms than this in one scope are refused.
    static let maximumTerms = 16

    /// Whether the constraint can be evaluated on resources of a type: token parameters of that type, plainly written.
    ///
    /// What cannot be evaluated grants nothing, rather than being dropped from the scope.
    public func isEnforceable(on type: ResourceType) -> Bool {
        terms.allSatisfy { term in
            guard term.isPlain, term.tokens != nil, let parameter = R4.searchParameter(term.name, for: type) else {
                return false
            }
            return parameter.kind == .token && parameter.expression != nil
        }
    }

    /// Whether everything that satisfies the other constraint satisfies this one.
    ///
    /// Sound but not complete: a true answer is always right.
    func covers(_ other: SearchConstraint) -> Bool {
        terms.allSatisfy { own in other.terms.contains { own.covers($0) } }
    }

    /// The same constraint with sorted terms and values and without repeats, for comparison.
    var canonical: SearchConstraint {
        let sorted = terms.map {
            ConstraintTerm(name: $0.name, modifier: $0.modifier, alternatives: Array(Set($0.alternatives)).sorted())
        }
        return SearchConstraint(terms: Array(Set(sorted)).sorted { $0.text < $1.text })
    }

    /// What both constraints leave: within one parameter the values common to both, across parameters all terms.
    ///
    /// Nil when nothing is left. The result never admits what either constraint would not.
    func intersection(_ approved: SearchConstraint) -> SearchConstraint? {
        if approved.covers(self) { return self }
        if covers(approved) { return approved }
        guard terms.count == 1, approved.terms.count == 1, terms[0].name == approved.terms[0].name,
            terms[0].modifier == approved.terms[0].modifier
        else { return SearchConstraint(terms: terms + approved.terms.filter { !terms.contains($0) }) }
        let common =
            terms[0].alternatives.filter(approved.terms[0].covers(alternative:))
            + approved.terms[0].alternatives.filter(terms[0].covers(alternative:))
        guard !common.isEmpty else { return nil }
        var values: [String] = []
        for value in common where !values.contains(value) { values.append(value) }
        return SearchConstraint(terms: [
            ConstraintTerm(name: terms[0].name, modifier: terms[0].modifier, alternatives: values)
        ])
    }

    /// Constraints of one alternative per term whose union is this one; just this one when there would be too many.
    var singleAlternatives: [SearchConstraint] {
        let count = terms.reduce(1) { $0 * min($1.alternatives.count, 1024) > 4096 ? 4097 : $0 * $1.alternatives.count }
        guard count > 1, count <= 256 else { return [self] }
        var result: [[ConstraintTerm]] = [[]]
        for term in terms {
            result = result.flatMap { head in
                term.alternatives.map {
                    head + [ConstraintTerm(name: term.name, modifier: term.modifier, alternatives: [$0])]
                }
            }
        }
        return result.map(SearchConstraint.init(terms:))
    }
}
