import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// What an app can find out about the person who did not allow it to know who they are.
@Suite struct UntoldPersonTests {
    private static let identity: Set<String> = ["openid", "fhirUser", "profile"]

    private func granted(
        _ harness: LaunchHarness, as client: String = "confidential",
        leavingOut: Set<String> = UntoldPersonTests.identity
    ) async throws -> TokenResponse {
        let code = try await harness.launch(["client_id": client], leavingOut: leavingOut)
        let basic = client == "app" ? nil : LaunchHarness.basic(client, "\(client)-secret")
        let answer = try await harness.exchange(code, ["client_id": basic == nil ? client : nil], authorization: basic)
        return try #require(answer.response, "\(String(describing: answer.error))")
    }

    private func facts(_ harness: LaunchHarness, _ token: Secret, _ header: String) async throws -> JSONValue {
        let answer = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", token.reveal())]), authorization: header, from: harness.source)
        guard case .facts(let facts) = answer else {
            Issue.record("\(answer)")
            return .null
        }
        #expect(facts["active"]?.bool == true)
        return facts
    }

    /// The claims of a token as whoever holds it reads them; nil when they cannot be read.
    private static func readable(_ token: Secret) -> JSONValue? {
        let parts = token.reveal().split(separator: ".")
        guard parts.count == 3 else { return nil }
        return Base64URL.decode(String(parts[1])).flatMap { try? JSONValue(parsing: $0) }
    }

    @Test(.verifies("house@untold-person"), arguments: ["app", "confidential"])
    func `the access token tells the app nothing of the person, and the enforcer all of it`(
        _ client: String
    ) async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness, as: client)

        #expect(Self.readable(response.accessToken)?["fhirUser"] == nil)
        #expect(Self.readable(response.accessToken)?["auth_time"] == nil)
        #expect(response.idToken == nil)
        #expect(try harness.access(response).access.launch.fhirUser?.description == "Patient/patient-a")
        // As it is for whoever may know: the claim stands in a token that everybody can read.
        let told = try await granted(harness, as: client, leavingOut: [])
        let claims = try #require(Self.readable(told.accessToken))
        #expect(claims["fhirUser"]?.string == "Patient/patient-a")
        #expect(claims["auth_time"] != nil && claims["acr"] != nil)
    }

    @Test(.verifies("house@untold-person"))
    func `a token that a refresh narrows tells no more than its own scopes`() async throws {
        let harness = try await LaunchHarness()
        let first = try await granted(harness, as: "app", leavingOut: [])
        let refresh = try #require(first.refreshToken).reveal()
        let answer = try await harness.refresh(refresh, scope: "patient/Patient.rs launch/patient")
        let narrowed = try #require(answer.response)
        #expect(Self.readable(narrowed.accessToken)?["fhirUser"] == nil)
        #expect(try harness.access(narrowed).access.launch.fhirUser?.description == "Patient/patient-a")
    }

    @Test(.verifies("house@untold-person"))
    func `introspection tells the client itself no more than its scopes do, and a resource server everything`()
        async throws
    {
        let harness = try await LaunchHarness()
        let response = try await granted(harness)
        let refresh = try #require(response.refreshToken)
        let own = LaunchHarness.basic("confidential", "confidential-secret")
        let server = "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))

        for token in [response.accessToken, refresh] {
            #expect(try await facts(harness, token, own)["fhirUser"] == nil)
            #expect(
                try await facts(harness, token, server)["fhirUser"]?.string
                    == "\(LaunchHarness.fhirBase)/Patient/patient-a")
        }
        let told = try await granted(harness, leavingOut: [])
        #expect(
            try await facts(harness, told.accessToken, own)["fhirUser"]?.string
                == "\(LaunchHarness.fhirBase)/Patient/patient-a")
    }

    @Test(.verifies("house@untold-person"))
    func `acr and auth_time belong to openid`() async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness, leavingOut: ["openid"])
        let claims = try #require(Self.readable(response.accessToken))
        #expect(claims["fhirUser"] != nil, "it was allowed by itself")
        #expect(claims["auth_time"] == nil && claims["acr"] == nil)
    }
}
