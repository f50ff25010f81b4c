import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// The one tolerance for clocks, for every time that somebody else writes (S-13).
@Suite struct ClockSkewTests {
    private static let now: Int64 = 1_800_000_000
    /// How far a time is off, and whether that is tolerated.
    static let offsets: [(Int64, Bool)] = [(0, true), (30, true), (31, false), (300, false)]

    private static func assertion(_ changes: [String: JSONValue]) throws -> Bool {
        var claims: [String: JSONValue] = [
            "iss": "app", "sub": "app", "aud": "https://as.example/oauth/token", "jti": "j", "exp": .int(now + 60),
        ]
        claims.merge(changes) { $1 }
        let text = try JWS.sign(
            .object(claims.sorted { $0.key < $1.key }.map { JSONMemberValue($0.key, $0.value) }), type: "JWT",
            with: TestKeys.es384)
        let rules = ClientAssertion.Rules(audiences: ["https://as.example/oauth/token"])
        do {
            _ = try ClientAssertion(
                UnverifiedJWT(parsing: text), from: ClientID("app"), keys: JWKSet([TestKeys.es384.publicKey]),
                rules: rules,
                now: now)
            return true
        } catch { return false }
    }

    @Test(.verifies("oauth-attack@S-13"), arguments: offsets)
    func `times of client assertions`(_ offset: Int64, _ isTolerated: Bool) throws {
        // Over for that long, made that far ahead, and living that much too long.
        #expect(try Self.assertion(["exp": .int(Self.now + 1 - offset)]) == isTolerated)
        #expect(try Self.assertion(["iat": .int(Self.now + offset)]) == isTolerated)
        #expect(try Self.assertion(["nbf": .int(Self.now + offset)]) == isTolerated)
        #expect(try Self.assertion(["exp": .int(Self.now + 300 + offset)]) == isTolerated)
    }

    private static func accessToken(_ changes: [String: JSONValue]) throws -> Bool {
        var claims: [String: JSONValue] = [
            "iss": "https://as.example", "aud": "https://as.example/fhir", "sub": "member", "client_id": "app",
            "scope": "patient/*.rs", "jti": "t1", "iat": .int(now - 10), "exp": .int(now + 600), "grant": "g1",
            "program": "patient-access", "patient": "pA",
        ]
        claims.merge(changes) { $1 }
        let json = JSONValue.object(claims.sorted { $0.key < $1.key }.map { JSONMemberValue($0.key, $0.value) })
        do {
            _ = try AccessTokenClaims(
                kept: json, expecting: .init(issuer: "https://as.example", audience: "https://as.example/fhir"),
                now: now)
            return true
        } catch { return false }
    }

    @Test(.verifies("oauth-attack@S-13"), arguments: offsets)
    func `times of access tokens, whose end is never stretched`(_ offset: Int64, _ isTolerated: Bool) throws {
        #expect(try Self.accessToken(["iat": .int(Self.now + offset)]) == isTolerated)
        #expect(try Self.accessToken(["nbf": .int(Self.now + offset)]) == isTolerated)
        #expect(try !Self.accessToken(["exp": .int(Self.now - offset)]))
        #expect(try Self.accessToken(["exp": .int(Self.now + 1)]))
    }

    @Test(.verifies("oauth-attack@S-13"), arguments: offsets)
    func `times of proofs`(_ offset: Int64, _ isTolerated: Bool) throws {
        let key = try PrivateJWK.generate(.es256)
        func check(_ issuedAt: Int64) throws -> Bool {
            let text = try ProofKey.sign(
                header: ["typ": "dpop+jwt", "alg": "ES256", "jwk": try ProofKey.publicJWK(of: key)],
                claims: ["jti": "p", "htm": "POST", "htu": "https://as.example/x", "iat": .int(issuedAt)], with: key)
            do {
                _ = try DPoPProof(text, for: .init(method: "POST", address: "https://as.example/x"), now: Self.now)
                return true
            } catch { return false }
        }

        #expect(try check(Self.now + offset) == isTolerated)
        // A proof lives for a minute; the tolerance comes on top of that.
        #expect(try check(Self.now - DPoPProof.longestAge + 1 - offset) == isTolerated)
    }

    @Test(.verifies("oauth-attack@S-13"))
    func `there is one tolerance`() {
        #expect(ClientAssertion.Rules(audiences: []).skew == ClockSkew.tolerated)
        #expect(AccessTokenClaims.Expectation(issuer: "", audience: "").skew == ClockSkew.tolerated)
        #expect(DPoPProof.skew == ClockSkew.tolerated)
        #expect(ClaimMapping(issuer: "", audience: "", program: .general).skew == ClockSkew.tolerated)
        #expect(ClockSkew.tolerated == 30)
    }
}
