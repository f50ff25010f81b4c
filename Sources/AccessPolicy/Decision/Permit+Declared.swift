extension Permit {
    /// Whether the protected server says of itself that it knows every parameter that narrows the search, and was not
    /// seen to pass over one: without that, only its answer tells whether it obeys (ADR 0018).
    public var narrowingIsDeclared: Bool { rule.isCountable }
}
