/// A `Reference` element as it stands in a resource.
public struct ReferenceValue: Hashable, Sendable {
    /// What `reference` points at; nil when the element has no `reference` text.
    public let literal: LiteralReference?
    /// Whether the element has an `identifier`.
    public let hasIdentifier: Bool
    /// The text of `type`, if there is one.
    public let declaredType: String?
    /// The bytes of the whole element.
    public let range: Range<Int>
    /// The bytes of the `reference` text with its quotes, if there is one.
    public let literalRange: Range<Int>?

    /// A reference value.
    public init(
        literal: LiteralReference?, hasIdentifier: Bool = false, declaredType: String? = nil, range: Range<Int>,
        literalRange: Range<Int>? = nil
    ) {
        self.literal = literal
        self.hasIdentifier = hasIdentifier
        self.declaredType = declaredType
        self.range = range
        self.literalRange = literalRange
    }
}

/// A system and code found in a Coding, CodeableConcept, Identifier, ContactPoint, code or boolean.
public struct TokenValue: Hashable, Sendable {
    /// The system, if the element has one.
    public let system: String?
    /// The code or value, if the element has one.
    public let code: String?

    /// A token value.
    public init(system: String?, code: String?) {
        self.system = system
        self.code = code
    }
}
