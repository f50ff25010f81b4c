public import AccessPolicy
public import FHIRCore

/// The claims of an access token (RFC 9068) with SMART's context, the grant and the programme.
public struct AccessTokenClaims: Hashable, Sendable {
    /// Who issued it.
    public let issuer: String
    /// The FHIR base that it is for.
    public let audience: String
    /// The facts that the enforcer judges by.
    public let access: GrantedAccess
    /// The granted scopes as text, resource scopes and others.
    public let scope: String
    /// When the user logged in; nil for a client's own access.
    public let authenticatedAt: Int64?
    /// How strongly the user was authenticated.
    public let authenticationContext: String?
    /// What the token is bound to; nil for a bearer token.
    public let confirmation: TokenConfirmation?

    /// Makes claims for a token to be issued.
    public init(
        issuer: String, audience: String, scope: String, clientID: ClientID, subject: SubjectID?,
        launch: LaunchContext, program: APIProgram, grantID: GrantID, tokenID: TokenID, issuedAt: Int64,
        expiresAt: Int64, authenticatedAt: Int64? = nil, authenticationContext: String? = nil,
        confirmation: TokenConfirmation? = nil
    ) {
        self.issuer = issuer
        self.audience = audience
        self.scope = scope
        self.authenticatedAt = authenticatedAt
        self.authenticationContext = authenticationContext
        self.confirmation = confirmation
        access = GrantedAccess(
            clientID: clientID, subject: subject, scopeText: scope, launch: launch, program: program,
            grantID: grantID, tokenID: tokenID, issuedAt: issuedAt, expiresAt: expiresAt)
    }

    /// What an enforcer expects of a token.
    public struct Expectation: Hashable, Sendable {
        /// The issuer.
        public let issuer: String
        /// The FHIR base that is being accessed.
        public let audience: String
        /// How far ahead of ours the issuer's clock may be, in seconds. The end of a token is never stretched.
        public let skew: Int64

        /// Makes an expectation.
        public init(issuer: String, audience: String, skew: Int64 = ClockSkew.tolerated) {
            self.issuer = issuer
            self.audience = audience
            self.skew = skew
        }
    }

    /// Reads the claims of a verified token and refuses one that is not for us or not for now. Whether the grant was
    /// revoked is not asked here.
    public init(_ token: VerifiedJWT, expecting expected: Expectation, now: Int64) throws(JOSEError) {
        try self.init(Claims(token), expecting: expected, now: now)
    }

    /// Reads the claims that are kept under a reference token, by the same rules as those of a signed one.
    public init(kept json: JSONValue, expecting expected: Expectation, now: Int64) throws(JOSEError) {
        try self.init(Claims(kept: json), expecting: expected, now: now)
    }

    private init(_ claims: Claims, expecting expected: Expectation, now: Int64) throws(JOSEError) {
        let issuer = try claims.identifier("iss")
        guard issuer == expected.issuer else { throw .claimRefused("iss") }
        guard try claims.audience() == [expected.audience] else { throw .claimRefused("aud") }
        let expiresAt = try claims.time("exp")
        // SMART 2.2 app-launch: not accepted after it has expired.
        guard now < expiresAt else { throw .expired }
        let issuedAt = try claims.time("iat")
        guard issuedAt <= now + expected.skew, issuedAt < expiresAt else { throw .claimRefused("iat") }
        // We write none; one that is there counts all the same (RFC 7519 §4.1.5).
        if let from = try claims.optionalTime("nbf"), from > now + expected.skew { throw .claimRefused("nbf") }
        let authenticatedAt = try claims.optionalTime("auth_time")
        let clientID = ClientID(try claims.identifier("client_id", maxBytes: 255))
        let subject = SubjectID(try claims.identifier("sub", maxBytes: 255))
        // RFC 9068 §2.2, §5: a client acting for itself is its own subject, and no user may look like one.
        let isClientItself = subject.text == clientID.text
        guard !isClientItself || authenticatedAt == nil else { throw .claimRefused("sub") }
        guard let program = APIProgram(rawValue: try claims.identifier("program")) else {
            throw .claimRefused("program")
        }
        self.init(
            issuer: issuer, audience: expected.audience, scope: try claims.identifier("scope", maxBytes: 16 << 10),
            clientID: clientID, subject: isClientItself ? nil : subject,
            launch: try LaunchContext(claims: claims), program: program,
            grantID: GrantID(try claims.identifier("grant", maxBytes: 255)),
            tokenID: TokenID(try claims.identifier("jti", maxBytes: 255)), issuedAt: issuedAt, expiresAt: expiresAt,
            authenticatedAt: authenticatedAt, authenticationContext: try claims.optionalText("acr"),
            confirmation: try Self.confirmation(claims.json["cnf"]))
    }

    private static func confirmation(_ json: JSONValue?) throws(JOSEError) -> TokenConfirmation? {
        guard let json else { return nil }
        return try TokenConfirmation(parsing: json)
    }

    /// The claims set.
    public var json: JSONValue {
        let members: [(name: String, value: JSONValue?)] = [
            ("iss", .string(issuer)),
            ("sub", .string(access.subject?.text ?? access.clientID.text)),
            ("aud", .string(audience)),
            ("client_id", .string(access.clientID.text)),
            ("scope", .string(scope)),
            ("jti", .string(access.tokenID.text)),
            ("iat", .int(access.issuedAt)),
            ("exp", .int(access.expiresAt)),
            ("auth_time", authenticatedAt.map { .int($0) }),
            ("acr", authenticationContext.map { .string($0) }),
            ("cnf", confirmation.map(\.json)),
            ("grant", .string(access.grantID.text)),
            ("program", .string(access.program.rawValue)),
            ("fhirUser", access.launch.fhirUser.map { .string($0.description) }),
        ]
        // What only styles the app is told in the token response and by introspection.
        var launch = access.launch
        launch.smartStyleURL = nil
        launch.tenant = nil
        return .members(members + launch.responseMembers(.objects))
    }

    /// The facts that the enforcer judges by.
    public func grantedAccess() -> GrantedAccess { access }
}

extension LaunchContext {
    /// Reads the context of a token. A malformed member refuses the token: half a context could be another's.
    init(claims: Claims) throws(JOSEError) {
        self.init()
        if let text = try claims.optionalText("patient", maxBytes: 64) {
            guard let id = ResourceID(text) else { throw .claimMalformed("patient") }
            patient = id
        }
        if let text = try claims.optionalText("encounter", maxBytes: 64) {
            guard let id = ResourceID(text) else { throw .claimMalformed("encounter") }
            encounter = id
        }
        if let text = try claims.optionalText("fhirUser", maxBytes: 128) {
            guard let key = InstanceKey(userReference: text) else { throw .claimMalformed("fhirUser") }
            fhirUser = key
        }
        intent = try claims.optionalText("intent")
        if let banner = claims.json["need_patient_banner"] {
            guard let value = banner.bool else { throw .claimMalformed("need_patient_banner") }
            needPatientBanner = value
        }
        if let context = claims.json["fhirContext"] {
            guard let items = context.array, items.count <= 100 else { throw .claimMalformed("fhirContext") }
            fhirContext = items
        }
    }
}

extension InstanceKey {
    /// Reads `Type/id` of a resource that can stand for a user (SMART 2.2 scopes, `fhirUser`).
    public init?(userReference text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let type = ResourceType(rawValue: String(parts[0])), let id = ResourceID(parts[1]),
            [.patient, .practitioner, .practitionerRole, .relatedPerson, .person].contains(type)
        else { return nil }
        self.init(type: type, id: id)
    }
}
