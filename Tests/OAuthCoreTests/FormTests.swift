import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Forms` {
    @Test(
        .verifies("oauth-attack@S-07"),
        arguments: [
            "a=%zz", "a=%4", "a=%", "%=1", "a=%C3%28", "a=%C0%AF", "a=%ED%A0%80", "a=\u{E9}", "a=1;b=2", "a=b c",
            "a=\n",
            "a=\u{0}", "=1", "a=1&=2",
        ])
    func `malformed escapes, invalid UTF-8, raw separators and nameless values are refused`(_ text: String) throws {
        let error = try #require(refusal(OAuthError.self) { try FormParameters(parsing: text) })

        #expect(error.code == .invalidRequest)
    }

    @Test(arguments: ["a=1&a=2", "a=1&b=2&a=1", "a&a", "a=&a=1", "%61=1&a=2"])
    func `a parameter that comes twice refuses the form, however it is spelt`(_ text: String) {
        #expect(refusal(OAuthError.self) { try FormParameters(parsing: text) }?.code == .invalidRequest)
    }

    @Test func `a noted repetition takes the value away`() throws {
        let form = try FormParameters(parsing: "a=1&b=2&a=3", repetition: .noted)

        #expect(form["a"] == nil)
        #expect(form["b"] == "2")
        #expect(form.repeated == ["a"])
        #expect(form.names == ["a", "b"])
    }

    @Test func `too many, too long and too large are refused`() {
        var limits = FormParameters.Limits()
        limits.maxParameters = 2
        limits.maxValueBytes = 3
        limits.maxBytes = 20

        #expect(throws: OAuthError.self) { try FormParameters(parsing: "a=1&b=2&c=3", limits: limits) }
        #expect(throws: OAuthError.self) { try FormParameters(parsing: "a=1234", limits: limits) }
        #expect(throws: OAuthError.self) { try FormParameters(parsing: "a=1&bbbbbbbbbbbbbbbbbb=1", limits: limits) }
        #expect(throws: OAuthError.self) {
            try FormParameters(parsing: String(repeating: "a", count: 129) + "=1")
        }
        #expect(throws: Never.self) { try FormParameters(parsing: "a=123&b=1", limits: limits) }
    }

    @Test func `a value that is missing counts as omitted`() throws {
        let form = try form("a=&b&c=1")

        #expect(form["a"] == nil)
        #expect(form["b"] == nil)
        #expect(form["c"] == "1")
        #expect(form["d"] == nil)
    }

    @Test func `plus and percent-twenty are blanks, and an escaped plus is a plus`() throws {
        let form = try form("scope=a+b%20c%2Bd&state=x%3D%26%0D%0A%22&e=1=2&u=%C3%A9")

        #expect(form["scope"] == "a b c+d")
        #expect(form["state"] == "x=&\r\n\"")
        #expect(form["e"] == "1=2")
        #expect(form["u"] == "é")
    }

    @Test(arguments: ["", "abc-._~", "a b&c=d", "é\u{0}\r\n\"<>%+", "😀"])
    func `what we encode is read back`(_ text: String) throws {
        let form = try form("v=\(FormParameters.encode(text))&w=1")

        #expect((form["v"] ?? "") == text)
    }
}

@Suite struct `Basic credentials` {
    @Test(
        .verifies("oauth-attack@A-30"),
        arguments: [
            "", "Basic", "Basic ", "Basic  ", "Bearer czZCaGRSa3F0MzpnWDFmQmF0M2JW", "Basic czZCaGRSa3F0Mw==",
            "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW=", "Basic czZCaGRSa3F0MzpnWDFmQmF0M2J", "Basic !!!!",
            "Basic " + Base64.encode(Array("id:%zz".utf8)), "Basic " + Base64.encode(Array("id:%00x".utf8)),
            "Basic " + Base64.encode(Array("id:se\u{0}cret".utf8)), "Basic " + Base64.encode(Array("i\u{E9}:x".utf8)),
            "Basic " + Base64.encode(Array(":secret".utf8)), "Basic " + Base64.encode([0xFF, 0x3A, 0x61]),
            "Basic " + Base64.encode(Array("a:\(String(repeating: "b", count: 5000))".utf8)),
        ])
    func `malformed headers are refused`(_ header: String) {
        #expect(BasicCredentials(headerValue: header) == nil)
    }

    @Test(.verifies("oauth-attack@A-29"))
    func `an empty secret is no secret`() {
        #expect(BasicCredentials(headerValue: "Basic " + Base64.encode(Array("id:".utf8))) == nil)
    }

    @Test func `reads the example of RFC 6749`() throws {
        let credentials = try #require(BasicCredentials(headerValue: "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"))

        #expect(credentials.clientID == "s6BhdRkqt3")
        #expect(credentials.secret.reveal() == "gX1fBat3bV")
    }

    @Test func `undoes the form encoding, and later colons belong to the secret`() throws {
        let credentials = try #require(
            BasicCredentials(headerValue: "bAsIc " + Base64.encode(Array("my%3Aid+1:a:b%25%2B".utf8))))

        #expect(credentials.clientID == "my:id 1")
        #expect(credentials.secret.reveal() == "a:b%+")
    }
}
