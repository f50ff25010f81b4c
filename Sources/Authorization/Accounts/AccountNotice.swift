/// What happened to an account that its person is told of on the activity page. The raw value is the detail of the
/// record, by which it is known again.
public enum AccountNotice: String, CaseIterable, Hashable, Sendable {
    /// By the person themselves.
    case passwordChanged = "password changed"
    /// By an operator.
    case passwordSet = "password set"
    case factorSetUp = "second factor set up"
    case factorRemoved = "second factor removed"
    case codesRenewed = "recovery codes renewed"
    case codeUsed = "recovery code used up"
}
