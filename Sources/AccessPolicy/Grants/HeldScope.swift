/// One resource scope that a token carries, with the text it carries it in.
public struct HeldScope: Hashable, Sendable {
    /// The scope exactly as it stands in the token.
    public let text: String
    /// What it means.
    public let scope: ResourceScope

    /// Parses the text; nil when it is not a resource scope, and then it grants nothing.
    public init?(_ text: String) {
        self.init(Scope(parsing: text))
    }

    /// The scope as parsed already; nil when it is not a resource scope.
    init?(_ scope: Scope) {
        guard case .resource(let resource) = scope else { return nil }
        text = scope.text
        self.scope = resource
    }
}
