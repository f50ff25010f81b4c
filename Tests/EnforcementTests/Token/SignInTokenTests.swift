import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// Tokens count as long as the sign-in behind them is enough; what is known of it is asked once for each token.
@Suite(.underMutation) struct SignInTokenTests {
    private static let issuer = "https://gw.example"
    private static let base = "https://gw.example/fhir"
    private let key: PrivateJWK

    init() throws { key = try PrivateJWK.generate(.es256, keyID: "k1") }

    /// What is known of sign-ins, which a test changes, and how often it was asked. A class for its state.
    private final class SignIns: Sendable {
        private let state: Mutex<(status: AccessTokenVerifier.SignInStatus, asked: Int)>
        init(_ status: AccessTokenVerifier.SignInStatus) { state = Mutex((status, 0)) }
        var asked: Int { state.withLock { $0.asked } }
        func say(_ status: AccessTokenVerifier.SignInStatus) { state.withLock { $0.status = status } }
        func ask() -> AccessTokenVerifier.SignInStatus {
            state.withLock { state in
                state.asked += 1
                return state.status
            }
        }
    }

    private func verifier(
        _ signIns: SignIns, _ revocation: AccessTokenVerifier.RevocationStatus = .active
    ) -> AccessTokenVerifier {
        let set = JWKSet([key.publicKey])
        return AccessTokenVerifier(
            expectation: .init(issuer: Self.issuer, audience: Self.base), keys: { set },
            signIn: { _ in signIns.ask() }, revocation: { _ in revocation })
    }

    private func token(_ id: String = "t1") throws -> String {
        let claims: JSONValue = [
            "iss": .string(Self.issuer), "aud": .string(Self.base), "sub": "member", "client_id": "app",
            "scope": "patient/*.rs", "jti": .string(id), "iat": 1_000, "exp": 2_000, "grant": "g1",
            "program": "patient-access", "patient": "pA",
        ]
        return try JWS.sign(claims, type: "at+jwt", with: key)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"))
    func `a token whose sign-in is too weak is refused each time, and asked about once`() throws {
        let signIns = SignIns(.tooWeak)
        let verifier = verifier(signIns)
        let token = try token()
        for _ in 0..<5 { #expect(verifier.verify(token, now: 1_500) == .failure(.signInTooWeak)) }
        #expect(signIns.asked == 1)
        #expect(verifier.claimed(by: .token(token), now: 1_500) == nil)
        #expect(verifier.verify(try self.token("t2"), now: 1_500) == .failure(.signInTooWeak))
        #expect(signIns.asked == 2)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"))
    func `a token whose sign-in cannot be told is refused, and asked about again`() throws {
        let signIns = SignIns(.unknown)
        let verifier = verifier(signIns)
        let token = try token()
        #expect(verifier.verify(token, now: 1_500) == .failure(.signInUnknown))
        signIns.say(.enough)
        #expect(throws: Never.self) { try verifier.verify(token, now: 1_500).get() }
        #expect(signIns.asked == 2)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"))
    func `what is judged by has changed, so that every token is asked about anew`() throws {
        let signIns = SignIns(.enough)
        let verifier = verifier(signIns)
        let token = try token()
        for _ in 0..<5 { _ = try verifier.verify(token, now: 1_500).get() }
        #expect(signIns.asked == 1)
        signIns.say(.tooWeak)
        verifier.forgetAll()
        #expect(verifier.verify(token, now: 1_500) == .failure(.signInTooWeak))
        signIns.say(.enough)
        verifier.forgetAll()
        _ = try verifier.verify(token, now: 1_500).get()
        #expect(signIns.asked == 3)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS")) func `nothing is asked about a token that is over, ended or nobody's`()
        throws
    {
        let signIns = SignIns(.enough)
        #expect(verifier(signIns, .revoked).verify(try token(), now: 1_500) == .failure(.revoked))
        #expect(verifier(signIns).verify(try token(), now: 2_000) == .failure(.expired))
        #expect(verifier(signIns).verify(try token() + "A", now: 1_500) == .failure(.badSignature))
        #expect(signIns.asked == 0)
    }

    /// RFC 6750 §3.1: the same face as every token that is good no longer, so that the app asks the person again.
    @Test(.verifies("house@ASSURANCE-TOKENS"), arguments: [TokenRefusal.signInTooWeak, .signInUnknown])
    func `the refusal is the one of a token that is good no longer`(_ refusal: TokenRefusal) {
        let face = GatewayRefusal(refusal, realm: Self.base)
        #expect(face.status == 401)
        #expect(face.challenge == GatewayRefusal(.expired, realm: Self.base).challenge)
        #expect(face.challenge?.contains("error=\"invalid_token\"") == true)
        #expect(face.body == GatewayRefusal(.expired, realm: Self.base).body)
    }
}
