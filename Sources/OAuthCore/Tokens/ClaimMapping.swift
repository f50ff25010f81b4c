public import AccessPolicy
public import FHIRCore

/// How the claims of somebody else's access tokens become the facts that the enforcer judges by.
///
/// What is missing or malformed refuses the token: a claim that is read differently than its issuer meant it would be
/// another's access.
public struct ClaimMapping: Hashable, Sendable {
    /// The issuer that a token must name.
    public var issuer: String
    /// The audience that a token must name, alone or among others.
    public var audience: String
    /// The program under which all access by such tokens counts (decision 28: there is no default).
    public var program: APIProgram
    /// The claim with the scopes, a text or an array of texts.
    public var scope = "scope"
    /// The claim with the patient's id.
    public var patient = "patient"
    /// The claim with the user's reference, relative or below one of `bases`.
    public var fhirUser = "fhirUser"
    /// The claim with the client.
    public var clientID = "client_id"
    /// The FHIR bases below which an absolute reference is meant as ours.
    public var bases: [String] = []
    /// How far ahead of ours the issuer's clock may be, in seconds. The end of a token is never stretched.
    public var skew = ClockSkew.tolerated
    /// The longest that a token may still live, in seconds; one that lives longer is refused (decision 19).
    public var longestLife: Int64 = 86_400

    /// A mapping with the names of SMART and RFC 9068.
    public init(issuer: String, audience: String, program: APIProgram) {
        self.issuer = issuer
        self.audience = audience
        self.program = program
    }

    /// Reads the claims of a verified token.
    ///
    /// - Parameter digest: the SHA-256 of the token, which names it where it has no `jti`.
    public func access(from token: VerifiedJWT, digest: [UInt8], now: Int64) throws(JOSEError) -> GrantedAccess {
        let claims = Claims(token)
        guard try claims.identifier("iss") == issuer else { throw .claimRefused("iss") }
        return try access(from: claims, digest: digest, now: now)
    }

    /// Reads the answer of an introspection (RFC 7662 §2.2); nil when the token is not active.
    public func access(introspected answer: JSONValue, digest: [UInt8], now: Int64) throws(JOSEError) -> GrantedAccess?
    {
        guard let isActive = answer["active"]?.bool else { throw .claimMalformed("active") }
        guard isActive else { return nil }
        let claims = Claims(kept: answer)
        if claims.json["iss"] != nil, try claims.identifier("iss") != issuer { throw .claimRefused("iss") }
        if let type = try claims.optionalText("token_type"), type.lowercased() != "bearer" {
            throw .claimRefused("token_type")
        }
        return try access(from: claims, digest: digest, now: now)
    }

    private func access(from claims: Claims, digest: [UInt8], now: Int64) throws(JOSEError) -> GrantedAccess {
        guard try claims.audience().contains(audience) else { throw .claimRefused("aud") }
        let expiresAt = try claims.time("exp")
        guard now < expiresAt else { throw .expired }
        guard expiresAt - now <= longestLife else { throw .claimRefused("exp") }
        if let from = try claims.optionalTime("nbf"), from > now + skew { throw .claimRefused("nbf") }
        // What does not say when it was issued was issued before whatever it may be compared with: it must not become
        // younger with each look.
        let issuedAt = try claims.optionalTime("iat") ?? 0
        guard issuedAt <= now + skew, issuedAt < expiresAt else { throw .claimRefused("iat") }
        // RFC 8705 §3, RFC 9449 §6: a bound token is no bearer token; possession is not checked here.
        guard claims.json["cnf"] == nil else { throw .claimRefused("cnf") }
        let client = ClientID(try claims.identifier(clientID, maxBytes: 255))
        let subject = try claims.json["sub"].map { _ throws(JOSEError) in try claims.identifier("sub", maxBytes: 255) }
        let name = Base64URL.encode(Array(digest.prefix(16)))
        let tokenID = try claims.optionalText("jti", maxBytes: 255) ?? name
        return GrantedAccess(
            clientID: client, subject: subject.flatMap { $0 == client.text ? nil : SubjectID($0) },
            scopeText: try scopes(claims), launch: try launch(claims), program: program,
            grantID: GrantID("foreign:\(tokenID)"), tokenID: TokenID(tokenID), issuedAt: issuedAt,
            expiresAt: expiresAt)
    }

    private func scopes(_ claims: Claims) throws(JOSEError) -> String {
        guard claims.json[scope]?.array != nil else { return try claims.identifier(scope, maxBytes: 16 << 10) }
        guard let texts = claims.json[scope]?.stringArray,
            texts.allSatisfy({ !$0.isEmpty && $0.isVisibleASCII && !$0.contains(" ") })
        else { throw .claimMalformed(scope) }
        return texts.joined(separator: " ")
    }

    private func launch(_ claims: Claims) throws(JOSEError) -> LaunchContext {
        var launch = LaunchContext()
        if let text = try claims.optionalText(patient, maxBytes: 128) {
            let id = text.hasPrefix("Patient/") ? String(text.dropFirst("Patient/".count)) : text
            guard let id = ResourceID(id) else { throw .claimMalformed(patient) }
            launch.patient = id
        }
        if let text = try claims.optionalText(fhirUser, maxBytes: 512) {
            let base = bases.first { text.hasPrefix($0 + "/") }
            guard let key = InstanceKey(userReference: base.map { String(text.dropFirst($0.count + 1)) } ?? text)
            else { throw .claimMalformed(fhirUser) }
            launch.fhirUser = key
        }
        return launch
    }
}
