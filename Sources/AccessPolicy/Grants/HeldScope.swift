/// One resource scope that a token carries, with the text it carries it in.
public struct HeldScope: Hashable, Sendable {
    /// Text and meaning. A class so that handing a scope on costs one reference count; nothing in it changes.
    private final class Facts: Sendable {
        let text: String
        let scope: ResourceScope

        init(text: String, scope: ResourceScope) {
            self.text = text
            self.scope = scope
        }
    }

    private let facts: Facts

    /// The scope exactly as it stands in the token.
    public var text: String { facts.text }
    /// What it means.
    public var scope: ResourceScope { facts.scope }

    /// Parses the text; nil when it is not a resource scope, and then it grants nothing.
    public init?(_ text: String) {
        self.init(Scope(parsing: text))
    }

    /// The scope as parsed already; nil when it is not a resource scope.
    init?(_ scope: Scope) {
        guard case .resource(let resource) = scope else { return nil }
        facts = Facts(text: scope.text, scope: resource)
    }

    /// Scopes are equal when text and meaning are.
    public static func == (left: HeldScope, right: HeldScope) -> Bool {
        left.facts === right.facts || (left.text == right.text && left.scope == right.scope)
    }

    /// Hashes the text, of which the meaning follows.
    public func hash(into hasher: inout Hasher) { hasher.combine(facts.text) }
}
