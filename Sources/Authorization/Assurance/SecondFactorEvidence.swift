/// By what of a provider's ID token two factors are known to have been shown, as the operator says.
public struct SecondFactorEvidence: Hashable, Sendable {
    /// The values of `acr` each of which says it.
    public var contexts: Set<String>
    /// The values of `amr` each of which says it.
    public var methods: Set<String>
    /// Whether two methods of different kinds say it, too.
    public var countsKinds: Bool

    /// `mfa` alone: the one word of RFC 8176 that means it.
    public init(contexts: Set<String> = [], methods: Set<String> = ["mfa"], countsKinds: Bool = false) {
        self.contexts = contexts
        self.methods = methods
        self.countsKinds = countsKinds
    }

    /// What a method of authentication rests on.
    public enum Kind: Hashable, Sendable, CaseIterable {
        case knowledge, possession, biometrics
    }

    /// The kinds of the methods that RFC 8176 §2 registers. Those that rest on none of the three by themselves (`geo`,
    /// `mca`, `rba`, `user`, `wia`) and words that nobody registered have none.
    public static let kinds: [String: Kind] = [
        "pwd": .knowledge, "pin": .knowledge, "kba": .knowledge,
        "otp": .possession, "sms": .possession, "tel": .possession, "hwk": .possession, "swk": .possession,
        "sc": .possession,
        "face": .biometrics, "fpt": .biometrics, "iris": .biometrics, "retina": .biometrics, "vbm": .biometrics,
    ]

    /// The registered methods that never are two factors by themselves.
    public static let singleMethods: Set<String> = Set(kinds.keys).union(["geo", "mca", "rba", "user", "wia"])

    /// Whether a sign-in says that two factors were shown. Compared byte for byte.
    func isGiven(by proved: AuthenticationContext) -> Bool {
        if let context = proved.classReference, contexts.contains(where: { $0.utf8.elementsEqual(context.utf8) }) {
            return true
        }
        if proved.methods.contains(where: { method in methods.contains { $0.utf8.elementsEqual(method.utf8) } }) {
            return true
        }
        return countsKinds && Set(proved.methods.compactMap { Self.kinds[$0] }).count > 1
    }
}
