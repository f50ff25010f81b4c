/// In what part a resource comes before `admit`.
public enum ResourceRole: String, Hashable, Sendable, CaseIterable {
    /// The current version that a write, a version read or a history is about; nothing of it is answered.
    case stored
    /// The body of a write.
    case submitted
    /// What was asked for: the resource of a read, a match of a search.
    case match
    /// What came along with a match.
    case include
    /// What the upstream says it stored after a write.
    case answer
    /// One version of a resource.
    case version
}
