import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Authorization requests` {
    static let base = "http://localhost:8080/fhir"
    static let redirect = ValidatedRedirect(uri: "https://app.example.com/cb")
    static let good: [(String, String)] = [
        ("response_type", "code"), ("client_id", "app"), ("redirect_uri", "https://app.example.com/cb"),
        ("scope", "launch/patient patient/Observation.rs openid fhirUser"), ("state", "s t\r\n\"&é"), ("aud", base),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), ("code_challenge_method", "S256"),
    ]

    /// The good request with some parameters set, added or (with nil) left out.
    static func request(_ changes: [(String, String?)] = [], appended: String = "") throws -> FormParameters {
        let kept = good.filter { pair in !changes.contains { $0.0 == pair.0 } }
        let pairs = kept + changes.compactMap { name, value in value.map { (name, $0) } }
        let text = pairs.map { "\($0.0)=\(FormParameters.encode($0.1))" }.joined(separator: "&") + appended
        return try FormParameters(parsing: text, repetition: .noted)
    }

    static func failure(
        _ changes: [(String, String?)], appended: String = "", proofKey: Bool = true
    ) throws -> AuthorizationFailure? {
        let form = try request(changes, appended: appended)
        return refusal(AuthorizationFailure.self) {
            try AuthorizationRequest(
                parsing: form, client: ClientID("app"), redirect: redirect,
                rules: .init(audiences: [base], requiresProofKey: proofKey))
        }
    }

    @Test(
        .verifies("oauth-attack@R-18", "oauth-attack@R-19", "oauth-attack@R-21"),
        arguments: [
            ([("redirect_uri", nil)], ""), ([("client_id", nil)], ""), ([("client_id", "")], ""),
            ([], "&client_id=app"),
            ([], "&redirect_uri=https%3A%2F%2Fevil.test"), ([("client_id", "a\u{0}b")], ""),
            ([("redirect_uri", String(repeating: "a", count: 2001))], ""),
        ] as [([(String, String?)], String)])
    func `without one client and one redirect only the user is told`(_ changes: [(String, String?)], _ appended: String)
        throws
    {
        let form = try Self.request(changes, appended: appended)
        let failure = try #require(refusal(AuthorizationFailure.self) { try AuthorizationAddress(parsing: form) })

        guard case .shownToUser(let error) = failure else {
            Issue.record("the failure would leave the server")
            return
        }
        #expect(error.code == .invalidRequest)
        #expect(failure.location(issuer: "i") == nil)
    }

    @Test(.verifies("oauth-attack@R-24"))
    func `an unknown client and a foreign redirect read the same and go nowhere`() throws {
        let client = try ClientMetadata(
            name: "App", redirectURIs: ["https://app.example.com/other"], grantTypes: [.authorizationCode],
            authenticationMethod: .none)
        let address = try AuthorizationAddress(parsing: Self.request())

        let foreign = try #require(refusal(AuthorizationFailure.self) { try address.validated(against: client) })
        let unknown = try #require(refusal(AuthorizationFailure.self) { try address.validated(against: nil) })

        #expect(foreign.error.summary == unknown.error.summary)
        #expect(foreign.error.code == unknown.error.code)
        #expect(foreign.location(issuer: "i") == nil)
        #expect(unknown.location(issuer: "i") == nil)
    }

    @Test(
        arguments: [
            ("response_type", nil, OAuthError.Code.invalidRequest), ("response_mode", "fragment", .invalidRequest),
            ("response_mode", "form_post", .invalidRequest), ("response_mode", "web_message", .invalidRequest),
            ("response_mode", "query.jwt", .invalidRequest), ("response_mode", "junk", .invalidRequest),
            ("request", "eyJ", .requestNotSupported), ("request_uri", "https://evil.test/r", .requestURINotSupported),
            ("registration", "{}", .registrationNotSupported), ("state", nil, .invalidRequest),
            ("state", String(repeating: "s", count: 2001), .invalidRequest), ("aud", nil, .invalidRequest),
            ("scope", nil, .invalidScope), ("scope", " ", .invalidScope),
            ("scope", "patient/Observation.sr", .invalidScope),
            ("scope", "openid patient/*.CRUDS", .invalidScope), ("scope", "a\u{A0}b", .invalidScope),
            ("scope", "a\tb", .invalidScope),
            ("scope", String(repeating: "openid ", count: 3000), .invalidScope),
            ("prompt", "none login", .invalidRequest), ("prompt", "junk", .invalidRequest),
            ("max_age", "-1", .invalidRequest),
            ("max_age", "1e3", .invalidRequest), ("max_age", "1000000000000000000000000000000", .invalidRequest),
            ("nonce", String(repeating: "n", count: 513), .invalidRequest),
            ("launch", String(repeating: "l", count: 513), .invalidRequest),
            ("login_hint", String(repeating: "h", count: 256), .invalidRequest),
        ] as [(String, String?, OAuthError.Code)])
    func `each fault is told to the client by its own code`(_ name: String, _ value: String?, _ code: OAuthError.Code)
        throws
    {
        let failure = try #require(try Self.failure([(name, value)]))

        guard case .sentToClient(let error, let redirect, _) = failure else {
            Issue.record("the client is not told")
            return
        }
        #expect(error.code == code)
        #expect(redirect == Self.redirect)
        #expect(code.venues.contains(.redirect))
    }

    @Test(.verifies("oauth-attack@R-29"))
    func `a request without response type is malformed`() throws {
        #expect(try Self.failure([("response_type", nil)])?.error.code == .invalidRequest)
    }

    @Test(
        .verifies("oauth-attack@R-30"),
        arguments: ["token", "id_token", "code id_token", "code token", "none", "Code", "code "])
    func `only the code flow exists`(_ type: String) throws {
        #expect(try Self.failure([("response_type", type)])?.error.code == .unsupportedResponseType)
    }

    @Test(
        .verifies("oauth-attack@R-31", "oauth-attack@R-32"),
        arguments: ["fragment", "form_post", "web_message", "query.jwt", "junk"])
    func `other response modes are refused in the default mode`(_ mode: String) throws {
        let failure = try #require(try Self.failure([("response_mode", mode)]))

        #expect(failure.error.code == .invalidRequest)
        #expect(failure.location(issuer: "i")?.hasPrefix("https://app.example.com/cb?error=invalid_request&") == true)
    }

    @Test(
        .verifies("oauth-attack@R-31"),
        arguments: ["&response_mode=query&response_mode=query", "&scope=openid", "&state=x", "&aud=x", "&x=1&x=1"])
    func `a parameter that comes twice is refused`(_ appended: String) throws {
        #expect(try Self.failure([], appended: appended)?.error.code == .invalidRequest)
    }

    @Test(
        .verifies("oauth-attack@C-07", "oauth-attack@C-08", "oauth-attack@C-13"),
        arguments: [
            [("code_challenge", nil), ("code_challenge_method", nil)], [("code_challenge", nil)],
            [("code_challenge_method", "plain")],
            [("code_challenge_method", nil)], [("code_challenge_method", "s256")], [("code_challenge", "short")],
            [("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")],
        ] as [[(String, String?)]])
    func `without a proper S256 challenge there is no code`(_ changes: [(String, String?)]) throws {
        #expect(try Self.failure(changes)?.error.code == .invalidRequest)
    }

    @Test func `a client that may do without a challenge is still held to one that it sends`() throws {
        let none: [(String, String?)] = [("code_challenge", nil), ("code_challenge_method", nil)]

        #expect(try Self.failure(none, proofKey: false) == nil)
        #expect(try Self.failure([("code_challenge_method", "plain")], proofKey: false) != nil)
        #expect(try Self.failure([("code_challenge", nil)], proofKey: false) != nil)
    }

    @Test(.verifies("oauth-attack@L-03"))
    func `a request without audience is malformed`() throws {
        #expect(try Self.failure([("aud", nil)])?.error.code == .invalidRequest)
    }

    @Test(
        .verifies("oauth-attack@L-02", "oauth-attack@L-04"),
        arguments: [
            "https://inferno.healthit.gov/invalid_aud", base + "/", base + "/Patient/1", "http://LOCALHOST:8080/fhir",
            "http://localhost/fhir", "http://localhost:8080", "http://localhost:8080/fhir ",
            "http://localhost:8080/fhir?",
        ])
    func `an audience that is not exactly ours is refused`(_ audience: String) throws {
        #expect(try Self.failure([("aud", audience)])?.error.code == .invalidTarget)
    }

    @Test(.verifies("oauth-attack@L-04"))
    func `an audience that is equal only in Unicode is refused`() throws {
        let form = try Self.request([("aud", "https://\u{212A}.example/fhir")])

        #expect("\u{212A}" == "K")
        #expect(throws: AuthorizationFailure.self) {
            try AuthorizationRequest(
                parsing: form, client: ClientID("app"), redirect: Self.redirect,
                rules: .init(audiences: ["https://K.example/fhir"]))
        }
    }

    @Test(.verifies("oauth-attack@L-06"))
    func `audience and resource that differ are refused`() throws {
        #expect(try Self.failure([("resource", "https://other.example/fhir")])?.error.code == .invalidTarget)
        #expect(try Self.failure([("resource", Self.base)]) == nil)
        #expect(try Self.failure([("aud", nil), ("resource", Self.base)]) == nil)
    }

    @Test(.verifies("oauth-attack@U-12"), arguments: ["none login", "login none", "none consent select_account"])
    func `no prompt and some prompt exclude each other`(_ prompt: String) throws {
        #expect(try Self.failure([("prompt", prompt)])?.error.code == .invalidRequest)
    }

    @Test(.verifies("oauth-attack@R-36"))
    func `the state comes back byte for byte, and none when it is too long`() throws {
        let failure = try #require(try Self.failure([("aud", "x")]))
        let tooLong = try #require(try Self.failure([("state", String(repeating: "s", count: 2001))]))

        #expect(
            failure.location(issuer: "https://i")?.contains("&state=s%20t%0D%0A%22%26%C3%A9&iss=https%3A%2F%2Fi")
                == true)
        #expect(tooLong.location(issuer: "https://i")?.contains("state=") == false)
    }

    @Test func `a good request is read whole`() throws {
        let form = try Self.request([
            ("launch", "abc"), ("nonce", "n"), ("prompt", "login consent"), ("max_age", "0"), ("login_hint", "<b>"),
            ("display", "junk"), ("acr_values", "junk"), ("ui_locales", "x"), ("response_mode", "query"),
            ("patient", "patient-b"),
        ])
        let request = try AuthorizationRequest(
            parsing: form, client: ClientID("app"), redirect: Self.redirect, rules: .init(audiences: [Self.base]))

        #expect(request.clientID == ClientID("app"))
        #expect(request.state == "s t\r\n\"&é")
        #expect(request.scope.text == "launch/patient patient/Observation.rs openid fhirUser")
        #expect(request.audience == Self.base)
        #expect(request.codeChallenge?.text == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        #expect(request.launch == "abc")
        #expect(request.nonce == "n")
        #expect(request.prompts == [.login, .consent])
        #expect(request.maxAge == 0)
        #expect(
            request.location(code: Secret("c+1"), issuer: "https://i")
                == "https://app.example.com/cb?code=c%2B1&state=s%20t%0D%0A%22%26%C3%A9&iss=https%3A%2F%2Fi")
    }

    @Test(.verifies("oauth-attack@S-01"))
    func `four hundred granular scopes in eight kilobytes pass`() throws {
        let all = ["r", "s", "rs"].flatMap { letters in
            ResourceType.allCases.map { "patient/\($0.rawValue).\(letters)" }
        }
        let scope = all.prefix(400).joined(separator: " ")

        #expect(scope.utf8.count > 8 << 10)
        #expect(try ScopeSet(requested: scope).scopes.count == 400)
        #expect(throws: OAuthError.self) { try ScopeSet(requested: scope + " " + scope + "x") }
    }
}
