/// What `decide` says about a request.
public enum AccessDecision: Sendable {
    /// It may be forwarded, narrowed as the permit says, and its answer judged under the permit.
    case permit(Permit)
    /// It is refused.
    case deny(Denial)
}
