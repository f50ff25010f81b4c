public import AccessPolicy
public import FHIRCore

/// What the enforcer would do with a request, and why.
///
/// It is read off the very judgements that the gateway takes; nothing is asked of the protected server, so what depends
/// on stored data is told as what will be looked at.
public struct Explanation: Sendable {
    /// How the request would begin.
    public enum Verdict: String, Hashable, Sendable, CaseIterable {
        /// It would be forwarded, or answered with a document that is open to everybody.
        case permitted
        /// It would be refused before the protected server is asked for what the request is about.
        case refused
    }

    /// One scope that allows the request, and how far it reaches.
    public struct Determining: Hashable, Sendable {
        /// The scope as the token has it.
        public let scope: String
        /// Whose records it reaches.
        public let boundary: PatientPanel
    }

    /// What would become of one resource that the protected server answered.
    public struct ResourceVerdict: Hashable, Sendable {
        /// `Type/id`, or the type alone.
        public let resource: String
        /// The part that it would play in the answer.
        public let role: ResourceRole
        /// `release`, `redact` or `withhold`.
        public let admission: String
        /// How many places would be cut out.
        public let edits: Int
        /// Why it would be withheld.
        public let reason: String?
    }

    /// How the request would begin.
    public let verdict: Verdict
    /// The reason of a refusal, in the word of the audit record.
    public var reason: String?
    /// The HTTP status of a refusal.
    public var status: Int?
    /// Scopes any one of which would have sufficed.
    public var sufficientScopes: [String] = []
    /// The parameter that a refusal is about.
    public var parameter: String?
    /// The token's facts, when there was a valid one.
    public var access: GrantedAccess?
    /// What the request was understood to ask for.
    public var request: CanonicalRequest?
    /// The scopes that allow it.
    public var determining: [Determining] = []
    /// Method, path and query that would go to the protected server.
    public var forwarded: String?
    /// Whether that differs from what was asked: the search was narrowed, cut or moved to its type.
    public var isNarrowed = false
    /// Whether an obedient server then returns exactly the rows that may be seen; nil where nothing is searched.
    public var narrowingIsExact: Bool?
    /// A resource that would be read and judged first.
    public var readFirst: InstanceKey?
    /// What would become of the resources that were shown.
    public var resources: [ResourceVerdict] = []
    /// The entries of a batch or transaction.
    public var entries: [Explanation] = []

    init(_ verdict: Verdict) { self.verdict = verdict }
}
