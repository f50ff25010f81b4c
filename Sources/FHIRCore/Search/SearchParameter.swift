/// A search parameter of FHIR R4 on one type.
public struct SearchParameter: Hashable, Sendable {
    /// The kinds of search parameter.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case token, reference, string, date, uri, number, quantity, composite, special
    }

    /// The name in a query.
    public let code: String
    /// What it compares.
    public let kind: Kind
    /// For a reference, the types that it may point at; all types when it may point at any.
    public let targets: [ResourceType]
    /// The published FHIRPath, cut down to the alternatives of this type.
    public let expressionText: String
    /// The expression in a form that we can evaluate whole; nil when it is of a form that we cannot.
    public let expression: ElementExpression?
}
