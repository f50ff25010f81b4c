import OAuthCore
import RequirementTraits
import Testing

/// One-time passwords.
@Suite struct OneTimePasswordTests {
    private func key() throws -> OneTimePasswordKey {
        try #require(OneTimePasswordKey(Array("12345678901234567890".utf8)))
    }

    @Test(arguments: [0, 1, 10, 15])
    func `a key of less than 128 bits is none`(_ length: Int) {
        #expect(OneTimePasswordKey([UInt8](repeating: 1, count: length)) == nil)
    }

    @Test(arguments: ["", "28708", "2870822", "28708a", "２８７０８２", "000000", "-287082", "287082\n"])
    func `what is not a code of this moment is refused`(_ code: String) throws {
        #expect(try key().step(of: Secret(code), at: 59) == nil)
    }

    @Test(arguments: [(-31, false), (-30, true), (0, true), (29, true), (30, true), (59, true), (60, false)])
    func `a code is good for its step and one on either side`(_ seconds: Int64, _ isGood: Bool) throws {
        let key = try key()
        let start: Int64 = 1_800_000_000
        let code = Secret(key.code(at: OneTimePasswordKey.step(at: start)))
        #expect((key.step(of: code, at: start + seconds) == start / 30) == isGood)
    }

    /// RFC 4226 Appendix D.
    @Test(arguments: [
        (0, "755224"), (1, "287082"), (2, "359152"), (3, "969429"), (4, "338314"), (5, "254676"), (6, "287922"),
        (7, "162583"), (8, "399871"), (9, "520489"),
    ])
    func `counters give the codes of RFC 4226`(_ counter: Int64, _ code: String) throws {
        #expect(try key().code(at: counter) == code)
    }

    /// RFC 6238 Appendix B, SHA-1.
    @Test(arguments: [
        (59, "94287082"), (1_111_111_109, "07081804"), (1_111_111_111, "14050471"), (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"), (20_000_000_000, "65353130"),
    ])
    func `times give the codes of RFC 6238`(_ time: Int64, _ code: String) throws {
        #expect(try key().code(at: OneTimePasswordKey.step(at: time), digits: 8) == code)
    }

    /// RFC 4648 §10, without padding.
    @Test(arguments: [
        ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"),
        ("foobar", "MZXW6YTBOI"),
    ])
    func `base32 is that of RFC 4648`(_ text: String, _ encoded: String) {
        #expect(Base32.encode(Array(text.utf8)) == encoded)
    }

    @Test func `the address names issuer and account, escaped, and the key prints as nothing`() throws {
        let key = try key()
        #expect(
            key.address(issuer: "as.example:8443", account: "a b&c=d/é")
                == "otpauth://totp/as.example%3A8443:a%20b%26c%3Dd%2F%C3%A9?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
                + "&issuer=as.example%3A8443&algorithm=SHA1&digits=6&period=30")
        #expect("\(key)" == "<redacted>")
    }
}
