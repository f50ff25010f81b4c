/// One resource scope that a token carries, with the text it carries it in.
public struct HeldScope: Hashable, Sendable {
    /// The scope exactly as it stands in the token.
    public let text: String
    /// What it means.
    public let scope: ResourceScope

    /// Parses the text; nil when it is not a resource scope, and then it grants nothing.
    public init?(_ text: String) {
        guard case .resource(let scope) = Scope(parsing: text) else { return nil }
        self.text = text
        self.scope = scope
    }
}
