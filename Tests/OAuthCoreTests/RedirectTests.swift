import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Redirect URIs at registration` {
    static let web = RedirectURI.Rules(isNative: false)
    static let native = RedirectURI.Rules(isNative: true)

    static func code(_ text: String, _ rules: RedirectURI.Rules) -> OAuthError.Code? {
        refusal(OAuthError.self) { try RedirectURI(text, rules: rules) }?.code
    }

    @Test(
        .verifies("oauth-attack@R-16"),
        arguments: [
            "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "data:text/html,x",
            "blob:https://a/b",
            "file:///etc/passwd", "about:blank", "vbscript:x", "intent:x", "content:x", "HTTPS://app.example.com/cb",
            "java\tscript:alert(1)", "ftp://app.example.com/cb", "x:/cb", "myapp://cb", ".com:/cb", "com.:/cb",
            "com..app:/cb", "1com.app:/cb", "mailto:a@b.example", "com.app:cb", "view-source:https://a.example",
        ])
    func `dangerous and ownerless schemes are refused`(_ text: String) {
        #expect(Self.code(text, Self.native) == .invalidRedirectURI)
        #expect(Self.code(text, Self.web) == .invalidRedirectURI)
    }

    @Test(
        .verifies("oauth-attack@R-17"),
        arguments: [
            "https://*.example.com/cb", "https://x.example.com/*", "https://x.example.com/cb?*", "*", "https://*",
        ])
    func `wildcards are refused`(_ text: String) {
        #expect(Self.code(text, Self.web) == .invalidRedirectURI)
    }

    @Test(
        .verifies("oauth-attack@R-06"),
        arguments: ["https://app.example.com/cb#f", "https://app.example.com/cb#", "com.example.app:/cb#f"])
    func `fragments are refused`(_ text: String) {
        #expect(Self.code(text, Self.native) == .invalidRedirectURI)
    }

    @Test(
        .verifies("oauth-attack@R-08"),
        arguments: [
            "https://app.example.com@evil.test/cb", "https://u:p@app.example.com/cb", "https://@app.example.com/cb",
        ])
    func `user information is refused`(_ text: String) {
        #expect(Self.code(text, Self.web) == .invalidRedirectURI)
    }

    @Test(
        .verifies("oauth-attack@R-03"),
        arguments: [
            "https://app.example.com/cb/../evil", "https://app.example.com/cb/%2e%2e%2fevil",
            "https://app.example.com/..;/x",
            "https://app.example.com/./cb", "https://app.example.com/cb%5c..", "https://app.example.com/%00",
            "com.example.app:/../x",
        ])
    func `dot segments and encoded separators are refused`(_ text: String) {
        #expect(Self.code(text, Self.native) == .invalidRedirectURI)
    }

    @Test(
        .verifies("oauth-attack@R-09", "oauth-attack@R-12"),
        arguments: [
            "https://app.example.com\\@evil.test/", "https://app.example.com/\tcb", "https://app.example.com/\r\nX: y",
            "https://app.example.com/\u{0}", "https://\u{430}pp.example.com/cb", "https://app.example.com/é",
            "https://app.example.com/ cb",
            "https://app.example.com/<x>", "https://app.example.com/\"x\"", "https://app.example.com/`x`",
        ])
    func `characters that readers treat differently are refused`(_ text: String) {
        #expect(Self.code(text, Self.web) == .invalidRedirectURI)
    }

    @Test(arguments: [
        "", "/cb", "//app.example.com/cb", "app.example.com/cb", "https:/app.example.com/cb", "https:app.example.com",
        "https:///cb", "https://:443/cb", "https://app.example.com:0/cb", "https://app.example.com:65536/cb",
        "https://app.example.com:/cb", "https://app.example.com:08/cb", "https://app.example.com:x/cb",
        "https://-a.example/cb",
        "https://a..example/cb", "https://app.example.com./cb", "https://10.0.0.1/cb", "https://2130706433/cb",
        "https://0x7f000001/cb", "https://[::ffff:127.0.0.1]/cb", "https://a_b.example/cb",
        "https://a.example/" + String(repeating: "a", count: 2000),
    ])
    func `what is not an absolute address on a named host is refused`(_ text: String) {
        #expect(Self.code(text, Self.web) == .invalidRedirectURI)
    }

    @Test(
        .verifies("oauth-attack@R-14"),
        arguments: [
            "http://localhost/cb", "http://127.1/cb", "http://2130706433/cb", "http://[::ffff:127.0.0.1]/cb",
            "http://127.0.0.2/cb", "http://0.0.0.0/cb", "http://localhost.evil.test/cb",
            "http://127.0.0.1.evil.test/cb",
            "http://[::1/cb", "http://[0:0:0:0:0:0:0:1]/cb", "http://LOCALHOST/cb",
        ])
    func `look-alikes of the loopback address are refused, also for native clients`(_ text: String) {
        #expect(Self.code(text, Self.native) == .invalidRedirectURI)
    }

    @Test(arguments: [
        "http://127.0.0.1/cb", "http://[::1]:8765/cb", "com.example.app:/cb", "http://app.example.com/cb",
    ])
    func `a web client may not use what only native ones can`(_ text: String) {
        #expect(Self.code(text, Self.web) == .invalidRedirectURI)
    }

    @Test(arguments: ["http://localhost:8083/cb", "http://127.0.0.1:8083/cb"])
    func `a demonstration may use loopback, but no other plain address`(_ text: String) {
        let demonstration = RedirectURI.Rules(isNative: false, isDemonstration: true)

        #expect(Self.code(text, demonstration) == nil)
        #expect(Self.code("http://app.example.com/cb", demonstration) == .invalidRedirectURI)
    }

    @Test(arguments: [
        "https://app.example.com/cb", "https://app.example.com:8443/cb?a=1&b=2", "https://App.Example.com",
        "https://xn--pp-6kc.example/cb",
        "http://127.0.0.1/cb", "http://[::1]:8765/cb", "com.example.app:/oauth/cb", "com.example.app://cb",
    ])
    func `proper addresses are kept as they came`(_ text: String) throws {
        #expect(try RedirectURI(text, rules: Self.native).text == text)
    }
}

@Suite struct `Redirect matching` {
    static func matches(_ requested: String, _ registered: String, native: Bool = false) throws -> Bool {
        let uri = try RedirectURI(registered, rules: .init(isNative: native))
        return ValidatedRedirect(requested: requested, registered: [uri], clientIsNative: native) != nil
    }

    @Test(
        .verifies(
            "oauth-attack@R-03", "oauth-attack@R-05", "oauth-attack@R-06", "oauth-attack@R-07", "oauth-attack@R-08",
            "oauth-attack@R-09",
            "oauth-attack@R-10", "oauth-attack@R-11", "oauth-attack@R-12"),
        arguments: [
            "https://app.example.com/cb/../evil", "https://app.example.com/cb/%2e%2e%2fevil",
            "https://app.example.com/cb/..;/",
            "https://app.example.com/cb?a=1", "https://app.example.com/cb#f", "https://app.example.com.evil.test/cb",
            "https://evil-app.example.com/cb", "https://app.example.com@evil.test/cb",
            "https://evil.test/https://app.example.com/cb",
            "https://app.example.com\\@evil.test/cb", "https://app.example.com/cb\n", "https://app.example.com/cb\u{0}",
            "https://app.example.com/cb%00", "https://app.example.com/cb%0d%0aX:y", "HTTPS://app.example.com/cb",
            "https://APP.example.com/cb", "https://app.example.com/CB", "https://app.example.com/cb/",
            "https://app.example.com:443/cb",
            "https://app.example.com./cb", "https://\u{430}pp.example.com/cb", "https://xn--pp-6kc.example.com/cb",
            "http://app.example.com/cb", "https://app.example.com/c%62", "https://app.example.com/cb2",
            "https://app.example.com/c",
            " https://app.example.com/cb", "", "//app.example.com/cb", "https://app.example.com/cb?",
        ])
    func `nothing but the registered bytes match`(_ requested: String) throws {
        #expect(try !Self.matches(requested, "https://app.example.com/cb"))
        #expect(try !Self.matches(requested, "https://app.example.com/cb", native: true))
    }

    @Test(.verifies("oauth-attack@R-05"), arguments: ["?b=2&a=1", "?a=1", "?a=1&b=3", "?a=1&b=2&c=3", ""])
    func `a registered query must come as it was registered`(_ query: String) throws {
        #expect(try !Self.matches("https://app.example.com/cb" + query, "https://app.example.com/cb?a=1&b=2"))
    }

    @Test(arguments: ["https://app.example.com/caf\u{E9}", "https://app.example.com/cafe\u{301}"])
    func `texts that are equal only in Unicode do not match`(_ requested: String) throws {
        #expect(try !Self.matches(requested, "https://app.example.com/cafe"))
    }

    @Test(
        .verifies("oauth-attack@R-13"),
        arguments: [
            "http://127.0.0.1:51234/cb", "http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb",
        ])
    func `a native client may use any port of its loopback address`(_ requested: String) throws {
        #expect(try Self.matches(requested, "http://127.0.0.1/cb", native: true))
        #expect(try Self.matches(requested, "http://127.0.0.1:8765/cb", native: true))
        #expect(try Self.matches(requested.replacing("127.0.0.1", with: "[::1]"), "http://[::1]/cb", native: true))
    }

    @Test(
        .verifies("oauth-attack@R-14", "oauth-attack@R-35"),
        arguments: [
            "http://localhost:51234/cb", "http://127.1:51234/cb", "http://2130706433/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://[::1]:51234/cb", "http://127.0.0.1:51234/evil", "http://127.0.0.1:51234/cb?x=1",
            "http://127.0.0.1:51234/cb#f",
            "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:051/cb",
            "http://127.0.0.1:51234@evil.test/cb", "http://127.0.0.1.evil.test/cb", "http://127.0.0.1:+80/cb",
            "http://127.0.0.1:8\u{0661}/cb", "https://127.0.0.1:51234/cb", "http://127.0.0.1:51234//cb",
            "http://127.0.0.1:51234\\cb",
            "http://127.0.0.1:51234:1/cb", "http://127.0.0.1 :5/cb",
        ])
    func `only the port of the very same address may differ`(_ requested: String) throws {
        #expect(try !Self.matches(requested, "http://127.0.0.1/cb", native: true))
    }

    @Test(.verifies("oauth-attack@R-35"))
    func `a web client gains no loopback address`() throws {
        #expect(try !Self.matches("http://127.0.0.1:51234/cb", "https://app.example.com/cb", native: false))
        // Registered in a demonstration by a client that is not native: exact only.
        let uri = try RedirectURI("http://127.0.0.1:8083/cb", rules: .init(isNative: false, isDemonstration: true))
        #expect(ValidatedRedirect(requested: "http://127.0.0.1:9/cb", registered: [uri], clientIsNative: false) == nil)
        #expect(
            ValidatedRedirect(requested: "http://127.0.0.1:8083/cb", registered: [uri], clientIsNative: false) != nil)
    }

    @Test func `localhost never gets another port`() throws {
        let uri = try RedirectURI("http://localhost:8083/cb", rules: .init(isNative: true, isDemonstration: true))

        #expect(ValidatedRedirect(requested: "http://localhost:9/cb", registered: [uri], clientIsNative: true) == nil)
    }

    @Test(
        .verifies("oauth-attack@U-26", "oauth-attack@R-36"),
        arguments: [
            ("https://a.example/cb", "https://a.example/cb?s=x%0D%0A%22%26%3D%23"),
            ("https://a.example/cb?", "https://a.example/cb?s=x%0D%0A%22%26%3D%23"),
            ("https://a.example/cb?a=1", "https://a.example/cb?a=1&s=x%0D%0A%22%26%3D%23"),
        ])
    func `answers are added to the query with every character escaped`(_ uri: String, _ expected: String) {
        #expect(ValidatedRedirect(uri: uri).location(adding: [("s", "x\r\n\"&=#")]) == expected)
    }
}
