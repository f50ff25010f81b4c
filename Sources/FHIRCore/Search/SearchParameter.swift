/// A search parameter of FHIR R4 on one type.
public struct SearchParameter: Hashable, Sendable {
    /// The kinds of search parameter.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case token, reference, string, date, uri, number, quantity, composite, special
    }

    /// What is known about it. A class so that handing a parameter on costs one reference count; nothing in it changes.
    private final class Facts: Sendable {
        let code: String
        let kind: Kind
        let targets: [ResourceType]
        let expressionText: String
        let expression: ElementExpression?

        init(
            code: String, kind: Kind, targets: [ResourceType], expressionText: String, expression: ElementExpression?
        ) {
            self.code = code
            self.kind = kind
            self.targets = targets
            self.expressionText = expressionText
            self.expression = expression
        }
    }

    private let facts: Facts

    init(code: String, kind: Kind, targets: [ResourceType], expressionText: String, expression: ElementExpression?) {
        facts = Facts(
            code: code, kind: kind, targets: targets, expressionText: expressionText, expression: expression)
    }

    /// The name in a query.
    public var code: String { facts.code }
    /// What it compares.
    public var kind: Kind { facts.kind }
    /// For a reference, the types that it may point at; all types when it may point at any.
    public var targets: [ResourceType] { facts.targets }
    /// The published FHIRPath, cut down to the alternatives of this type.
    public var expressionText: String { facts.expressionText }
    /// The expression in a form that we can evaluate whole; nil when it is of a form that we cannot.
    public var expression: ElementExpression? { facts.expression }

    /// Parameters are equal when all that is known about them is.
    public static func == (left: SearchParameter, right: SearchParameter) -> Bool {
        let (left, right) = (left.facts, right.facts)
        return left === right
            || (left.code == right.code && left.kind == right.kind && left.expressionText == right.expressionText
                && left.targets == right.targets && left.expression == right.expression)
    }

    /// Hashes the name and the expression.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(facts.code)
        hasher.combine(facts.expressionText)
    }
}
