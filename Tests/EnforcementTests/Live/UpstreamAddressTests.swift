import RequirementTraits
import Testing

@testable import Enforcement

/// Which addresses are a protected server's, and which are somebody else's.
@Suite struct UpstreamAddressTests {
    @Test(arguments: [
        "ftp://x/fhir", "http://", "http:///fhir", "//x/fhir", "x/fhir", "http://u@x/fhir", "http://u:p@x/fhir",
        "http://x:0/fhir", "http://x:65536/fhir", "http://x:/fhir", "http://x/fhir?a=b", "http://x/fhir#a",
        "http://x/a/../b", "http://x/a//b", "http://x/%2e%2e/b", "http://x\\y/fhir", "http://x/fhir\r\nHost: y",
        "http://x y/fhir", "http://\u{fc}/fhir", "http://[::1/fhir", "http://[::1]x/fhir", "",
    ])
    func `what is no plain base is refused`(base: String) {
        #expect(throws: UpstreamConfigurationError.self) { try UpstreamFHIRServer(base: base) }
    }

    @Test(arguments: [
        ("http://x/fhir", "http://x/fhir"), ("HTTP://X:80/fhir/", "http://x/fhir"), ("https://x:443", "https://x"),
        ("https://x:8443/a/b", "https://x:8443/a/b"), ("http://[::1]:8082/fhir", "http://[::1]:8082/fhir"),
    ])
    func `a base has one spelling`(base: String, canonical: String) throws {
        #expect(try UpstreamFHIRServer(base: base).base == canonical)
    }

    @Test(arguments: [
        "http://evil.example/fhir?page=2", "https://x/fhir?page=2", "http://x:81/fhir?page=2", "http://x/other?page=2",
        "http://x/fhirx?page=2", "http://x/fhir/../other", "http://x/fhir/%2e%2e/other", "http://x@evil/fhir?p=2",
        "http://x/fhir#p", "/fhir?page=2", "?page=2", "//x/fhir?page=2", "http://x\\@evil/fhir", "http://x/fhir?a b",
    ])
    func `a link that leads elsewhere is not followed`(link: String) throws {
        #expect(try UpstreamFHIRServer(base: "http://x/fhir").requestTarget(ofLink: link) == nil)
    }

    @Test(arguments: [
        ("http://x/fhir?page=2", "/fhir?page=2"), ("http://x:80/fhir?page=2", "/fhir?page=2"),
        ("http://X/fhir/Observation?a=1&b=2", "/fhir/Observation?a=1&b=2"),
    ])
    func `a link into the base is a request target`(link: String, target: String) throws {
        #expect(try UpstreamFHIRServer(base: "http://x/fhir").requestTarget(ofLink: link) == target)
    }

    @Test(arguments: [
        ("Host", "x"), ("Content-Length", "1"), ("Transfer-Encoding", "chunked"), ("Accept", "x"), ("If-Match", "x"),
        ("X-A", "a\r\nB: c"), ("X A", "a"), ("", "a"), ("X-A", "a\u{0}"),
    ])
    func `a static header cannot change the message`(name: String, value: String) {
        #expect(throws: UpstreamConfigurationError.self) {
            try UpstreamFHIRServer.StaticHeader(name: name, value: value)
        }
    }

    @Test func `a static header does not print its value`() throws {
        #expect(try "\(UpstreamFHIRServer.StaticHeader(name: "X-Key", value: "secret"))" == "X-Key: <redacted>")
    }
}
