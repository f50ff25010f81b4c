internal import FHIRCore

/// What is reached by the includes that were asked for, starting from what is released.
///
/// A resource that came along only through one that is withheld is not reached (ATK-058).
struct IncludeConnection {
    private let rule: ReleaseRule
    /// Everything released so far.
    private(set) var released: Set<InstanceKey>
    private var matched: Set<InstanceKey>
    /// What each forward include points at.
    private var pointedAt: [Include: Set<InstanceKey>] = [:]

    init(_ rule: ReleaseRule, matches: [SearchAnswer.Entry]) {
        self.rule = rule
        released = Set(matches.map(\.key))
        matched = released
        for entry in matches { follow(entry, isMatch: true) }
    }

    /// Whether an include leads from something released to this entry.
    func reaches(_ entry: SearchAnswer.Entry) -> Bool {
        rule.includes.contains { include in
            guard include.arriving.contains(entry.key.type) else { return false }
            guard include.isReverse else { return pointedAt[include]?.contains(entry.key) ?? false }
            let targets = include.iterates ? released : matched
            return (entry.resource.references(include.parameter) ?? []).contains { value in
                rule.forms.read(value.literal).map(targets.contains) ?? false
            }
        }
    }

    /// Takes an entry among what is released.
    mutating func add(_ entry: SearchAnswer.Entry) {
        released.insert(entry.key)
        follow(entry, isMatch: false)
    }

    private mutating func follow(_ entry: SearchAnswer.Entry, isMatch: Bool) {
        for include in rule.includes
        where !include.isReverse && include.source == entry.key.type && (isMatch || include.iterates) {
            let keys = (entry.resource.references(include.parameter) ?? []).compactMap { rule.forms.read($0.literal) }
            pointedAt[include, default: []].formUnion(keys)
        }
    }
}
