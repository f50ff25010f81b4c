public import AccessPolicy

/// What is demanded of a sign-in: everything that it names must hold.
public struct SignInDemands: Hashable, Sendable {
    /// Authentication contexts (`acr`), each of which must be reached.
    public var contexts: Set<String>
    /// Whether two factors must have been shown.
    public var secondFactor: Bool

    public init(contexts: Set<String> = [], secondFactor: Bool = false) {
        self.contexts = contexts
        self.secondFactor = secondFactor
    }

    /// Whether any sign-in will do.
    public var isEmpty: Bool { contexts.isEmpty && !secondFactor }
}

/// Whether what a sign-in proved is enough, and what helps where it is not.
public enum SignInFinding: Hashable, Sendable, CaseIterable {
    case enough
    /// A second factor of this server, shown now, would make it enough.
    case secondFactorMissing
    /// Only another sign-in helps.
    case tooWeak
}

/// What the site demands of sign-ins, and the one place in which it is decided whether a sign-in meets it: when somebody
/// signs in, when a browser's session is used again, when a code is made or redeemed, and at each refresh.
///
/// The facts of a sign-in are kept as they were; they are always held against the demands of today (decision 23).
public struct AssurancePolicy: Hashable, Sendable {
    /// The weakest contexts by program and scope.
    public var minimum: AssuranceRules
    /// Who must show a second factor.
    public var secondFactor: SecondFactorPolicy
    /// What the word of a provider is worth, by its issuer. Who is not among them vouches for nothing.
    public var providers: [String: ProviderAssurance]

    public init(
        minimum: AssuranceRules = AssuranceRules(), secondFactor: SecondFactorPolicy = SecondFactorPolicy(),
        providers: [String: ProviderAssurance] = [:]
    ) {
        self.minimum = minimum
        self.secondFactor = secondFactor
        self.providers = providers
    }

    /// What is demanded of whoever opens these scopes in an app of these programs, or simply signs in.
    ///
    /// - Parameters:
    ///   - roles: the roles of the account.
    ///   - isAsked: whether the app itself asked for two factors.
    public func demands(
        programs: Set<APIProgram> = [], scopes: [Scope] = [], roles: Set<UserRole>, isAsked: Bool = false
    ) -> SignInDemands {
        let contexts = programs.map { minimum.demands(program: $0.rawValue, scopes: scopes) }
        return SignInDemands(
            contexts: contexts.reduce(into: []) { $0.formUnion($1) },
            secondFactor: isAsked || secondFactor.demands(of: roles)
                || !secondFactor.programs.isDisjoint(with: programs))
    }

    /// Decides. A sign-in of which nothing is known meets no demand, and one at a provider that is configured no more is
    /// not enough even where nothing is demanded: nobody vouches for it (record 94).
    public func finding(_ proved: AuthenticationContext?, against demands: SignInDemands) -> SignInFinding {
        if case .provider(let issuer)? = proved?.witness, providers[issuer] == nil { return .tooWeak }
        guard !demands.isEmpty else { return .enough }
        switch proved?.witness {
        case nil, .unknown?: return .tooWeak
        case .local?:
            // A password of this server has no context that could be compared with a provider's.
            guard demands.contexts.isEmpty, let proved else { return .tooWeak }
            return proved.hasLocalSecondFactor ? .enough : .secondFactorMissing
        case .provider(let issuer)?:
            guard let provider = providers[issuer], let proved,
                AssuranceRules.isMet(demands.contexts, by: proved.classReference, order: provider.contextOrder),
                !demands.secondFactor || provider.secondFactor.isGiven(by: proved)
            else { return .tooWeak }
            return .enough
        }
    }
}

/// What the word of a provider about its sign-ins is worth.
public struct ProviderAssurance: Hashable, Sendable {
    /// Its authentication contexts from the weakest to the strongest.
    public var contextOrder: [String]
    /// By what it says that two factors were shown.
    public var secondFactor: SecondFactorEvidence

    public init(contextOrder: [String], secondFactor: SecondFactorEvidence) {
        self.contextOrder = contextOrder
        self.secondFactor = secondFactor
    }
}
