import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Token requests` {
    static func code(_ text: String) throws -> OAuthError.Code? {
        let form = try form(text)
        return refusal(OAuthError.self) { try TokenRequest(parsing: form) }?.code
    }

    @Test(arguments: [
        ("", OAuthError.Code.invalidRequest), ("grant_type=", .invalidRequest),
        ("grant_type=password", .unsupportedGrantType),
        ("grant_type=implicit", .unsupportedGrantType), ("grant_type=Authorization_Code", .unsupportedGrantType),
        ("grant_type=authorization_code&redirect_uri=x", .invalidRequest),
        ("grant_type=authorization_code&code=&redirect_uri=x", .invalidRequest),
        ("grant_type=refresh_token", .invalidRequest), ("grant_type=refresh_token&refresh_token=a%00b", .invalidGrant),
        ("grant_type=refresh_token&refresh_token=a&scope=patient%2FX.rs", .invalidScope),
        ("grant_type=client_credentials&scope=system%2F*.sr", .invalidScope),
        ("grant_type=client_credentials&scope=a%09b", .invalidScope),
    ])
    func `malformed requests are refused by the right code`(_ text: String, _ code: OAuthError.Code) throws {
        #expect(try Self.code(text) == code)
    }

    @Test(.verifies("oauth-attack@C-06"))
    func `a code without redirect URI is malformed`() throws {
        #expect(try Self.code("grant_type=authorization_code&code=abc") == .invalidRequest)
        #expect(try Self.code("grant_type=authorization_code&code=abc&redirect_uri=") == .invalidRequest)
    }

    @Test(
        .verifies("oauth-attack@C-22"),
        arguments: [String(repeating: "a", count: 513), "a%00b", "a%C3%A9", "a%0Ab", "a%20b"])
    func `a code that cannot be ours is as unknown as any other`(_ code: String) throws {
        #expect(try Self.code("grant_type=authorization_code&redirect_uri=x&code=\(code)") == .invalidGrant)
    }

    @Test(
        .verifies("oauth-attack@C-12"),
        arguments: [
            String(repeating: "a", count: 42), String(repeating: "a", count: 129),
            String(repeating: "a", count: 42) + "%2B",
        ])
    func `a malformed verifier is an invalid grant`(_ verifier: String) throws {
        #expect(
            try Self.code("grant_type=authorization_code&redirect_uri=x&code=c&code_verifier=\(verifier)")
                == .invalidGrant)
    }

    @Test(.verifies("oauth-attack@C-11"))
    func `a blank verifier is a missing one`() throws {
        let request = try TokenRequest(
            parsing: form("grant_type=authorization_code&redirect_uri=x&code=c&code_verifier="))

        #expect(request == .authorizationCode(code: Secret("c"), redirectURI: "x", verifier: nil))
    }

    @Test func `each grant type is read`() throws {
        let verifier = String(repeating: "a", count: 43)
        let code = try TokenRequest(
            parsing: form("grant_type=authorization_code&redirect_uri=x&code=c&code_verifier=\(verifier)&patient=b"))
        let refresh = try TokenRequest(
            parsing: form("grant_type=refresh_token&refresh_token=r&scope=openid+patient%2F*.rs"))
        let client = try TokenRequest(parsing: form("grant_type=client_credentials"))

        #expect(code == .authorizationCode(code: Secret("c"), redirectURI: "x", verifier: CodeVerifier(verifier)))
        #expect(refresh == .refreshToken(Secret("r"), scope: try ScopeSet(parsing: "openid patient/*.rs")))
        #expect(client == .clientCredentials(scope: nil))
        #expect([code, refresh, client].map(\.grantType) == [.authorizationCode, .refreshToken, .clientCredentials])
    }
}

@Suite struct `Token responses` {
    @Test func `the body has the granted facts and nothing that was not granted`() throws {
        let response = TokenResponse(accessToken: Secret("t"), expiresIn: 600, scope: "patient/Observation.rs")

        #expect(
            String(decoding: response.json, as: UTF8.self)
                == #"{"access_token":"t","token_type":"Bearer","expires_in":600,"scope":"patient/Observation.rs"}"#)
    }

    @Test func `launch context stands beside the token`() throws {
        let response = TokenResponse(
            accessToken: Secret("t"), expiresIn: 600, scope: "openid", refreshToken: Secret("r"), idToken: Secret("i"),
            launch: LaunchContext(
                patient: ResourceID("patient-a"), encounter: ResourceID("e1"), intent: "reconcile",
                needPatientBanner: false,
                fhirContext: [["reference": "ImagingStudy/1"]]))
        let json = try JSONValue(parsing: response.json)

        #expect(json["patient"] == "patient-a")
        #expect(json["encounter"] == "e1")
        #expect(json["need_patient_banner"] == false)
        #expect(json["intent"] == "reconcile")
        #expect(json["fhirContext"] == [["reference": "ImagingStudy/1"]])
        #expect(json["refresh_token"] == "r")
        #expect(json["id_token"] == "i")
    }
}
