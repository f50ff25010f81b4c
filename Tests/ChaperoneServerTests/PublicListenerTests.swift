import FHIRCore
import NIOCore
import NIOHTTP1
import NIOPosix
import RequirementTraits
import Testing

@testable import ChaperoneServer

@Suite(.demoServer) struct PublicListenerTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    @Test(arguments: [
        "/fhir/.well-known/smart-configuration", "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server", "/.well-known/jwks.json",
    ])
    func `discovery is open to scripts of every origin`(path: String) async throws {
        let answer = try await Browser().get(server.issuer + path, headers: [("origin", "https://app.example")])
        let preflight = try await Browser().send(.OPTIONS, server.issuer + path)

        #expect(answer.status == 200)
        #expect(answer["access-control-allow-origin"] == "*")
        #expect(answer["content-type"] == "application/json")
        #expect(try answer.json().object?.isEmpty == false)
        #expect(preflight.status == 204)
    }

    @Test func `the endpoints that discovery names are there`() async throws {
        let document = try await Browser().get(server.fhir + "/.well-known/smart-configuration").json()

        #expect(document["authorization_endpoint"]?.string == server.issuer + "/oauth/authorize")
        #expect(document["token_endpoint"]?.string == server.issuer + "/oauth/token")
        #expect(document["revocation_endpoint"]?.string == server.issuer + "/oauth/revoke")
    }

    @Test(
        .verifies("house@security-headers", "oauth-attack@C-17"),
        arguments: [
            "/", "/login?launch=x", "/login", "/patient?launch=x", "/consent?launch=x", "/oauth/logout",
            "/no-such-page",
            "/oauth/authorize", "/assets/chaperone.css", "/health/live", "/admin/v1/grants",
        ])
    func `every page carries the security headers`(path: String) async throws {
        let answer = try await Browser().get(server.issuer + path)

        let policy = try #require(answer["content-security-policy"])
        #expect(policy.contains("default-src 'none'"))
        #expect(policy.contains("frame-ancestors 'none'"))
        #expect(policy.contains("base-uri 'none'"))
        #expect(!policy.contains("unsafe"))
        #expect(!policy.contains("script-src"))
        #expect(answer["x-content-type-options"] == "nosniff")
        #expect(answer["referrer-policy"] == "no-referrer")
        #expect(answer["cache-control"] != nil)
        #expect(!answer.text.contains("style=\""))
    }

    @Test(arguments: [
        "/admin/v1/audit", "/admin/v1/grants", "/metrics", "/audit/fhir/AuditEvent", "/console", "/health",
    ])
    func `nothing of the admin side is on the public listener`(path: String) async throws {
        let answer = try await Browser().get(server.issuer + path)

        #expect(answer.status == 404)
    }

    @Test(arguments: [("GET", 405), ("PUT", 405), ("DELETE", 405)])
    func `the token endpoint takes POST`(method: String, status: Int) async throws {
        let answer = try await Browser().send(HTTPMethod(rawValue: method), server.issuer + "/oauth/token")

        #expect(answer.status == status)
        #expect(answer["allow"] == "POST")
    }

    @Test func `the token endpoint takes forms only`() async throws {
        let answer = try await Browser().send(
            .POST, server.issuer + "/oauth/token", headers: [("content-type", "application/json")], body: "{}")

        #expect(answer.status == 415)
        #expect(try answer.json()["error"]?.string == "invalid_request")
    }

    @Test func `parameters in the address of the token endpoint are refused`() async throws {
        let answer = try await Browser().post(
            server.issuer + "/oauth/token?client_id=demo-patient-app", [("grant_type", "authorization_code")])

        #expect(answer.status == 400)
        #expect(try answer.json()["error"]?.string == "invalid_request")
    }

    @Test func `an unknown code is invalid_grant, uncached and readable by scripts`() async throws {
        let app = TestApp(server: server)

        let answer = try await app.redeem("no-such-code")

        #expect(answer.status == 400)
        #expect(try answer.json()["error"]?.string == "invalid_grant")
        #expect(answer["cache-control"] == "no-store")
        #expect(answer["access-control-allow-origin"] == "*")
    }

    @Test(
        .verifies("oauth-attack@R-37"),
        arguments: [
            ("PUT", "/oauth/authorize", 405), ("DELETE", "/login", 405), ("PATCH", "/consent", 405), ("PUT", "/", 405),
            ("POST", "/.well-known/jwks.json", 405),
        ])
    func `a method that an address does not take is 405`(method: String, path: String, status: Int) async throws {
        let answer = try await Browser().send(HTTPMethod(rawValue: method), server.issuer + path)

        #expect(answer.status == status)
        #expect(answer["allow"] != nil)
    }

    @Test(.verifies("oauth-attack@R-23")) func `an authorization request split between address and body is refused`()
        async throws
    {
        let app = TestApp(server: server)
        let url = server.issuer + "/oauth/authorize?redirect_uri=https%3A%2F%2Fevil.example"

        let answer = try await app.browser.post(url, app.parameters())

        #expect(answer.status == 400)
        #expect(answer["location"] == nil)
    }

    @Test(.verifies("oauth-attack@R-38")) func `an authorization request in JSON is 415`() async throws {
        let answer = try await Browser().send(
            .POST, server.issuer + "/oauth/authorize", headers: [("content-type", "application/json")], body: "{}")

        #expect(answer.status == 415)
    }

    @Test func `an authorization request may be posted as a form`() async throws {
        let app = TestApp(server: server)
        _ = try await app.browser.get(app.authorizeURL())

        let answer = try await app.browser.post(server.issuer + "/oauth/authorize", app.parameters())

        #expect(answer.status == 303)
        #expect(answer["location"]?.hasPrefix("/login?launch=") == true)
    }

    @Test func `a posted request without the cookie is sent again by GET, which brings the cookie along`() async throws
    {
        let app = TestApp(server: server)
        _ = try await app.consentPage(as: "patient-a")
        let signedIn = await app.browser.cookies

        // A browser leaves a Lax cookie out of a form that another site posts; any cookie in the answer replaces ours.
        let posted = try await Browser().post(server.issuer + "/oauth/authorize", app.parameters())
        let location = try #require(posted["location"])
        let again = try await app.browser.get(server.issuer + location)

        #expect(posted.status == 303)
        #expect(posted["set-cookie"] == nil)
        #expect(location.hasPrefix("/oauth/authorize?"))
        #expect(again["location"]?.hasPrefix("/consent?launch=") == true)
        #expect(await app.browser.cookies == signedIn)
    }

    @Test(arguments: [
        ("state=a#b\"<'{}", "state=a%23b%22%3C%27%7B%7D"), ("state=a+b%20c%26", "state=a+b%20c%26"),
        ("client_id=a&client_id=b", "client_id=a&client_id=b"),
    ])
    func `a posted request means the same when it is sent again`(body: String, query: String) async throws {
        let posted = try await Browser().send(
            .POST, server.issuer + "/oauth/authorize",
            headers: [("content-type", "application/x-www-form-urlencoded")], body: body)

        #expect(posted["location"] == "/oauth/authorize?" + query)
    }

    /// 400 scopes in 8 kB, as SMART's `authorize-post` is for.
    private static let manyScopes =
        "launch/patient openid "
        + (0..<150).map { "patient/Observation.rs?code=http://loinc.org|\(10_000 + $0)-1" }.joined(separator: " ")

    @Test(.verifies("oauth-attack@S-01"))
    func `a posted request that is too long for an address comes again by name`() async throws {
        let app = TestApp(server: server)
        let fields = app.parameters().filter { $0.0 != "scope" } + [("scope", Self.manyScopes)]

        let posted = try await Browser().post(server.issuer + "/oauth/authorize", fields)
        let location = try #require(posted["location"])
        let again = try await app.browser.get(server.issuer + location)
        let twice = try await app.browser.get(server.issuer + location)

        #expect(posted.status == 303)
        #expect(posted["set-cookie"] == nil)
        #expect(location.hasPrefix("/oauth/authorize?client_id=demo-patient-app&request_uri=urn%3Aietf"))
        #expect(location.utf8.count < 300)
        #expect(again["location"]?.hasPrefix("/login?launch=") == true)
        #expect(twice["location"] == nil)
    }

    @Test(
        .verifies("oauth-attack@S-01"), arguments: [("redirect_uri", "https://evil.example/"), ("client_id", "nobody")])
    func `a long posted request that leads elsewhere is not kept`(_ name: String, _ value: String) async throws {
        let app = TestApp(server: server)
        let fields =
            app.parameters().filter { ![name, "scope"].contains($0.0) }
            + [("scope", Self.manyScopes), (name, value)]

        let posted = try await Browser().post(server.issuer + "/oauth/authorize", fields)

        #expect(posted.status == 400)
        #expect(posted["location"] == nil)
    }

    @Test(
        .verifies("oauth-attack@S-01"),
        arguments: [("state", String(repeating: "x", count: 9000)), ("nonce", String(repeating: "x", count: 20_000))])
    func `a long posted request is checked before it is kept`(_ name: String, _ value: String) async throws {
        let app = TestApp(server: server)
        let fields = app.parameters().filter { $0.0 != name } + [(name, value)]

        let posted = try await Browser().post(server.issuer + "/oauth/authorize", fields)

        #expect(posted.status == 303)
        #expect(posted["location"]?.contains("error=invalid_request") == true)
    }

    @Test(arguments: [
        "/oauth/authorize?a=%ff", "/oauth/authorize?a=%c0%af", "/oauth/authorize?=x", "/oauth/authorize?a=b;c=d",
        "/login?a=%ff", "/patient?launch=%fe", "/consent?launch=x&%c3=1",
    ])
    func `an address that cannot be decoded is the sender's mistake`(path: String) async throws {
        let answer = try await Browser().get(server.issuer + path)

        #expect(answer.status == 400)
        #expect(answer["content-type"]?.hasPrefix("text/html") == true)
        #expect(answer.text.contains("invalid_request"))
    }

    @Test(.verifies("house@one-listener"))
    func `one connection gets the answers of both sides in the order of its requests`()
        async throws
    {
        let host = "Host: localhost:\(server.publicPort)\r\n"
        let requests =
            "GET /health/live HTTP/1.1\r\n\(host)\r\n" + "GET /fhir/Patient/x HTTP/1.1\r\n\(host)\r\n"
            + "GET /.well-known/jwks.json HTTP/1.1\r\n\(host)\r\n" + "GET /fhir/Observation HTTP/1.1\r\n\(host)\r\n"
            + "POST /oauth/token HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n"
            + "GET /no-such-page HTTP/1.1\r\n\(host)Connection: close\r\n\r\n"

        let answer = try await RawConnection.exchange(requests, port: server.publicPort)

        let statuses = answer.split(separator: "HTTP/1.1 ").map { String($0.prefix(3)) }
        #expect(statuses == ["200", "401", "200", "401", "415", "404"])
    }

    @Test func `the start page leads to the demo app and the documents`() async throws {
        let page = try await Browser().get(server.issuer + "/")

        #expect(page.status == 200)
        #expect(page.text.contains(server.demo))
        #expect(page.text.contains("/fhir/.well-known/smart-configuration"))
    }

    @Test func `the probes say that the server lives and is ready`() async throws {
        #expect(try await Browser().get(server.issuer + "/health/live").status == 200)
        #expect(try await Browser().get(server.issuer + "/health/ready").status == 200)
    }

    @Test(arguments: ["/", "/app/callback", "/app/records", "/app/refusals"])
    func `the demo app runs only its own scripts and speaks only to its health plan`(path: String) async throws {
        let page = try await Browser().get(server.demo + path)

        let policy = try #require(page["content-security-policy"])
        #expect(page.status == 200)
        #expect(policy.contains("script-src 'self'"))
        #expect(policy.contains("connect-src 'self' \(server.issuer)"))
        #expect(!policy.contains("unsafe"))
        #expect(!page.text.contains("<script>"))
        for module in page.text.matches(of: #/src="([^"]+)"/#) {
            #expect(try await Browser().get(server.demo + String(module.1)).status == 200)
        }
    }
}

/// Bytes sent as they are over one connection, and everything that comes back until it is closed.
enum RawConnection {
    static func exchange(_ text: String, port: Int) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var answer = ""
            for try await part in inbound { answer += String(buffer: part) }
            return answer
        }
    }
}
