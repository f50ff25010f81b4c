import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// The change of the password and the end of all access, as a browser sees them.
@Suite(.demoServer, .verifies("house@OWN-PASSWORD")) struct PasswordPageTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    private func signIn(_ user: String, _ password: String = "demo") async throws -> Browser {
        let browser = Browser()
        let answer = try await browser.post(
            server.issuer + "/account/login", [("username", user), ("password", password)])
        #expect(answer.status == 303)
        return browser
    }

    private func csrf(_ html: String) throws -> (String, String) {
        let value = try #require(html.split(separator: "name=\"csrf\" value=\"").dropFirst().first)
        return ("csrf", String(value.prefix { $0 != "\"" }))
    }

    private func isSignedIn(_ browser: Browser) async throws -> Bool {
        try await browser.get(server.issuer + "/account").text.contains("/account/sign-out")
    }

    private func change(
        _ browser: Browser, _ token: (String, String)?, present: String, new: String, again: String? = nil
    ) async throws -> Answer {
        try await browser.post(
            server.issuer + "/account/security/password",
            [token].compactMap { $0 } + [("present", present), ("new", new), ("again", again ?? new)])
    }

    @Test func `a password is changed by its person alone, and the pages tell of it`() async throws {
        let elsewhere = try await signIn("patient-b")
        let browser = try await signIn("patient-b")
        let page = try await browser.get(server.issuer + "/account/security")
        #expect(page.text.contains("id=\"present-password\""))
        let token = try csrf(page.text)

        #expect(try await change(browser, nil, present: "demo", new: "changed-1").status == 400)
        let wrong = try await change(browser, token, present: "Demo", new: "changed-1")
        #expect(wrong.status == 400)
        #expect(wrong.text.contains("id=\"password-error\""))
        let differs = try await change(browser, token, present: "demo", new: "changed-1", again: "changed-2")
        #expect(differs.status == 400)
        #expect(differs.text.contains("The two new passwords differ"))
        #expect(try await change(browser, token, present: "demo", new: "x").status == 400)
        #expect(try await isSignedIn(elsewhere))

        let done = try await change(browser, token, present: "demo", new: "changed-1")
        #expect(done.status == 200)
        #expect(done.text.contains("Your password is changed"))
        #expect(done["set-cookie"]?.contains("HttpOnly") == true)
        // The forms of that page are good in the session's new value.
        let again = try await change(browser, try csrf(done.text), present: "changed-1", new: "demo")
        #expect(again.status == 200)
        #expect(try await isSignedIn(browser))
        #expect(try await !isSignedIn(elsewhere))

        let activity = try await browser.get(server.issuer + "/account/activity")
        #expect(activity.text.split(separator: "Your password was changed").count == 3)
        let spanish = try await browser.get(server.issuer + "/account/activity?lang=es")
        #expect(spanish.text.contains("Se cambió la contraseña"))
        // Nobody else is told.
        let other = try await signIn("patient-a").get(server.issuer + "/account/activity")
        #expect(!other.text.contains("Your password was changed"))
    }

    @Test func `all apps are disconnected at once, and only the person's own`() async throws {
        let (mine, another) = (TestApp(server: server), TestApp(server: server))
        let tokens = [try await mine.launch(as: "patient-a"), try await mine.launch(as: "patient-a")]
        let other = try await another.launch(as: "parent-a", patient: "patient-c")
        let browser = try await signIn("patient-a")
        let page = try await browser.get(server.issuer + "/account/security")
        #expect(page.text.contains("/account/end-all"))
        #expect(try await browser.post(server.issuer + "/account/end-all", []).status == 400)
        for token in tokens { #expect(try await mine.fhir("/Patient/patient-a", token).status == 200) }

        let done = try await browser.post(server.issuer + "/account/end-all", [try csrf(page.text)])

        #expect(done.status == 200)
        #expect(done.text.contains("All apps are disconnected"))
        for token in tokens { #expect(try await mine.fhir("/Patient/patient-a", token).status == 401) }
        #expect(try await another.fhir("/Patient/patient-c", other).status == 200)
        let after = try await browser.get(server.issuer + "/account/security")
        #expect(!after.text.contains("/account/end-all"))
    }

    /// No page says by its own document what the header says better: the sign-in page lets the browser name its origin.
    @Test(arguments: ["/account", "/account/security", "/"])
    func `no page has a referrer policy beside its header`(_ path: String) async throws {
        #expect(try await !Browser().get(server.issuer + path).text.contains("name=\"referrer\""))
    }

    @Test(arguments: [
        [("origin", "null")], [("origin", "null"), ("sec-fetch-site", "cross-site")],
        [("origin", "https://evil.example")],
        [("sec-fetch-site", "same-site")],
    ])
    func `no other site opens a launch at the demo's EHR`(_ headers: [(String, String)]) async throws {
        let form = [("patient", "patient-a")]
        let refused = try await Browser().post(server.demo + "/ehr/launch", form, headers: headers)
        #expect(refused.status == 502)
        #expect(try await Browser().get(server.demo + "/ehr")["referrer-policy"] == "same-origin")
        for own in [[("origin", "null"), ("sec-fetch-site", "same-origin")], [("origin", server.demo)], []] {
            let answer = try await Browser().post(server.demo + "/ehr/launch", form, headers: own)
            #expect(answer.status == 303, "\(own)")
        }
    }
}
