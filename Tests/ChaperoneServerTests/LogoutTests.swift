import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

/// Sign-outs that an app asks for (OpenID Connect RP-Initiated Logout).
@Suite struct LogoutTests {
    private static let settings = """
        clients:
          - id: rp
            kind: public
            program: patient-access
            redirect-uris: ["http://127.0.0.1:8765/callback"]
            post-logout-redirect-uris: ["http://127.0.0.1:8765/bye"]
            grant-types: [authorization_code]
            scopes: openid patient/Patient.rs
        """
    private static let bye = "http://127.0.0.1:8765/bye"

    private static func query(_ parameters: [(String, String)]) -> String {
        "/oauth/logout?"
            + parameters.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }.joined(separator: "&")
    }

    @Test(.verifies("oauth-attack@U-18"), .verifies("house@RP-LOGOUT"))
    func `an app has the browser sent where it registered and nowhere else, and only after the person said so`()
        async throws
    {
        try await RunningServer.with(settings: Self.settings) { server in
            let app = TestApp(server: server)
            let token = try await app.launch()
            let hint = try #require(token["id_token"]?.string)
            let good = [("client_id", "rp"), ("post_logout_redirect_uri", Self.bye), ("state", "s &1")]
            for parameters in [
                [("client_id", "rp"), ("post_logout_redirect_uri", Self.bye + "/")],
                [("client_id", "rp"), ("post_logout_redirect_uri", "https://evil.example/")],
                [("client_id", "demo-patient-app"), ("post_logout_redirect_uri", Self.bye)],
                [("client_id", "nobody"), ("post_logout_redirect_uri", Self.bye)],
                [("post_logout_redirect_uri", Self.bye)], good + [("client_id", "rp")],
                good + [("id_token_hint", hint)], good + [("id_token_hint", "x.y.z")],
            ] {
                let answer = try await Browser().get(server.issuer + Self.query(parameters))
                #expect(answer.status == 200 && answer["location"] == nil, "\(parameters)")
            }
            // Nobody is signed in: there is nothing to ask.
            #expect(
                try await Browser().get(server.issuer + Self.query(good))["location"] == Self.bye + "?state=s%20%261")

            let asked = try await app.browser.get(server.issuer + Self.query(good))
            #expect(asked.status == 200 && asked["location"] == nil)
            #expect(asked["content-security-policy"]?.contains("form-action 'self' http://127.0.0.1:8765") == true)
            #expect(await !app.browser.cookies.isEmpty, "a link signs nobody out")
            let form = good.map { "\($0.0)=\(FormParameters.encode($0.1))" }.joined(separator: "&")
            let posted = try await app.browser.send(
                .POST, server.issuer + "/oauth/logout",
                headers: [
                    ("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site"),
                ], body: form)
            #expect(posted["location"]?.hasPrefix("/oauth/logout?client_id=rp&") == true)
            #expect(await !app.browser.cookies.isEmpty, "an app's form signs nobody out")
            let left = try await app.browser.post(server.issuer + "/oauth/logout", Form(asked.text).fields)
            #expect(left.status == 303 && left["location"] == Self.bye + "?state=s%20%261")
            #expect(await app.browser.cookies.isEmpty)
        }
    }
}
