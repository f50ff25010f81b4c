internal import FHIRCore

/// One token value of a constraint: `code`, `system|code`, `|code` or `system|`.
public struct ConstraintToken: Hashable, Sendable {
    /// Which systems the value accepts.
    public enum System: Hashable, Sendable {
        /// No bar was written: any system, or none.
        case any
        /// A bar with nothing before it: the element must have no system.
        case absent
        /// Exactly this system.
        case exactly(String)

        /// Equal when the bytes are.
        public static func == (left: System, right: System) -> Bool {
            switch (left, right) {
            case (.any, .any), (.absent, .absent): true
            case (.exactly(let first), .exactly(let second)): ScopeText.areSame(first, second)
            case (.any, _), (.absent, _), (.exactly, _): false
            }
        }
    }

    /// Which system must stand beside the code.
    public let system: System
    /// The code that must stand there; nil accepts every code of the system.
    public let code: String?

    /// Reads one already unescaped value part; nil when it says nothing at all (`""` or `"|"`) or has a second bar.
    init?(escaped value: String) {
        let parts = SearchValue.split(value, at: "|").map(SearchValue.unescaped)
        guard let first = parts.first, parts.count <= 2 else { return nil }
        guard parts.count == 2 else {
            guard !first.isEmpty else { return nil }
            system = .any
            code = first
            return
        }
        let second = parts[1]
        guard !(first.isEmpty && second.isEmpty) else { return nil }
        system = first.isEmpty ? .absent : .exactly(first)
        code = second.isEmpty ? nil : second
    }

    /// Whether an element with this system and code satisfies the value.
    public func matches(system found: String?, code foundCode: String?) -> Bool {
        switch system {
        case .any: break
        case .absent: guard found == nil || found == "" else { return false }
        case .exactly(let wanted):
            guard found.map({ ScopeText.areSame($0, wanted) }) ?? false || mutated(.systemIgnored) else { return false }
        }
        guard let code else { return true }
        return foundCode.map { ScopeText.areSame($0, code) } ?? false
    }

    /// Whether every element that satisfies the other value satisfies this one.
    func covers(_ other: ConstraintToken) -> Bool {
        if self == other { return true }
        guard system == .any || system == other.system else { return false }
        guard let code else { return true }
        return other.code.map { ScopeText.areSame($0, code) } ?? false
    }

    /// Equal when the bytes are: what a grant says is never stretched to texts that only look the same.
    public static func == (left: ConstraintToken, right: ConstraintToken) -> Bool {
        guard left.system == right.system else { return false }
        switch (left.code, right.code) {
        case (let first?, let second?): return ScopeText.areSame(first, second)
        case (nil, nil): return true
        case (nil, _), (_, nil): return false
        }
    }
}
