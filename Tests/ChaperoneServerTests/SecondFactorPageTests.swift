import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Second factors and languages as a browser sees them.
@Suite(.demoServer) struct SecondFactorPageTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    // MARK: - moves

    private func signIn(_ user: String, _ browser: Browser = Browser()) async throws -> Answer {
        try await browser.post(server.issuer + "/account/login", [("username", user), ("password", "demo")])
    }

    private func csrf(_ html: String) throws -> (String, String) {
        let value = try #require(html.split(separator: "name=\"csrf\" value=\"").dropFirst().first)
        return ("csrf", String(value.prefix { $0 != "\"" }))
    }

    private func key(on html: String) throws -> OneTimePasswordKey {
        let text = try #require(html.split(separator: "id=\"totp-key\">").dropFirst().first).prefix { $0 != "<" }
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        var bits: [UInt8] = []
        for letter in text where letter != " " {
            let value = UInt8(try #require(alphabet.firstIndex(of: letter)))
            for shift in stride(from: UInt8(4), through: 0, by: -1) { bits.append((value >> shift) & 1) }
        }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: bits.count - 7, by: 8) {
            bytes.append(bits[start..<start + 8].reduce(UInt8(0)) { $0 * 2 + $1 })
        }
        return try #require(OneTimePasswordKey(bytes))
    }

    /// Sets a factor up on the account pages.
    private func enrol(_ user: String) async throws -> OneTimePasswordKey {
        let browser = Browser()
        #expect(try await signIn(user, browser).status == 303)
        let page = try await browser.get(server.issuer + "/account/security")
        let begun = try await browser.post(
            server.issuer + "/account/security/begin", [try csrf(page.text), ("password", "demo")])
        #expect(begun.text.contains("<svg class=\"qr\""))
        #expect(begun.text.contains("otpauth://totp/"))
        let key = try key(on: begun.text)
        let wrong = try await browser.post(
            server.issuer + "/account/security/confirm", [try csrf(begun.text), ("code", "000000")])
        #expect(wrong.status == 400)
        #expect(try self.key(on: wrong.text).bytes == key.bytes)
        let step = OneTimePasswordKey.step(at: Clock.system.now())
        let done = try await browser.post(
            server.issuer + "/account/security/confirm", [try csrf(wrong.text), ("code", key.code(at: step))])
        #expect(done.status == 200)
        #expect(done.text.split(separator: "<li><code>").count == 11)
        let after = try await browser.get(server.issuer + "/account/security")
        #expect(after.text.contains("id=\"codes-left\">10<"))
        return key
    }

    /// The code that is good next, given that the one of this moment was used.
    private func next(_ key: OneTimePasswordKey) -> String {
        key.code(at: OneTimePasswordKey.step(at: Clock.system.now()) + 1)
    }

    // MARK: - second factors

    @Test(.verifies("oauth-attack@U-21"))
    func `two browsers that set a factor up are shown keys of their own, and the first one is told`() async throws {
        var begun: [(browser: Browser, page: Answer)] = []
        for _ in 0..<2 {
            let browser = Browser()
            #expect(try await signIn("steward-b", browser).status == 303)
            let page = try await browser.get(server.issuer + "/account/security")
            begun.append(
                (
                    browser,
                    try await browser.post(
                        server.issuer + "/account/security/begin", [try csrf(page.text), ("password", "demo")])
                ))
        }
        let keys = try begun.map { try key(on: $0.page.text) }
        #expect(keys[0].bytes != keys[1].bytes)
        let step = OneTimePasswordKey.step(at: Clock.system.now())
        for key in keys {
            let told = try await begun[0].browser.post(
                server.issuer + "/account/security/confirm",
                [try csrf(begun[0].page.text), ("code", key.code(at: step))])
            #expect(told.status == 400)
            #expect(told.text.contains("That has changed meanwhile."))
            #expect(!told.text.contains("totp-key"), "nothing of the other one's is shown")
            #expect(told.text.contains("action=\"/account/security/begin\""))
        }
    }

    @Test(
        .verifies("oauth-attack@U-21"),
        arguments: ["/account", "/account/activity", "/account/sessions", "/account/security"])
    func `a password alone shows nothing of the account`(_ path: String) async throws {
        let name = path.replacing("/", with: "-")
        _ = try await enrol(name, adding: true)
        let browser = Browser()
        let half = try await signIn(name, browser)
        #expect(half["location"] == "/account/login/code")
        let page = try await browser.get(server.issuer + path)
        #expect(page.text.contains("name=\"password\""))
        #expect(!page.text.contains("/account/sign-out"))
    }

    /// An account of this test's own, with a factor.
    private func enrol(_ user: String, adding: Bool) async throws -> OneTimePasswordKey {
        let answer = try await Browser().send(
            .POST, server.admin + "/admin/v1/users",
            headers: [
                ("authorization", "Basic " + Base64.encode("admin-a:demo".utf8)), ("content-type", "application/json"),
            ], body: #"{"username":"\#(user)","password":"demo","roles":["auditor"],"patients":["patient-a"]}"#)
        #expect(answer.status == 200, "\(answer.text)")
        return try await enrol(user)
    }

    @Test func `the code finishes the login, on the account pages and in a launch`() async throws {
        let key = try await enrol("two-steps", adding: true)
        let app = TestApp(server: server)
        let asked = try await app.consentPage(as: "two-steps")
        #expect(asked.text.contains("action=\"/login/code\""))
        let consent = try await app.follow(
            try await app.browser.post(
                server.issuer + "/login/code", Form(asked.text).fields + [("code", next(key))]))
        #expect(consent.text.contains("name=\"decision\""), "\(consent.text)")
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `the admin side asks for the code behind the password`() async throws {
        let key = try await enrol("audit-two", adding: true)
        func ask(_ password: String) async throws -> Answer {
            try await Browser().get(
                server.admin + "/admin/v1/audit?limit=1",
                headers: [("authorization", "Basic " + Base64.encode("audit-two:\(password)".utf8))])
        }
        #expect(try await ask("demo").status == 401)
        #expect(try await ask("demo000000").status == 401)
        let code = next(key)
        #expect(try await ask("wrong\(code)").status == 401)
        #expect(try await ask("demo\(code)").status == 200)
        // Remembered, for the code itself is used up.
        #expect(try await ask("demo\(code)").status == 200)
    }

    @Test func `an operator removes the factor of somebody who has lost it`() async throws {
        _ = try await enrol("lost", adding: true)
        func remove(as user: String) async throws -> Answer {
            try await Browser().send(
                .POST, server.admin + "/admin/v1/users/lost/remove-second-factor",
                headers: [
                    ("authorization", "Basic " + Base64.encode("\(user):demo".utf8)),
                    ("content-type", "application/json"),
                ], body: "{}")
        }
        #expect(try await remove(as: "auditor-a").status == 403)
        #expect(try await remove(as: "admin-a").status == 200)
        #expect(try await remove(as: "admin-a").status == 409)
        #expect(try await signIn("lost")["location"] == "/account")
    }

    @Test(.verifies("oauth-attack@U-01"), arguments: ["begin", "confirm", "renew", "remove"])
    func `nothing about factors is changed without the page's own token`(_ path: String) async throws {
        let browser = Browser()
        _ = try await signIn("patient-b", browser)
        let answer = try await browser.post(
            server.issuer + "/account/security/\(path)", [("password", "demo"), ("code", "000000")])
        #expect(answer.status == 400)
        #expect(!answer.text.contains("totp-key"))
    }

    // MARK: - nobody learns who has an account

    @Test(.verifies("oauth-attack@U-22"), arguments: ["/account/login", "/login"])
    func `an unknown name, a wrong password and a second factor read the same`(_ path: String) async throws {
        _ = try await enrol("guarded\(path.count)", adding: true)
        var faces: Set<String> = []
        for user in ["patient-a", "nobody-at-all", "guarded\(path.count)", "patient-a\u{0}"] {
            let app = TestApp(server: server)
            var fields: [(String, String)] = []
            if path == "/login" {
                fields = Form(try await app.follow(try await app.browser.get(app.authorizeURL())).text).fields
            }
            let answer = try await app.browser.post(
                server.issuer + path, fields + [("username", user), ("password", "wrong")])
            #expect(answer.status == 400)
            let handle = fields.first { $0.0 == "launch" }?.1 ?? "no handle"
            let shown = user.replacing("\u{0}", with: "")
            faces.insert(
                answer.text.replacing(handle, with: "").replacing("value=\"\(user)\"", with: "")
                    .replacing("value=\"\(shown)\"", with: ""))
        }
        #expect(faces.count == 1)
    }

    @Test(
        .verifies("oauth-attack@U-22"),
        arguments: ["/register", "/account/register", "/reset", "/account/reset", "/forgot"])
    func `nobody registers or resets a password by a page, so no page tells who is there`(_ path: String) async throws {
        #expect(try await Browser().get(server.issuer + path).status == 404)
        #expect(try await Browser().post(server.issuer + path, [("username", "patient-a")]).status == 404)
    }

    // MARK: - languages

    @Test func `a launch speaks the language that its app asks for, on every page`() async throws {
        let app = TestApp(server: server)
        let url = app.authorizeURL(app.parameters() + [("ui_locales", "fr es-ES")])
        let login = try await app.follow(try await app.browser.get(url))
        #expect(login.text.contains("<html lang=\"es\">"))
        #expect(login.text.contains(">Iniciar sesión<"))
        let consent = try await app.follow(
            try await app.browser.post(
                server.issuer + "/login",
                Form(login.text).fields + [("username", "patient-a"), ("password", "demo")]))
        #expect(consent.text.contains("¿Permitir que"))
        #expect(consent.text.contains("Conservar este acceso"))
        #expect(consent.text.contains("resultados de laboratorio"))
        for english in PageTexts.texts(.english).values where english.count > 12 && english.contains(" ") {
            #expect(!consent.text.contains(english), "\(english)")
            #expect(!login.text.contains(english), "\(english)")
        }
    }

    @Test func `the person's choice sticks, above what an app asks for`() async throws {
        let app = TestApp(server: server)
        let url = app.authorizeURL(app.parameters() + [("ui_locales", "es")])
        let login = try await app.follow(try await app.browser.get(url))
        let handle = try #require(Form(login.text).fields.first { $0.0 == "launch" }?.1)
        #expect(login.text.contains("?launch=\(handle)&amp;lang=en"))
        let english = try await app.browser.get("\(server.issuer)/login?launch=\(handle)&lang=en")
        #expect(english.text.contains("<html lang=\"en\">"))
        let consent = try await app.follow(
            try await app.browser.post(
                server.issuer + "/login",
                Form(english.text).fields + [("username", "patient-a"), ("password", "demo")]))
        #expect(consent.text.contains("<html lang=\"en\">"))
    }

    @Test(arguments: [
        ("/", 200), ("/nothing-here", 404), ("/oauth/logout", 200), ("/oauth/authorize?client_id=x", 400),
        ("/login?launch=unknown", 400),
    ])
    func `pages outside a launch follow the browser`(_ path: String, _ status: Int) async throws {
        let answer = try await Browser().get(server.issuer + path, headers: [("accept-language", "es-MX, en;q=0.2")])
        #expect(answer.status == status)
        #expect(answer.text.contains("<html lang=\"es\">"))
        for english in PageTexts.texts(.english).values where english.count > 12 && english.contains(" ") {
            #expect(!answer.text.contains(english), "\(english)")
        }
    }
}
