import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Attacks of the catalogue that are made of HTTP.
@Suite(.demoServer) struct ProtocolAttackTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    // MARK: - tokens

    @Test(.verifies("oauth-attack@T-24"))
    func `a token in an address is refused at UserInfo and at the FHIR side`() async throws {
        let token = try await TestApp(server: server).launch()["access_token"]?.string ?? ""
        let inQuery = try await Browser().get(server.issuer + "/oauth/userinfo?access_token=\(token)")
        #expect(inQuery.status == 400)
        let inForm = try await Browser().post(server.issuer + "/oauth/userinfo", [("access_token", token)])
        #expect(inForm.status == 400)
        let atFHIR = try await Browser().get(server.fhir + "/Patient/patient-a?access_token=\(token)")
        #expect([400, 401].contains(atFHIR.status))
    }

    @Test(.verifies("oauth-attack@T-33"))
    func `no answer of the token endpoint is cached`() async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "patient-a")
        let back = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])
        let code = try #require(back["location"]?.split(separator: "code=").last?.prefix { $0 != "&" })
        let issued = try await app.redeem(String(code))
        let refused = try await app.redeem("junk")
        for answer in [issued, refused] {
            #expect(answer["cache-control"]?.contains("no-store") == true)
            #expect(answer["pragma"]?.contains("no-cache") == true)
        }
        #expect(issued.status == 200 && refused.status == 400)
    }

    @Test(.verifies("oauth-attack@S-09"))
    func `parameters in the address of a token request are not used`() async throws {
        let answer = try await Browser().post(
            server.issuer + "/oauth/token?grant_type=authorization_code&client_id=demo-patient-app", [("code", "x")])
        #expect(answer.status == 400)
    }

    @Test(.verifies("oauth-attack@S-11"))
    func `a header cannot change the method`() async throws {
        for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
            let answer = try await Browser().get(server.issuer + "/oauth/token", headers: [(name, "POST")])
            #expect(answer.status == 405)
        }
    }

    @Test(
        .verifies("oauth-attack@S-14"),
        arguments: ["2147483648", "9007199254740993", "18446744073709551616", "1e400", "-1", "0x10"])
    func `a number that is too large is refused and nothing breaks`(_ age: String) async throws {
        let app = TestApp(server: server)
        let answer = try await app.browser.get(app.authorizeURL(app.parameters() + [("max_age", age)]))
        #expect([303, 400].contains(answer.status))
        #expect(try await Browser().get(server.issuer + "/health/ready").status == 200)
    }

    @Test(.verifies("oauth-attack@S-16"))
    func `no origin is echoed and none gets credentials`() async throws {
        for origin in ["null", "https://evil.example"] {
            for path in ["/oauth/token", "/fhir/.well-known/smart-configuration", "/account", "/oauth/authorize"] {
                let answer = try await Browser().send(
                    .OPTIONS, server.issuer + path,
                    headers: [("origin", origin), ("access-control-request-method", "POST")])
                #expect(answer["access-control-allow-origin"] != origin)
                #expect(answer["access-control-allow-credentials"] == nil)
            }
        }
    }

    // MARK: - pages

    @Test(.verifies("oauth-attack@U-03", "oauth-attack@U-29", "oauth-attack@C-17"))
    func `no page can be framed, cached or told on by a referrer`() async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "clinician-a", patient: "patient-a")
        let login = try await Browser().get(server.issuer + "/account")
        let choosing = TestApp(server: server)
        let picker = try await choosing.consentPage(as: "clinician-a")
        for page in [consent, login, picker] {
            #expect(page.status == 200)
            #expect(page["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
            #expect(page["x-frame-options"] == "DENY")
            #expect(page["cache-control"] == "no-store")
            // A page with a form that must say where it comes from tells it to this server, and to nobody else.
            #expect(["no-referrer", "same-origin"].contains(page["referrer-policy"]))
        }
    }

    @Test(.verifies("oauth-attack@U-05"))
    func `the session cookie is out of reach of scripts, and bound to TLS where there is TLS`() async throws {
        let app = TestApp(server: server)
        let answer = try await app.browser.get(app.authorizeURL())
        let header = try #require(answer["set-cookie"])
        #expect(header.contains("HttpOnly") && header.contains("SameSite=Lax") && header.contains("Path=/"))
        let secure = SessionCookie(purpose: "session", port: 443, isSecure: true)
        #expect(secure.name.hasPrefix("__Host-"))
        #expect(secure.setting("x", maxAge: 1).contains("; Secure"))
        #expect(!secure.setting("x", maxAge: 1).contains("Domain"))
    }

    @Test(
        .verifies("oauth-attack@U-16", "oauth-attack@U-17"),
        arguments: [
            ("login_hint", "<script>alert(1)</script>"), ("login_hint", "patient-a"), ("ui_locales", "xx \u{7F}"),
            ("display", "popup"), ("acr_values", "urn:nothing"), ("claims_locales", "<b>"),
        ])
    func `hints change nothing and are shown nowhere unescaped`(_ name: String, _ value: String) async throws {
        let app = TestApp(server: server)
        let page = try await app.follow(
            try await app.browser.get(app.authorizeURL(app.parameters() + [(name, value)])))
        #expect([200, 303].contains(page.status))
        #expect(!page.text.contains("<script>alert") && !page.text.contains("<b>"))
    }

    @Test(.verifies("oauth-attack@U-18"))
    func `signing out leads nowhere else`() async throws {
        for query in ["?post_logout_redirect_uri=https://evil.example/", "?id_token_hint=x&state=y"] {
            let answer = try await Browser().get(server.issuer + "/oauth/logout" + query)
            #expect(answer.status == 200)
            #expect(answer["location"] == nil)
        }
    }

    @Test(.verifies("oauth-attack@U-28"))
    func `the admin side is not on the public listener, and takes no app's token`() async throws {
        let token = try await TestApp(server: server).launch()["access_token"]?.string ?? ""
        for path in ["/admin/v1/grants", "/console", "/audit/fhir/AuditEvent", "/metrics"] {
            let here = try await Browser().get(
                server.issuer + path, headers: [("authorization", "Bearer \(token)")])
            #expect(here.status == 404)
        }
        let there = try await Browser().get(
            server.admin + "/admin/v1/grants", headers: [("authorization", "Bearer \(token)")])
        #expect(there.status == 401)
    }

    // MARK: - discovery

    @Test(
        .verifies("oauth-attack@P-13"),
        arguments: [
            "/.well-known/openid-configuration/..%2f", "/.well-known/openid-configuration/x",
            "/.well-known/oauth-authorization-server/fhir", "/fhir/.well-known/../.well-known/smart-configuration",
            "//.well-known/openid-configuration",
        ])
    func `a crooked path to a document finds none`(_ path: String) async throws {
        let answer = try await Browser().get(server.issuer + path)
        #expect([400, 401, 404].contains(answer.status), "\(answer.status)")
    }

    @Test(.verifies("oauth-attack@P-15", "oauth-attack@A-44"))
    func `the issuer is the configured one whatever the headers say`() async throws {
        for (name, value) in [
            ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https"), ("forwarded", "host=evil.example"),
            ("host", "evil.example"),
        ] {
            let answer = try await Browser().get(
                server.issuer + "/.well-known/openid-configuration", headers: [(name, value)])
            #expect(answer.status == 200, "\(name)")
            #expect(try answer.json()["issuer"]?.string == server.issuer)
            #expect(!answer.text.contains("evil.example"))
        }
    }

    // MARK: - what is advertised works

    @Test func `each address of the discovery documents answers, and the three documents agree`() async throws {
        let smart = try await Browser().get(server.fhir + "/.well-known/smart-configuration").json()
        let openID = try await Browser().get(server.issuer + "/.well-known/openid-configuration").json()
        let metadata = try await Browser().get(server.fhir + "/metadata").json()
        let security = try #require(metadata["rest"]?.array?.first?["security"]?["extension"]?.array?.first)
        var uris: [String: String] = [:]
        for part in security["extension"]?.array ?? [] {
            uris[part["url"]?.string ?? ""] = part["valueUri"]?.string
        }
        let pairs = [
            ("authorize", "authorization_endpoint"), ("token", "token_endpoint"), ("register", "registration_endpoint"),
            ("manage", "management_endpoint"), ("introspect", "introspection_endpoint"),
            ("revoke", "revocation_endpoint"),
        ]
        for (old, new) in pairs { #expect(uris[old] == smart[new]?.string, "\(old)") }
        #expect(openID["issuer"]?.string == smart["issuer"]?.string)
        for name in ["introspection_endpoint", "revocation_endpoint", "token_endpoint"] {
            let address = try #require(smart[name]?.string)
            #expect(try await Browser().post(address, [("token", "x")]).status == 401, "\(name)")
        }
        #expect(try await Browser().get(try #require(smart["management_endpoint"]?.string)).status == 200)
        #expect(try await Browser().get(try #require(openID["userinfo_endpoint"]?.string)).status == 401)
        #expect(try await Browser().get(try #require(smart["jwks_uri"]?.string)).status == 200)
        #expect(try await Browser().get(try #require(smart["authorization_endpoint"]?.string)).status == 400)
    }

    @Test func `the brands are open, tagged and name this server`() async throws {
        let smart = try await Browser().get(server.fhir + "/.well-known/smart-configuration").json()
        let address = try #require(smart["user_access_brand_bundle"]?.string)
        let answer = try await Browser().get(address, headers: [("origin", "https://app.example")])
        #expect(answer.status == 200)
        #expect(answer["access-control-allow-origin"] == "*")
        #expect(answer["content-type"] == "application/fhir+json")
        let tag = try #require(answer["etag"])
        #expect(tag.hasPrefix("W/"))
        #expect(try await Browser().get(address, headers: [("if-none-match", tag)]).status == 304)
        #expect(try await Browser().get(address, headers: [("if-none-match", "\"x\"")]).status == 200)
        let entries = try #require(try answer.json()["entry"]?.array)
        let identifiers = entries.compactMap { $0["resource"]?["identifier"]?.array?.first }
        #expect(identifiers == [try #require(smart["user_access_brand_identifier"])])
        #expect(entries.contains { $0["resource"]?["address"]?.string == server.fhir })
    }

    /// The demo's brands, with a change.
    @Test(arguments: [
        (#""name":"Demo plan","telecom""#, #""name":"Demo plan","telecom""#, true),
        (#""resourceType":"Endpoint""#, #""resourceType":"Organization""#, false),
        (
            #""city":"Springfield""#,
            #""_city":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"asked-declined"}]}"#,
            true
        ),
        (
            #""city":"Springfield""#,
            #""_city":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#,
            false
        ),
    ])
    func `a brand whose data are absent for a reason of its own is not published`(
        _ old: String, _ new: String, _ isGood: Bool
    ) throws {
        let demo = try BrandBundle.demo(fhirBase: "https://as.example/fhir", issuer: "https://as.example")
        let text = String(decoding: demo.bytes, as: UTF8.self)
        #expect(text.contains(old))
        let changed = Array(text.replacing(old, with: new).utf8)
        let bundle = try? BrandBundle(parsing: changed, fhirBase: "https://as.example/fhir")
        #expect((bundle != nil) == isGood)
    }

    @Test func `a brand whose identifier stands on another one too is not published`() throws {
        let demo = try BrandBundle.demo(fhirBase: "https://as.example/fhir", issuer: "https://as.example")
        var bundle = try JSONValue(parsing: demo.bytes)
        let entries = try #require(bundle["entry"]?.array)
        let brand = try #require(entries.first { $0["resource"]?["resourceType"]?.string == "Organization" })
        let members = (bundle.object ?? []).map { $0.name == "entry" ? .init("entry", .array(entries + [brand])) : $0 }
        bundle = .object(members)
        #expect(throws: BrandBundle.Unusable.self) {
            try BrandBundle(parsing: bundle.serialized, fhirBase: "https://as.example/fhir")
        }
    }

    @Test(arguments: [
        #"{"resourceType":"Bundle","type":"searchset","timestamp":"2026-01-01T00:00:00Z"}"#,
        #"{"resourceType":"Bundle","type":"collection"}"#,
        #"{"resourceType":"Bundle","type":"collection","timestamp":"2026-01-01T00:00:00Z","entry":[]}"#,
        #"{"resourceType":"Bundle","type":"collection","timestamp":"t","entry":[{"resource":{"resourceType":"Organization","name":"x"}}]}"#,
        "no JSON",
    ])
    func `a Bundle that is none of brands is not published`(_ text: String) {
        #expect(throws: BrandBundle.Unusable.self) {
            try BrandBundle(parsing: Array(text.utf8), fhirBase: "https://f.example")
        }
    }
}
