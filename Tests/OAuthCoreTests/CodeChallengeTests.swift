import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Proof keys` {
    static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    @Test(
        .verifies("oauth-attack@C-12"),
        arguments: [
            "", String(repeating: "a", count: 42), String(repeating: "a", count: 129),
            String(repeating: "a", count: 42) + "+", String(repeating: "a", count: 42) + "=",
            String(repeating: "a", count: 42) + " ", String(repeating: "a", count: 42) + "é",
        ])
    func `a verifier of wrong length or alphabet is none`(_ text: String) {
        #expect(CodeVerifier(text) == nil)
    }

    @Test(
        .verifies("oauth-attack@C-13"),
        arguments: [
            "", challenge + "=", challenge + "A", String(challenge.dropLast()), challenge.replacing("-", with: "+"),
            // The last character of 43 carries two bits that must be zero.
            String(challenge.dropLast()) + "N", String(repeating: "é", count: 21) + "a",
        ])
    func `a challenge that is not the one encoding of 32 bytes is none`(_ text: String) {
        #expect(CodeChallenge(text) == nil)
    }

    @Test(.verifies("oauth-attack@C-12"))
    func `sending the challenge as the verifier does not pass`() throws {
        let challenge = try #require(CodeChallenge(Self.challenge))
        let plain = try #require(CodeVerifier(Self.challenge))

        #expect(!challenge.isMet(by: plain))
    }

    @Test(.verifies("oauth-attack@C-10"))
    func `another verifier does not pass`() throws {
        let challenge = try #require(CodeChallenge(Self.challenge))
        let other = try #require(CodeVerifier(String(Self.verifier.dropLast()) + "l"))

        #expect(!challenge.isMet(by: other))
    }

    @Test func `agrees with RFC 7636 Appendix B`() throws {
        let challenge = try #require(CodeChallenge(Self.challenge))
        let verifier = try #require(CodeVerifier(Self.verifier))

        #expect(challenge.isMet(by: verifier))
        #expect(CodeChallenge(of: verifier) == challenge)
        #expect(challenge.text == Self.challenge)
    }

    @Test(arguments: [43, 64, 128])
    func `every length from 43 to 128 is a verifier`(_ length: Int) throws {
        let verifier = try #require(CodeVerifier(String(repeating: "a-._~Z9", count: 20).prefix(length).description))

        #expect(CodeChallenge(of: verifier).isMet(by: verifier))
    }
}
