/// A scope for FHIR resources: whose authority, which types, which letters, and which search it is limited to.
public struct ResourceScope: Hashable, Sendable {
    /// The syntax that a scope was written in; printing uses the same.
    public enum Dialect: Hashable, Sendable {
        /// SMART 1.0: `read`, `write`, `*`.
        case v1
        /// SMART 2: letters.
        case v2
    }

    /// Whose authority is delegated.
    public let level: ScopeLevel
    /// Which types.
    public let target: ScopeTarget
    /// Which letters.
    public let permissions: Permissions
    /// The search that the scope is limited to; nil means every resource of the target.
    public let constraint: SearchConstraint?
    /// The syntax it prints in. Always `.v2` when version 1 cannot express the scope.
    public let dialect: Dialect

    /// Makes a scope; a dialect that cannot say it becomes `.v2`.
    public init(
        level: ScopeLevel, target: ScopeTarget, permissions: Permissions, constraint: SearchConstraint? = nil,
        dialect: Dialect = .v2
    ) {
        self.level = level
        self.target = target
        self.permissions = permissions
        self.constraint = constraint
        self.dialect = constraint == nil && permissions.version1Word != nil ? dialect : .v2
    }

    /// The scope as a token of the `scope` parameter, exactly as it was parsed.
    public var text: String {
        var result = level.rawValue + "/" + target.text + "."
        switch dialect {
        case .v1: result += permissions.version1Word ?? permissions.text
        case .v2: result += permissions.text
        }
        if let constraint { result += "?" + constraint.text }
        return result
    }

    func with(permissions: Permissions, dialect: Dialect? = nil) -> ResourceScope {
        ResourceScope(
            level: level, target: target, permissions: permissions, constraint: constraint,
            dialect: dialect ?? self.dialect)
    }

    /// Whether everything the other scope permits is permitted by this one alone.
    public func covers(_ other: ResourceScope) -> Bool {
        // Levels are different axes of delegation: `user/` never covers `patient/` (SMART digest §6.6).
        level == other.level && target.covers(other.target) && permissions.contains(other.permissions)
            && coversConstraint(of: other)
    }

    private func coversConstraint(of other: ResourceScope) -> Bool {
        guard let constraint else { return true }
        guard let inner = other.constraint else { return false }
        return constraint.covers(inner)
    }
}
