import FHIRCore
import NIOHTTP1
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// A member's app reads real records through the whole server.
@Suite(.demoServer) struct LaunchTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    @Test func `a member's app reads the member's record and nobody else's`() async throws {
        let app = TestApp(server: server)

        let token = try await app.launch()

        #expect(token["patient"]?.string == "patient-a")
        let own = try await app.fhir("/Patient/patient-a", token)
        #expect(own.status == 200)
        #expect(try own.json()["id"]?.string == "patient-a")
        let observations = try await app.fhir("/Observation?_count=5", token)
        #expect(observations.status == 200)
        #expect(try observations.json()["entry"]?.array?.isEmpty == false)
    }

    @Test(.verifies("attack@ATK-001")) func `another member is answered like one who does not exist`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()

        let foreign = try await app.fhir("/Patient/patient-b", token)
        let nobody = try await app.fhir("/Patient/no-such-patient", token)

        #expect(foreign.status == 404)
        #expect(foreign.body == nobody.body)
    }

    @Test(arguments: [
        ("GET", "?_type=Group", ""), ("GET", "?_type=Patient,Nobody", ""), ("GET", "/_history", ""),
        ("GET", "/Patient/patient-b/$everything", ""), ("GET", "/Patient/patient-b/*", ""),
    ])
    func `what reaches beyond one type is refused and the server goes on`(
        method: String, path: String, body: String
    ) async throws {
        let token = try await TestApp(server: server).launch()

        let answer = try await Browser().send(
            HTTPMethod(rawValue: method), server.fhir + path,
            headers: [
                ("authorization", "Bearer \(token["access_token"]?.string ?? "")"),
                ("content-type", "application/fhir+json"),
            ], body: body.isEmpty ? nil : body)

        #expect((400...499).contains(answer.status))
        #expect(try answer.json()["resourceType"]?.string == "OperationOutcome")
        #expect(try await Browser().get(server.issuer + "/health/ready").status == 200)
    }

    @Test(.verifies("oauth-attack@R-28")) func `every redirect of a launch is 303`() async throws {
        let app = TestApp(server: server)

        let begun = try await app.browser.get(app.authorizeURL())
        let login = try await app.follow(begun)
        let signedIn = try await app.browser.post(
            server.issuer + "/login", Form(login.text).fields + [("username", "patient-a"), ("password", "demo")])
        let consent = try await app.follow(signedIn)
        let ended = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])

        #expect([begun.status, signedIn.status, ended.status] == [303, 303, 303])
        #expect(ended["location"]?.hasPrefix(TestApp.redirect + "?code=") == true)
    }

    @Test func `the consent page says who asks, for whom, and each scope as a sentence that can be unticked`()
        async throws
    {
        let page = try await TestApp(server: server).consentPage(as: "patient-a")

        #expect(page.status == 200)
        #expect(page.text.contains("My Health Shelf"))
        #expect(page.text.contains("Ana Rivera"))
        #expect(page.text.contains("value=\"patient/Observation.rs\""))
        #expect(!page.text.contains("<script"))
    }

    @Test func `what was unticked is not granted`() async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "patient-a")
        let kept = Form(consent.text).fields.filter { !$0.1.hasPrefix("patient/Condition.rs") }

        let back = try await app.browser.post(server.issuer + "/consent", kept + [("decision", "allow")])
        let code = try #require(back["location"]?.split(separator: "code=").last?.prefix { $0 != "&" })
        let token = try await app.redeem(String(code)).json()

        #expect(token["scope"]?.string?.contains("patient/Condition") == false)
        #expect(try await app.fhir("/Condition", token).status == 403)
    }

    @Test func `who says no is sent back without a code`() async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "patient-a")

        let back = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "deny")])

        #expect(back.status == 303)
        #expect(back["location"]?.contains("error=access_denied") == true)
        #expect(back["location"]?.contains("code=") == false)
    }

    @Test func `of several patients none is chosen beforehand`() async throws {
        let picker = try await TestApp(server: server).consentPage(as: "clinician-a")

        #expect(picker.text.contains("name=\"patient\" value=\"patient-a\""))
        #expect(picker.text.contains("name=\"patient\" value=\"patient-c\""))
        #expect(!picker.text.contains(" checked"))
    }

    @Test func `a practitioner chooses a patient of the panel and reads nobody else under that token`() async throws {
        let app = TestApp(server: server)

        let token = try await app.launch(as: "clinician-a", patient: "patient-c")

        #expect(token["patient"]?.string == "patient-c")
        #expect(try await app.fhir("/Patient/patient-c", token).status == 200)
        #expect(try await app.fhir("/Patient/patient-a", token).status == 404)
    }

    @Test func `a representative reads the child and not another member`() async throws {
        let app = TestApp(server: server)

        let token = try await app.launch(as: "parent-a")

        #expect(token["patient"]?.string == "patient-c")
        #expect(try await app.fhir("/Patient/patient-c", token).status == 200)
        #expect(try await app.fhir("/Patient/patient-a", token).status == 404)
    }

    @Test func `a patient who is not on the list cannot be chosen`() async throws {
        let app = TestApp(server: server)
        let choice = try await app.consentPage(as: "clinician-a")

        let answer = try await app.browser.post(
            server.issuer + "/patient", Form(choice.text).fields + [("patient", "patient-b")])

        #expect(answer.status == 400)
        #expect(answer.text.contains("not open to you"))
    }

    @Test func `a wrong password shows the form again with the name and without the password`() async throws {
        let app = TestApp(server: server)
        let login = try await app.follow(try await app.browser.get(app.authorizeURL()))

        let answer = try await app.browser.post(
            server.issuer + "/login", Form(login.text).fields + [("username", "pat<b>"), ("password", "s3cret-typed")])

        #expect(answer.status == 400)
        #expect(answer.text.contains("value=\"pat&lt;b&gt;\""))
        #expect(!answer.text.contains("s3cret-typed"))
    }

    @Test func `another browser cannot answer a consent page`() async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "patient-a")
        let thief = Browser()

        let answer = try await thief.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])

        #expect(answer.status == 400)
        #expect(answer["location"] == nil)
    }

    @Test(arguments: [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")])
    func `a form that another site's page sends is refused`(_ name: String, _ value: String) async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "patient-a")

        let answer = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")],
            headers: [(name, value)])

        #expect(answer.status == 400)
        #expect(answer["location"] == nil)
    }

    @Test func `a form whose origin is this site is taken`() async throws {
        let app = TestApp(server: server)
        let consent = try await app.consentPage(as: "patient-a")

        let answer = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "deny")],
            headers: [("origin", server.issuer)])

        #expect(answer.status != 400)
        #expect(answer["location"] != nil)
    }

    @Test func `a login makes a new session`() async throws {
        let app = TestApp(server: server)
        let login = try await app.follow(try await app.browser.get(app.authorizeURL()))
        let before = await app.browser.cookies

        _ = try await app.browser.post(
            server.issuer + "/login", Form(login.text).fields + [("username", "patient-a"), ("password", "demo")])

        let after = await app.browser.cookies
        #expect(Array(before.keys) == ["chaperone-session-\(server.publicPort)"])
        #expect(Array(after.keys) == Array(before.keys))
        #expect(before != after)
    }

    @Test func `the session cookie is for this listener only and out of reach of scripts`() async throws {
        let answer = try await Browser().get(TestApp(server: server).authorizeURL())

        let cookie = try #require(answer["set-cookie"])
        #expect(cookie.hasPrefix("chaperone-session-\(server.publicPort)="))
        #expect(cookie.contains("; HttpOnly"))
        #expect(cookie.contains("; SameSite=Lax"))
        #expect(cookie.contains("; Path=/"))
        #expect(!cookie.contains("Domain="))
    }

    @Test func `who signs out is signed out, and only by a form of ours`() async throws {
        let app = TestApp(server: server)
        _ = try await app.consentPage(as: "patient-a")

        let forged = try await app.browser.post(server.issuer + "/oauth/logout", [("csrf", "guess")])
        let stillThere = await app.browser.cookies.count
        let asked = try await app.browser.get(server.issuer + "/oauth/logout")
        let left = try await app.browser.post(server.issuer + "/oauth/logout", Form(asked.text).fields)

        #expect(forged.status == 200)
        #expect(stillThere == 1)
        #expect(left.status == 303)
        #expect(await app.browser.cookies.isEmpty)
    }

    @Test(
        .verifies("oauth-attack@R-19", "oauth-attack@R-24"),
        arguments: [
            ("redirect_uri", "https://evil.example/callback"), ("redirect_uri", "http://127.0.0.1:8765/callback/x"),
            ("redirect_uri", "http://127.0.0.1:8766/callback"), ("redirect_uri", ""), ("client_id", "nobody"),
        ])
    func `an address that is not registered is shown to the person and never followed`(
        name: String, value: String
    ) async throws {
        let app = TestApp(server: server)
        let parameters = app.parameters().map { $0.0 == name ? (name, value) : $0 }

        let answer = try await app.browser.get(app.authorizeURL(parameters))

        #expect(answer.status == 400)
        #expect(answer["location"] == nil)
        #expect(answer.text.contains("invalid_request"))
    }

    @Test(arguments: [
        ("code_challenge_method", "plain"), ("aud", "https://other.example/fhir"), ("response_type", "token"),
    ])
    func `what is wrong after the redirect was matched goes back to the app`(name: String, value: String) async throws {
        let app = TestApp(server: server)
        let parameters = app.parameters().map { $0.0 == name ? (name, value) : $0 }

        let answer = try await app.browser.get(app.authorizeURL(parameters))

        #expect(answer.status == 303)
        #expect(answer["location"]?.hasPrefix(TestApp.redirect + "?error=") == true)
    }
}
