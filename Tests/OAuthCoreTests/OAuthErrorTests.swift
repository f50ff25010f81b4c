import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `OAuth errors` {
    @Test(.verifies("oauth-attack@U-25"), arguments: ["a\"b\\c\r\nX: y\u{0}é", "\u{7F}", "tab\there"])
    func `the public text carries only the characters that RFC 6749 allows`(_ text: String) throws {
        let error = OAuthError(.invalidRequest, text, detail: text)

        let bytes = Array(error.summary.utf8)
        #expect(bytes.allSatisfy { (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C })
        #expect(error.detail.unicodeScalars.allSatisfy { $0.isVisible })
        #expect(try JSONValue(parsing: error.json)["error_description"]?.string == error.summary)
    }

    @Test(arguments: OAuthError.Code.allCases)
    func `every code has a status, a venue and a body that says it`(_ code: OAuthError.Code) throws {
        let error = OAuthError(code)
        let body = try JSONValue(parsing: error.json)

        #expect((400...599).contains(error.status))
        #expect(!code.venues.isEmpty)
        #expect(body["error"]?.string == code.rawValue)
        #expect(body["error_description"]?.string?.isEmpty == false)
        #expect(body["detail"] == nil)
    }

    @Test(arguments: OAuthError.Code.allCases)
    func `exactly the 401 and 403 answers carry a challenge`(_ code: OAuthError.Code) {
        let error = OAuthError(code)

        #expect((error.challenge(realm: "r") != nil) == [401, 403].contains(error.status))
    }

    @Test func `statuses are those of the RFCs`() {
        #expect(OAuthError(.invalidClient).status == 401)
        #expect(OAuthError(.invalidGrant).status == 400)
        #expect(OAuthError(.invalidToken).status == 401)
        #expect(OAuthError(.insufficientScope).status == 403)
        #expect(OAuthError(.invalidClient).challenge(realm: "x\"y")?.hasPrefix("Basic realm=\"x?y\"") == true)
    }

    @Test func `the detail never reaches the client`() {
        let error = OAuthError(.invalidGrant, detail: "the code was replayed")

        #expect(!String(decoding: error.json, as: UTF8.self).contains("replayed"))
        #expect(error.challenge(realm: "r") == nil)
        #expect(!error.summary.contains("replayed"))
    }

    @Test func `causes that must not be told apart read the same`() {
        #expect(OAuthError(.invalidGrant, detail: "unknown").json == OAuthError(.invalidGrant, detail: "expired").json)
    }

    @Test func `a bearer challenge names no error when no token came`() {
        #expect(
            BearerChallenge(realm: "http://localhost:8080/fhir").headerValue
                == "Bearer realm=\"http://localhost:8080/fhir\"")
    }

    @Test func `a bearer challenge names scopes that would do, and nothing breaks out of its quotes`() {
        let challenge = BearerChallenge(
            realm: "r", error: OAuthError(.insufficientScope, "no"),
            scopes: ["patient/Observation.rs", "x\",y=\"z\r\n"])

        #expect(
            challenge.headerValue
                == "Bearer realm=\"r\", error=\"insufficient_scope\", error_description=\"no\", scope=\"patient/Observation.rs x?,y=?z??\""
        )
    }

    @Test func `no detail begins a line of its own in the log`() {
        let error = OAuthError(.invalidRequest, detail: "a\r\nb\u{1B}[2J\u{202E}\u{2028}\0 ä")
        #expect(error.detail == "a\\u{d}\\u{a}b\\u{1b}[2J\\u{202e}\\u{2028}\\u{0} ä")
    }
}
