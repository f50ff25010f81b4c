/// A proof that whoever sends a request holds a key (RFC 9449). It passed every check but one: whether its `jti` was seen
/// before, which the caller must ask.
public struct DPoPProof: Hashable, Sendable {
    /// The thumbprint of the key.
    public let thumbprint: String
    /// The `jti`, to be remembered together with the key.
    public let tokenID: String
    /// Until when it must be remembered, in Unix seconds.
    public let rememberUntil: Int64

    /// The `nonce`, where there is one.
    public let nonce: String?

    /// The algorithms of proofs.
    public static let algorithms: [SignatureAlgorithm] = [.es256, .es384, .rs256, .ps384]
    /// How old a proof may be, in seconds.
    public static let longestAge: Int64 = 60
    /// How far ahead of ours the client's clock may be, in seconds.
    public static let skew = ClockSkew.tolerated
    /// The longest proof in bytes.
    static let maxBytes = 8 << 10

    /// What the proof must be about.
    public struct Request: Hashable, Sendable {
        public let method: String
        /// The address without query and fragment, as the client sees it.
        public let address: String
        /// The access token that comes with it; nil at the token endpoint.
        public let token: Secret?

        public init(method: String, address: String, token: Secret? = nil) {
            self.method = method
            self.address = address
            self.token = token
        }

        public static func == (left: Request, right: Request) -> Bool {
            left.method == right.method && left.address == right.address && left.token == right.token
        }

        public func hash(into hasher: inout Hasher) {
            hasher.combine(method)
            hasher.combine(address)
        }
    }

    /// Checks a proof (RFC 9449 §4.3); throws for the first thing that is wrong with it.
    public init(_ compact: String, for request: Request, now: Int64) throws(JOSEError) {
        let token = try UnverifiedJWT(parsing: compact, maxBytes: Self.maxBytes)
            .verifiedByOwnKey(algorithms: Set(Self.algorithms), type: "dpop+jwt")
        let claims = Claims(token)
        guard try claims.identifier("htm") == request.method else { throw .claimRefused("htm") }
        let address = try claims.identifier("htu")
        guard Self.withoutQuery(address).utf8.elementsEqual(request.address.utf8) else { throw .claimRefused("htu") }
        let issuedAt = try claims.time("iat")
        guard issuedAt <= now + Self.skew, issuedAt > now - Self.longestAge - Self.skew else { throw .expired }
        if let presented = request.token {
            let digest = Base64URL.encode(SHA256Hash.of(Array(presented.reveal().utf8)))
            guard try claims.identifier("ath") == digest else { throw .claimRefused("ath") }
        }
        nonce = try claims.optionalText("nonce", maxBytes: 255)
        tokenID = try claims.identifier("jti", maxBytes: 255)
        thumbprint = token.key.thumbprint
        rememberUntil = issuedAt + Self.longestAge + 2 * Self.skew
    }

    private static func withoutQuery(_ address: String) -> Substring { address.prefix { $0 != "?" && $0 != "#" } }
}
