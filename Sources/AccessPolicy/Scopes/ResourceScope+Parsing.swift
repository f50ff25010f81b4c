internal import FHIRCore

extension ResourceScope {
    /// Parses a resource scope of either version; nil for anything that is not one in full.
    ///
    /// No valid prefix of a malformed scope is ever honoured.
    public init?(parsing text: String) {
        guard text.utf8.count <= ScopeSet.Limits.maximumScopeBytes, text.utf8.allSatisfy(ScopeText.isScopeByte),
            let slash = text.firstIndex(of: "/"), let level = ScopeLevel(rawValue: String(text[..<slash]))
        else { return nil }
        let rest = text[text.index(after: slash)...]
        let question = rest.firstIndex(of: "?")
        let head = rest[..<(question ?? rest.endIndex)]
        guard let dot = head.firstIndex(of: "."), let target = ScopeTarget(parsing: head[..<dot]) else { return nil }
        var verbs = head[head.index(after: dot)...]
        if mutated(.scopePrefix) { verbs = verbs.prefix { "cruds".contains($0) } }

        if let permissions = Permissions(version1Word: verbs) {
            // A version 1 verb with a constraint has no defined meaning (SMART digest §6.3).
            guard question == nil else { return nil }
            self.init(level: level, target: target, permissions: permissions, dialect: .v1)
            return
        }
        guard let permissions = Permissions(parsing: verbs) else { return nil }
        guard let question else {
            self.init(level: level, target: target, permissions: permissions)
            return
        }
        guard let constraint = SearchConstraint(parsing: rest[rest.index(after: question)...]) else { return nil }
        self.init(level: level, target: target, permissions: permissions, constraint: constraint)
    }
}

extension ScopeTarget {
    /// Parses `*` or the exact, case-sensitive name of an R4 type.
    init?(parsing text: some StringProtocol) {
        if text == "*" {
            self = .all
        } else if let type = ResourceType(rawValue: String(text)) {
            self = .type(type)
        } else {
            return nil
        }
    }
}
