public import AccessPolicy
public import OAuthCore

/// An OpenID Provider at which people sign in, as the operator describes it.
public struct IdentityProvider: Sendable {
    /// Its name in the configuration and in addresses: lower-case letters, digits and hyphens.
    public let id: String
    /// Its name on the login page.
    public let name: String
    public let issuer: String
    public let clientID: String
    public let authentication: ProviderAuthentication
    /// The algorithms in which its ID tokens are accepted.
    public let algorithms: Set<SignatureAlgorithm>
    public let scope: String
    /// The claim of its ID token that names the member at the site.
    public let claim: String
    /// The authentication contexts to ask for.
    public let contexts: [String]
    /// Its authentication contexts from the weakest to the strongest; what is not among them satisfies no demand.
    public let contextOrder: [String]
    /// By what it says that two factors were shown.
    public let secondFactor: SecondFactorEvidence
    /// The hosts beside the issuer's own origin of which the operator says that they are the provider's, in lower case.
    public let documentHosts: Set<String>
    /// How old a sign-in there may be, in seconds; nil for any age.
    public let maxAge: Int64?
    /// Whether its addresses may be plain http on loopback: demonstrations and tests.
    public let allowsPlain: Bool

    public init(
        id: String, name: String, issuer: String, clientID: String, authentication: ProviderAuthentication,
        algorithms: Set<SignatureAlgorithm> = [.rs256], scope: String = "openid", claim: String = "sub",
        contexts: [String] = [], contextOrder: [String] = [],
        secondFactor: SecondFactorEvidence = SecondFactorEvidence(), documentHosts: Set<String> = [],
        maxAge: Int64? = nil, allowsPlain: Bool = false
    ) {
        self.id = id
        self.name = name
        self.issuer = issuer
        self.clientID = clientID
        self.authentication = authentication
        self.algorithms = algorithms
        self.scope = scope
        self.claim = claim
        self.contexts = contexts
        self.contextOrder = contextOrder
        self.secondFactor = secondFactor
        self.documentHosts = documentHosts
        self.maxAge = maxAge
        self.allowsPlain = allowsPlain
    }

    /// How far a request to an address of the provider may reach. What a discovery document says is the word of who wrote
    /// it, unless it stays at the issuer's own scheme, host and port, or at a host that the operator names (decision 25).
    public func trust(in url: String) -> AddressTrust {
        guard let origin = AddressOrigin(of: url) else { return .client }
        return origin == AddressOrigin(of: issuer) || documentHosts.contains(origin.host) ? .configured : .client
    }

    /// What its word is worth.
    public var assurance: ProviderAssurance {
        ProviderAssurance(contextOrder: contextOrder, secondFactor: secondFactor)
    }

    /// The contexts to ask for, the preferred one first and each once. Where something is demanded, nothing is asked for
    /// that would not do, as far as the operator has said what does.
    func contexts(meeting demands: SignInDemands) -> [String] {
        var asked = contexts
        if !demands.contexts.isEmpty {
            // The strongest that is demanded, and all that are stronger, in the order of preference.
            let needed = contextOrder.lastIndex { demands.contexts.contains($0) }
            let good = needed.map { Array(contextOrder[$0...]) } ?? []
            asked = good + contexts.filter { !contextOrder.contains($0) }
        }
        if demands.secondFactor, !secondFactor.contexts.isEmpty {
            let good = asked.filter { secondFactor.contexts.contains($0) }
            // None of what is strong enough says it: `amr` will have to.
            if !good.isEmpty || demands.contexts.isEmpty {
                asked = good.isEmpty ? secondFactor.contexts.sorted() : good
            }
        }
        var seen: Set<String> = []
        return asked.filter { seen.insert($0).inserted }
    }

    /// Claims by which nobody is ever found: they are shared, reused, changed by the person or guessed (decision 23), and
    /// `fhirUser` is another system's word about our records (L-22).
    public static let claimsThatNameNobody: Set<String> = [
        "address", "birthdate", "email", "family_name", "fhirUser", "given_name", "middle_name", "name", "nickname",
        "phone_number", "picture", "preferred_username", "profile", "website", "zoneinfo", "locale",
    ]
}

/// How strongly people must have signed in, by what they open (decision 23).
public struct AssuranceRules: Hashable, Sendable {
    /// By program.
    public var programs: [String: String]
    /// By scope text.
    public var scopes: [String: String]

    public init(programs: [String: String] = [:], scopes: [String: String] = [:]) {
        self.programs = programs
        self.scopes = scopes
    }

    /// Everything that is demanded of a request: each must be met.
    public func demands(program: String, scopes asked: [Scope]) -> Set<String> {
        let ofScopes = scopes.filter { name, _ in
            let demanding = Scope(parsing: name)
            return asked.contains { Self.touches($0, demanding) }
        }
        return Set([programs[program]].compactMap { $0 } + ofScopes.values)
    }

    /// Whether a scope reaches anything of one for which a demand was made: however it is written, as one type of a
    /// wildcard, with fewer letters, or limited to a category.
    private static func touches(_ asked: Scope, _ demanding: Scope) -> Bool {
        guard case .resource(let one) = asked, case .resource(let other) = demanding else {
            return asked.text.utf8.elementsEqual(demanding.text.utf8)
        }
        func whole(_ scope: ResourceScope) -> ResourceScope {
            ResourceScope(level: scope.level, target: scope.target, permissions: .all)
        }
        // Different levels never cover each other.
        return !one.permissions.isDisjoint(with: other.permissions)
            && (whole(one).covers(whole(other)) || whole(other).covers(whole(one)))
    }

    /// Whether a sign-in meets all demands. Only what its provider orders can be compared; a local password has no
    /// context and meets none.
    public static func isMet(_ demands: Set<String>, by context: String?, order: [String]) -> Bool {
        demands.allSatisfy { demand in
            guard let context, let reached = order.firstIndex(of: context), let needed = order.firstIndex(of: demand)
            else { return false }
            return reached >= needed
        }
    }
}

/// The providers of an installation, what they are asked through, and what is demanded of sign-ins.
public struct Federation: Sendable {
    public let providers: [IdentityProvider]
    public let sources: [String: MemberSourceRules]
    public let assurance: AssuranceRules
    /// Whose records practitioners may open.
    public let panels: PractitionerPanels
    /// Nil where there are no providers to ask.
    public let fetch: (any OutboundFetching)?

    public init(
        providers: [IdentityProvider], sources: [String: MemberSourceRules], assurance: AssuranceRules = .init(),
        panels: PractitionerPanels = .init(), fetch: (any OutboundFetching)?
    ) {
        self.providers = providers
        self.sources = sources
        self.assurance = assurance
        self.panels = panels
        self.fetch = fetch
    }

    /// No providers: everybody has a local account.
    public static let none = Federation(providers: [], sources: [:], fetch: nil)

    func provider(_ id: String) -> IdentityProvider? { providers.first { $0.id == id } }
}
