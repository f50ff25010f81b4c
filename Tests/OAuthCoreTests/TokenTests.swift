import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Access tokens` {
    static let issuer = "http://localhost:8080"
    static let base = "http://localhost:8080/fhir"
    static let issuedAt: Int64 = 1_800_000_000
    static let expectation = AccessTokenClaims.Expectation(issuer: issuer, audience: base)

    static func signer() throws -> TokenSigner {
        try TokenSigner(accessTokenKey: TestKeys.es256, idTokenKey: TestKeys.rs256)
    }

    static func claims(
        client: String = "app", subject: String? = "user-1",
        launch: LaunchContext = LaunchContext(
            patient: ResourceID("patient-a"), encounter: ResourceID("e1"),
            fhirUser: InstanceKey(userReference: "Patient/patient-a"), intent: "i",
            needPatientBanner: true, fhirContext: [["reference": "ImagingStudy/1"]])
    ) -> AccessTokenClaims {
        AccessTokenClaims(
            issuer: issuer, audience: base, scope: "openid patient/Observation.rs patient/Patient.r",
            clientID: ClientID(client),
            subject: subject.map { SubjectID($0) }, launch: launch, program: .patientAccess, grantID: GrantID("g1"),
            tokenID: TokenID("t1"),
            issuedAt: issuedAt, expiresAt: issuedAt + 600, authenticatedAt: subject == nil ? nil : issuedAt - 5,
            authenticationContext: nil)
    }

    static func read(_ token: String, now: Int64 = issuedAt + 1) throws -> AccessTokenClaims {
        try AccessTokenClaims(
            try JWS.verify(token, keys: signer().verificationKeys, rules: .accessToken), expecting: expectation,
            now: now)
    }

    /// The refusal of a properly signed token with some claims changed, or (with nil) left out.
    static func refusalOf(_ changes: [(String, JSONValue?)]) throws -> JOSEError? {
        let kept = try #require(claims().json.object).filter { member in !changes.contains { $0.0 == member.name } }
        let json = JSONValue.object(
            kept + changes.compactMap { name, value in value.map { JSONMemberValue(name, $0) } })
        let token = try JWS.sign(json, type: "at+jwt", with: TestKeys.es256)
        return refusal(JOSEError.self) { try read(token) }
    }

    @Test(
        arguments: [
            ("iss", "http://localhost:8081"), ("iss", "http://localhost:8080/"), ("iss", nil),
            ("aud", "http://localhost:8080/fhir/"),
            ("aud", "https://other.example/fhir"), ("aud", nil),
            ("aud", [.string(base), "https://other.example/fhir"]), ("aud", []),
            ("exp", nil), ("exp", .int(issuedAt)), ("exp", .int(issuedAt + 1)), ("exp", "1800000600"),
            ("exp", .number(JSONNumber("1800000600.5")!)),
            ("iat", nil), ("iat", .int(issuedAt + 32)), ("iat", .number(JSONNumber("1e9")!)), ("auth_time", "x"),
            ("client_id", nil), ("client_id", 1), ("client_id", "user-1"), ("sub", nil), ("sub", ""), ("sub", "app"),
            ("program", nil), ("program", "everything"), ("grant", nil), ("jti", nil), ("scope", nil),
            ("scope", ["openid"]), ("scope", ""),
            ("patient", "../patient-b"), ("patient", 1), ("patient", ["patient-a"]), ("patient", ""),
            ("encounter", "e 1"),
            ("fhirUser", "Patient"), ("fhirUser", "Observation/1"), ("fhirUser", "https://evil.test/Patient/1"),
            ("fhirUser", "Patient/1/2"),
            ("need_patient_banner", "true"), ("fhirContext", "x"), ("intent", 1),
        ] as [(String, JSONValue?)])
    func `a claim that is missing, foreign or malformed refuses the token`(_ name: String, _ value: JSONValue?) throws {
        #expect(try Self.refusalOf([(name, value)]) != nil)
    }

    @Test(arguments: ["iss", "aud", "client_id", "sub", "grant", "jti", "scope"])
    func `a name with characters above ASCII refuses the token, because it may compare equal to another`(_ name: String)
        throws
    {
        #expect(try Self.refusalOf([(name, "\u{212A}")]) == .claimMalformed(name))
    }

    @Test func `the unchanged token is accepted, so each change above is what refuses`() throws {
        #expect(try Self.refusalOf([]) == nil)
    }

    @Test func `a token is dead from the second of its expiry`() throws {
        let token = try Self.signer().sign(Self.claims()).reveal()

        #expect(throws: Never.self) { try Self.read(token, now: Self.issuedAt + 599) }
        #expect(refusal(JOSEError.self) { try Self.read(token, now: Self.issuedAt + 600) } == .expired)
    }

    @Test(.verifies("oauth-attack@A-15"))
    func `an ID token is no access token, whichever key signed it`() throws {
        let json = Self.claims().json
        for token in [
            try JWS.sign(json, type: "JWT", with: TestKeys.rs256),
            try JWS.sign(json, type: "JWT", with: TestKeys.es256),
            try JWS.sign(json, type: "at+jwt", with: TestKeys.rs256),
            try JWS.sign(json, type: "at+jwt", with: TestKeys.otherES256),
        ] {
            #expect(throws: JOSEError.self) { try Self.read(token) }
        }
    }

    @Test func `what was granted is what the enforcer reads`() throws {
        let claims = Self.claims()
        let token = try Self.signer().sign(claims)

        let read = try Self.read(token.reveal())

        #expect(read == claims)
        #expect(read.access.launch.patient == ResourceID("patient-a"))
        #expect(read.access.launch.fhirUser?.description == "Patient/patient-a")
        #expect(read.access.scopes.map(\.text) == ["patient/Observation.rs", "patient/Patient.r"])
        #expect(read.access.program == .patientAccess)
        #expect(read.access.grantID == GrantID("g1"))
    }

    @Test(arguments: APIProgram.allCases)
    func `every programme survives the token`(_ program: APIProgram) throws {
        let claims = AccessTokenClaims(
            issuer: Self.issuer, audience: Self.base, scope: "system/Patient.rs", clientID: ClientID("b"), subject: nil,
            launch: LaunchContext(),
            program: program, grantID: GrantID("g"), tokenID: TokenID("t"), issuedAt: Self.issuedAt,
            expiresAt: Self.issuedAt + 300)

        let read = try Self.read(Self.signer().sign(claims).reveal())

        #expect(read == claims)
        #expect(read.access.subject == nil)
        #expect(claims.json["sub"] == "b")
        #expect(claims.json["auth_time"] == nil)
    }

    @Test func `the token says what RFC 9068 asks, by the key of the ring`() throws {
        let token = try Self.signer().sign(Self.claims()).reveal()
        let verified = try JWS.verify(token, keys: Self.signer().verificationKeys, rules: .accessToken)

        #expect(verified.header == ["alg": "ES256", "kid": "es256", "typ": "at+jwt"])
        for name in [
            "iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time", "grant", "program", "patient",
        ] {
            #expect(verified.claims[name] != nil, "`\(name)`")
        }
    }
}

@Suite struct `ID tokens` {
    static func claims(fhirUser: String?) -> IDTokenClaims {
        IDTokenClaims(
            issuer: "http://localhost:8080", subject: SubjectID("user-1"), clientID: ClientID("app"), issuedAt: 1,
            expiresAt: 2, authenticatedAt: 1,
            nonce: "n", authenticationContext: "acr", fhirUser: fhirUser.flatMap { InstanceKey(userReference: $0) },
            fhirBase: "http://localhost:8080/fhir")
    }

    static func hint(_ token: String, client: String = "app", issuer: String = "http://localhost:8080") throws
        -> IDTokenClaims
    {
        try IDTokenClaims(
            hint: try JWS.verify(token, keys: signer().verificationKeys, rules: .idToken), issuer: issuer,
            client: ClientID(client))
    }

    private static func signer() throws -> TokenSigner { try `Access tokens`.signer() }

    // What becomes of a hint is the endpoint's, and tested there (U-15).
    @Test func `a hint for another client or of another issuer is none, each for its own reason`() throws {
        let token = try `Access tokens`.signer().sign(Self.claims(fhirUser: nil)).reveal()

        #expect(throws: JOSEError.claimRefused("aud")) { try Self.hint(token, client: "other") }
        #expect(throws: JOSEError.claimRefused("iss")) { try Self.hint(token, issuer: "https://other.example") }
        // Expired long ago, and still a hint.
        #expect(try Self.hint(token) == Self.claims(fhirUser: nil))
    }

    @Test func `a hint that does not say when the person signed in is one`() throws {
        var members = Self.claims(fhirUser: nil).json.object ?? []
        members.removeAll { $0.name == "auth_time" }
        let token = try JWS.sign(.object(members), type: "JWT", with: TestKeys.rs256)
        let hint = try Self.hint(token)
        #expect(hint.authenticatedAt == nil && hint.subject == SubjectID("user-1"))
        #expect(hint.json["auth_time"] == nil)
    }

    @Test func `it is signed with RS256 and names the user by absolute URL`() throws {
        let token = try `Access tokens`.signer().sign(Self.claims(fhirUser: "Practitioner/clinician-a")).reveal()
        let verified = try JWS.verify(token, keys: TestKeys.set, rules: .idToken)

        #expect(verified.algorithm == .rs256)
        #expect(verified.claims["fhirUser"] == "http://localhost:8080/fhir/Practitioner/clinician-a")
        #expect(verified.claims["nonce"] == "n")
        #expect(verified.claims["aud"] == "app")
        #expect(Self.claims(fhirUser: nil).json["fhirUser"] == nil)
    }
}

@Suite struct `Key ring` {
    @Test func `keys for other algorithms, without names or with one name twice are refused`() throws {
        let nameless = PublicJWK(material: TestKeys.es384.publicKey.material, keyID: nil, algorithm: .es384)
        let unpinned = PublicJWK(material: TestKeys.rs384.publicKey.material, keyID: "x", algorithm: nil)

        #expect(throws: JOSEError.self) { try TokenSigner(accessTokenKey: TestKeys.es384, idTokenKey: TestKeys.rs256) }
        #expect(throws: JOSEError.self) { try TokenSigner(accessTokenKey: TestKeys.es256, idTokenKey: TestKeys.rs384) }
        for key in [nameless, unpinned, TestKeys.otherES256.publicKey] {
            #expect(throws: JOSEError.self) {
                try TokenSigner(accessTokenKey: TestKeys.es256, idTokenKey: TestKeys.rs256, announced: [key])
            }
        }
    }

    @Test(.verifies("oauth-attack@P-14"))
    func `the published set holds no private member`() throws {
        let jwks = try `Access tokens`.signer().jwks

        let members = try #require(jwks["keys"]?.array).flatMap { $0.object ?? [] }.map(\.name)
        #expect(Set(members).isDisjoint(with: ["d", "p", "q", "dp", "dq", "qi", "k", "oth"]))
        #expect(try JWKSet(parsing: jwks, from: .registered).keys.count == 2)
    }

    @Test func `tokens of a retiring key are verified while it is published`() throws {
        let old = try PrivateJWK.generate(.es256)
        let token = try JWS.sign(`Access tokens`.claims().json, type: "at+jwt", with: old)
        let ring = try TokenSigner(
            accessTokenKey: TestKeys.es256, idTokenKey: TestKeys.rs256, announced: [old.publicKey])

        #expect(throws: Never.self) { try JWS.verify(token, keys: ring.verificationKeys, rules: .accessToken) }
        #expect(throws: JOSEError.self) {
            try JWS.verify(token, keys: `Access tokens`.signer().verificationKeys, rules: .accessToken)
        }
    }
}
