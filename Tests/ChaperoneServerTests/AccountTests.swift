import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization
@testable import ChaperoneServer

/// The pages on which a person sees and ends what they allowed.
@Suite(.demoServer) struct AccountTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    private func signIn(_ user: String, _ browser: Browser = Browser()) async throws -> Browser {
        let answer = try await browser.post(
            server.issuer + "/account/login", [("username", user), ("password", "demo")])
        #expect(answer.status == 303)
        return browser
    }

    @Test(arguments: ["/account", "/account/activity", "/account/sessions"])
    func `who is not signed in is asked to sign in and told nothing`(_ path: String) async throws {
        let answer = try await Browser().get(server.issuer + path)
        #expect(answer.text.contains("name=\"password\""))
        #expect(!answer.text.contains("My Health Shelf"))
        #expect(answer["cache-control"] == "no-store")
        #expect(answer["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
    }

    @Test(.verifies("oauth-attack@U-01"))
    func `nothing is changed without the page's own token, or from another site`() async throws {
        let token = try await TestApp(server: server).launch()
        let browser = try await signIn("patient-a")
        let page = try await browser.get(server.issuer + "/account")
        let fields = Form(page.text).fields
        #expect(fields.contains { $0.0 == "grant" })
        let withoutToken = fields.filter { $0.0 != "csrf" }
        for (form, headers) in [
            (withoutToken, []), (withoutToken + [("csrf", "x")], []), (fields, [("sec-fetch-site", "cross-site")]),
        ] {
            let answer = try await browser.post(server.issuer + "/account/end", form, headers: headers)
            #expect(answer.status == 400)
        }
        #expect(try await TestApp(server: server).fhir("/Patient/patient-a", token).status == 200)
    }

    @Test(
        .verifies("oauth-attack@U-01"),
        arguments: [
            [("origin", "null")], [("origin", "null"), ("sec-fetch-site", "cross-site")],
            [("origin", "null"), ("sec-fetch-site", "same-site")], [("origin", "https://evil.example")],
            [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], [("sec-fetch-site", "cross-site")],
        ])
    func `nobody is signed in by another site's form`(_ headers: [(String, String)]) async throws {
        let browser = Browser()
        let answer = try await browser.post(
            server.issuer + "/account/login", [("username", "patient-a"), ("password", "demo")], headers: headers)
        #expect(answer.status == 400)
        #expect(answer["set-cookie"] == nil)
        #expect(try await browser.get(server.issuer + "/account").text.contains("name=\"password\""))
    }

    @Test func `the form of our own page signs in, in browsers new and old`() async throws {
        for page in ["/account", "/account/security"] {
            let answer = try await Browser().get(server.issuer + page)
            // With `no-referrer` the browser would send `Origin: null` with the form.
            #expect(answer["referrer-policy"] == "same-origin")
        }
        for headers in [
            [("origin", server.issuer)], [("origin", server.issuer), ("sec-fetch-site", "same-origin")],
            [("origin", "null"), ("sec-fetch-site", "same-origin")], [],
        ] {
            let browser = Browser()
            let answer = try await browser.post(
                server.issuer + "/account/login", [("username", "patient-a"), ("password", "demo")], headers: headers)
            #expect(answer.status == 303, "\(headers)")
            // Once somebody is signed in the form carries a secret of the session, and pages tell nobody anything.
            let home = try await browser.get(server.issuer + "/account")
            #expect(home["referrer-policy"] == "no-referrer")
            let sent = try await browser.post(
                server.issuer + "/account/end", Form(home.text).fields.filter { $0.0 == "csrf" } + [("grant", "none")],
                headers: [("origin", "null")])
            #expect(sent.status == 200, "\(headers)")
        }
    }

    @Test func `another person's access can be neither seen nor ended`() async throws {
        let token = try await TestApp(server: server).launch(as: "patient-b")
        let owner = try await signIn("patient-b")
        let grant = try #require(
            Form(try await owner.get(server.issuer + "/account").text).fields.first { $0.0 == "grant" })
        let other = try await signIn("patient-a")
        let page = try await other.get(server.issuer + "/account")
        #expect(!page.text.contains(grant.1))
        let csrf = try #require(page.text.split(separator: "name=\"csrf\" value=\"").dropFirst().first)
        let answer = try await other.post(
            server.issuer + "/account/end", [("csrf", String(csrf.prefix { $0 != "\"" })), grant])
        #expect(answer.status == 200)
        #expect(try await TestApp(server: server).fhir("/Patient/patient-b", token).status == 200)
    }

    @Test func `an access that is ended is over at once`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        #expect(try await app.fhir("/Patient/patient-a", token).status == 200)
        let browser = try await signIn("patient-a")
        var page = try await browser.get(server.issuer + "/account")
        #expect(page.text.contains("My Health Shelf"))
        while true {
            let fields = Form(page.text).fields
            guard fields.contains(where: { $0.0 == "grant" }) else { break }
            page = try await browser.post(server.issuer + "/account/end", fields)
            #expect(page.text.contains("The access has ended."))
        }
        #expect(try await app.fhir("/Patient/patient-a", token).status == 401)
        let refreshed = try await Browser().post(
            server.issuer + "/oauth/token",
            [
                ("grant_type", "refresh_token"), ("refresh_token", token["refresh_token"]?.string ?? ""),
                ("client_id", "demo-patient-app"),
            ])
        #expect(refreshed.status == 400)
    }

    @Test func `the report says who read what, when and under which permission`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        _ = try await app.fhir("/Condition?_count=3", token)
        _ = try await app.fhir("/Patient/patient-b", token)
        let page = try await signIn("patient-a").get(server.issuer + "/account/activity")
        #expect(page.text.contains("searched Condition"))
        #expect(page.text.contains("My Health Shelf (you)"))
        #expect(page.text.contains("patient/Condition.rs"))
        #expect(page.text.contains("Patient access"))
    }

    @Test func `a representative sees the child and nobody else`() async throws {
        _ = try await TestApp(server: server).launch(as: "parent-a")
        let browser = try await signIn("parent-a")
        let page = try await browser.get(server.issuer + "/account")
        #expect(page.text.contains("You act for <strong>Cleo Castellan"))
        let report = try await browser.get(server.issuer + "/account/activity?patient=patient-a")
        #expect(report.text.contains("Cleo Castellan"))
        #expect(!report.text.contains("Ana Rivera"))
    }

    @Test func `a person signs out another browser`() async throws {
        let other = try await signIn("patient-b")
        let browser = try await signIn("patient-b")
        let page = try await browser.get(server.issuer + "/account/sessions")
        let answer = try await browser.post(server.issuer + "/account/sessions/end", Form(page.text).fields)
        #expect(answer.text.contains("That browser is signed out."))
        // One of the other sessions is gone; the one that asked is not.
        #expect(try await browser.get(server.issuer + "/account").text.contains("Bernard Baptiste"))
        _ = other
    }

    @Test(arguments: [
        ("es-MX,en;q=0.5", nil, "Aplicaciones conectadas"), ("en", "es", "Aplicaciones conectadas"),
        ("fr", nil, "Connected apps"), ("es;q=0.2, en;q=0.9", nil, "Connected apps"),
    ])
    func `the pages speak English and Spanish`(_ accepted: String, _ asked: String?, _ heading: String) async throws {
        let browser = try await signIn("patient-a")
        let page = try await browser.get(
            server.issuer + "/account" + (asked.map { "?lang=\($0)" } ?? ""), headers: [("accept-language", accepted)])
        #expect(page.text.contains(heading))
        #expect(page.text.contains("<html lang=\"\(heading == "Connected apps" ? "en" : "es")\">"))
    }

    @Test func `every text stands in every language`() {
        let english = AccountTexts.texts(.english)
        let spanish = AccountTexts.texts(.spanish)
        #expect(Set(english.keys) == Set(spanish.keys))
        #expect(spanish.values.allSatisfy { !$0.isEmpty })
    }

    @Test(.verifies("oauth-attack@U-24"))
    func `names from records and directories are shown as text`() throws {
        let evil = "<img src=x onerror=alert(1)>\"'"
        let page = PatientPage(
            transaction: Secret("h"), clientName: evil, redirectURI: "https://app.example/cb",
            patients: [LinkedPatient(id: try #require(ResourceID("p")), label: evil)],
            search: PatientSearch(text: evil), next: evil, canSearch: true, acceptsAnyPatient: true, isStaff: true,
            hasProblem: true, uiLocales: [])
        let encounters = EncounterPage(
            transaction: Secret("h"), clientName: evil, redirectURI: "https://app.example/cb",
            patient: LinkedPatient(id: try #require(ResourceID("p")), label: evil),
            encounters: [.init(id: try #require(ResourceID("e")), label: evil)], hasProblem: false, uiLocales: [])
        let library = try PageLibrary()
        for html in [
            try library.render(PatientPageFacts(page, frame: PageFrame(isDemo: true, language: .english))),
            try library.render(EncounterPageFacts(encounters, frame: PageFrame(isDemo: true, language: .spanish))),
        ] {
            #expect(!html.contains("<img src=x"))
            #expect(html.contains("&lt;img src=x"))
        }
    }
}
