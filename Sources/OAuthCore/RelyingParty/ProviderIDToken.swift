internal import FHIRCore

/// The claims of another provider's ID token after every check (OpenID Connect Core §3.1.3.7).
public struct ProviderIDToken: Hashable, Sendable {
    public let issuer: String
    /// Who it is at that issuer; means nothing without the issuer.
    public let subject: String
    /// When the person signed in there; nil where the provider does not say.
    public let authenticatedAt: Int64?
    /// How strongly (`acr`).
    public let context: String?
    /// By which means (`amr`).
    public let methods: [String]
    private let claims: JSONValue

    /// What is expected.
    public struct Expectation: Hashable, Sendable {
        public var issuer: String
        public var clientID: String
        public var nonce: String
        public var algorithms: Set<SignatureAlgorithm>
        /// How old the sign-in may be, when that was asked for; it must then be told.
        public var maxAge: Int64?
        /// How far apart the two clocks may be, in seconds.
        public var skew: Int64 = 60

        public init(
            issuer: String, clientID: String, nonce: String, algorithms: Set<SignatureAlgorithm>, maxAge: Int64? = nil
        ) {
            self.issuer = issuer
            self.clientID = clientID
            self.nonce = nonce
            self.algorithms = algorithms
            self.maxAge = maxAge
        }
    }

    /// An ID token is used within minutes of its making; an older one was kept by somebody.
    static let longestAge: Int64 = 600

    /// Verifies a token with the provider's keys. Throws `keyNotFound` when another key set may help.
    public init(
        _ compact: String, keys: JWKSet, expecting expected: Expectation, now: Int64
    ) throws(JOSEError) {
        let token = try JWS.verify(
            compact, keys: keys, rules: JWSRules(algorithms: expected.algorithms, types: ["jwt"], typeIsOptional: true))
        let claims = Claims(token)
        guard try claims.identifier("iss").utf8.elementsEqual(expected.issuer.utf8) else { throw .claimRefused("iss") }
        // A token that others may use as well could have been given to them first.
        guard try claims.audience() == [expected.clientID] else { throw .claimRefused("aud") }
        if token.claims["azp"] != nil, try claims.identifier("azp") != expected.clientID { throw .claimRefused("azp") }
        guard try claims.time("exp") > now - expected.skew else { throw .expired }
        let issuedAt = try claims.time("iat")
        guard issuedAt <= now + expected.skew, issuedAt >= now - Self.longestAge else { throw .claimRefused("iat") }
        if let start = try claims.optionalTime("nbf"), start > now + expected.skew { throw .claimRefused("nbf") }
        guard Secret(try claims.identifier("nonce")) == Secret(expected.nonce) else { throw .claimRefused("nonce") }
        authenticatedAt = try claims.optionalTime("auth_time")
        if let moment = authenticatedAt, moment > now + expected.skew { throw .claimRefused("auth_time") }
        if let maxAge = expected.maxAge {
            guard let moment = authenticatedAt else { throw .claimMalformed("auth_time") }
            guard now - moment <= maxAge + expected.skew else { throw .claimRefused("auth_time") }
        }
        context = token.claims["acr"] == nil ? nil : try claims.identifier("acr", maxBytes: 255)
        switch token.claims["amr"] {
        case nil: methods = []
        case let value?:
            guard let list = value.stringArray, list.count <= 16,
                list.allSatisfy({ (1...64).contains($0.utf8.count) && $0.isVisibleASCII })
            else { throw .claimMalformed("amr") }
            methods = list
        }
        issuer = expected.issuer
        subject = try claims.identifier("sub", maxBytes: 255)
        self.claims = token.claims
    }

    /// The value of a claim that names the member at the site: a text of visible ASCII, or a whole number. Nil when it is
    /// not there or anything else.
    public func identifier(_ claim: String) -> String? {
        switch claims[claim] {
        case .int(let number)?: return number >= 0 ? String(number) : nil
        case let value?:
            guard let text = value.string, (1...255).contains(text.utf8.count), text.isVisibleASCII else { return nil }
            return text
        case nil: return nil
        }
    }
}
