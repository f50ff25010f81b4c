import FHIRCore
import Foundation
import RequirementTraits
import Testing

@testable import OAuthCore

/// Certificates of clients as facts (RFC 8705).
@Suite struct ClientCertificateTests {
    static func der(_ name: String) throws -> [UInt8] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "fixtures/keys/clients/\(name).pem"), encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }
        return try #require(Base64.decode(lines.joined()))
    }

    private static func client() throws -> ClientCertificate {
        try #require(ClientCertificate(der: try der("test-client")))
    }

    @Test func `a certificate says who it is about`() throws {
        let certificate = try Self.client()

        #expect(
            certificate.alternativeNames == [
                .dns("app.example"), .uri("https://app.example/id"), .address([192, 0, 2, 7]),
                .email("app@app.example"),
            ])
        #expect(certificate.subject == DistinguishedName("CN=app,O=Example\\, Inc.,C=US"))
        #expect(certificate.thumbprint == Base64URL.encode(SHA256Hash.of(certificate.der)))
        #expect(certificate.validity.lowerBound > 1_700_000_000)
        #expect(certificate.validity.upperBound - certificate.validity.lowerBound == 36_500 * 86_400)
    }

    @Test(
        arguments: [
            (CertificateSubject.name("CN=app,O=Example\\, Inc.,C=US"), true),
            (.name("cn=app,o=Example\\2C Inc.,2.5.4.6=US"), true), (.name("CN=app"), false),
            (.name("C=US,O=Example\\, Inc.,CN=app"), false), (.name("CN=App,O=Example\\, Inc.,C=US"), false),
            (.name("CN=app,OU=x,O=Example\\, Inc.,C=US"), false), (.dns("app.example"), true),
            (.dns("APP.example"), true), (.dns("sub.app.example"), false), (.dns("*.example"), false),
            (.dns("app.example.evil.test"), false), (.uri("https://app.example/id"), true),
            (.uri("https://app.example/id/"), false), (.address("192.0.2.7"), true), (.address("192.0.2.8"), false),
            (.address("::ffff:192.0.2.7"), false), (.email("app@app.example"), true),
            (.email("App@app.example"), false),
        ])
    func `one name is met by the same name and by no other`(_ subject: CertificateSubject, _ isMet: Bool) throws {
        #expect(subject.isMet(by: try Self.client()) == isMet)
    }

    @Test(arguments: [
        "", "app", "CN=", "=app", "CN=#0C03617070", "CN=a,CN", "CN=a\\", "XX=app", "CN=a\"b", "CN=a+CN=a",
    ])
    func `what is no distinguished name is none`(_ text: String) {
        #expect(DistinguishedName(text) == nil)
        #expect(!CertificateSubject.name(text).isUsable)
    }

    @Test(arguments: [CertificateSubject.dns("*.example"), .address("192.0.2"), .dns(""), .uri("a b")])
    func `a name that nothing can meet is not registered`(_ subject: CertificateSubject) throws {
        #expect(throws: OAuthError.self) {
            try ClientMetadata(
                name: "App", redirectURIs: ["https://app.example/cb"], grantTypes: [.authorizationCode],
                authenticationMethod: .tlsClientAuth, certificateSubject: subject)
        }
    }

    @Test func `a certificate that was cut or changed is none or another, and nothing breaks`() throws {
        let der = try Self.der("test-client")

        for count in der.indices { #expect(ClientCertificate(der: Array(der.prefix(count))) == nil) }
        #expect(ClientCertificate(der: der + [0]) == nil)
        var (read, unread) = (0, 0)
        for place in der.indices {
            var changed = der
            changed[place] ^= 0x41
            if ClientCertificate(der: changed) == nil { unread += 1 } else { read += 1 }
        }
        // Both happen: a tag or a length that was changed is seen, a letter is another letter.
        #expect(read > 100 && unread > 50, "\(read) read, \(unread) unread")
    }

    @Test func `each letter of a name counts`() throws {
        let der = try Self.der("test-client")
        let name = Array("app.example".utf8)
        let pattern = [0x82, UInt8(name.count)] + name
        let start = try #require(
            der.indices.first { der[$0...].starts(with: pattern) }, "the dNSName stands in the certificate")
        for place in (start + 2)..<(start + pattern.count) {
            var changed = der
            changed[place] ^= 0x01
            let certificate = try #require(ClientCertificate(der: changed))
            #expect(!CertificateSubject.dns("app.example").isMet(by: certificate), "\(place - start)")
            #expect(CertificateSubject.uri("https://app.example/id").isMet(by: certificate))
        }
    }

    // MARK: - letters that look alike

    /// A name of one part in DER.
    private static func name(_ type: [UInt8], _ text: String) throws -> DistinguishedName? {
        func wrapped(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] { [tag, UInt8(content.count)] + content }
        let attribute = wrapped(0x30, wrapped(0x06, type) + wrapped(0x0C, Array(text.utf8)))
        var reader = DERReader(wrapped(0x30, wrapped(0x31, attribute))[...])
        return DistinguishedName(der: try reader.read(0x30))
    }

    private static let commonName: [UInt8] = [0x55, 0x04, 0x03]

    @Test(
        .verifies("oauth-attack@A-41", "house@bytes-not-letters"),
        arguments: [
            ("K", "\u{212A}"), ("\u{C5}", "\u{212B}"), ("\u{E9}", "e\u{301}"), ("\u{2126}", "\u{3A9}"),
            ("a`", "a\u{1FEF}"),
        ])
    func `names that Unicode holds for equivalent are names of two holders`(_ one: String, _ other: String) throws {
        #expect(one == other, "or there is nothing to tell apart")
        #expect(try Self.name(Self.commonName, one) == DistinguishedName("CN=\(one)"))
        #expect(try Self.name(Self.commonName, one) != DistinguishedName("CN=\(other)"))
        #expect(try Self.name(Self.commonName, other) != DistinguishedName("CN=\(one)"))
        #expect(DistinguishedName("CN=\(one)+CN=\(other)") != nil, "two attributes and not one twice")
    }

    @Test func `a mark that combines with a separator leaves it a separator`() throws {
        #expect(DistinguishedName("CN=a,\u{301}O=b") == nil)
        #expect(DistinguishedName("C\u{17F}=a") == nil)
        #expect(DistinguishedName("\u{17F}N=a") == nil, "no short name in other letters")
        #expect(try Self.name(Self.commonName, "\u{301}a") == DistinguishedName("CN=\u{301}a"))
    }

    @Test(.verifies("oauth-attack@A-41"))
    func `the header of a proxy is read strictly`() throws {
        let der = try Self.der("test-client")
        let issuing = try Self.der("test-issuing-ca")
        let value = ClientCertificate.headerValue(of: der)

        let read = try #require(ClientCertificate(header: value, chain: ClientCertificate.headerValue(of: issuing)))
        #expect(read.der == der)
        #expect(read.intermediates == [issuing])
        for text in [
            "", ":", "::", String(value.dropFirst()), String(value.dropLast()), value + "x", value + "," + value,
        ] {
            #expect(ClientCertificate(header: text) == nil)
        }
        #expect(ClientCertificate(header: value, chain: "junk") == nil)
    }

    @Test func `a key may come with its own certificate and with no other`() throws {
        let der = try Self.der("test-self-signed")
        let certificate = try #require(ClientCertificate(der: der))
        let point = certificate.publicKey.suffix(64)
        func key(_ x5c: [UInt8]) -> JSONValue {
            [
                "kty": "EC", "crv": "P-256", "kid": "k", "x": .string(Base64URL.encode(point.prefix(32))),
                "y": .string(Base64URL.encode(point.suffix(32))), "x5c": .array([.string(Base64.encode(x5c))]),
            ]
        }

        let read = try PublicJWK(parsing: key(der))

        #expect(read.certificate == der)
        #expect(try PublicJWK(parsing: read.json) == read)
        #expect(throws: JOSEError.keyRefused) { try PublicJWK(parsing: key(try Self.der("test-client"))) }
        #expect(throws: JOSEError.keyRefused) { try PublicJWK(parsing: key([1, 2, 3])) }
    }

    @Test func `a registration with certificates survives being stored`() throws {
        let metadata = try ClientMetadata(
            name: "App", redirectURIs: ["https://app.example/cb"], grantTypes: [.authorizationCode],
            authenticationMethod: .tlsClientAuth, certificateSubject: .dns("app.example"),
            bindsTokensToCertificate: true)

        #expect(try ClientMetadata(parsing: metadata.json) == metadata)
    }

    @Test func `a public client's tokens are not bound to a certificate, and one name is enough`() throws {
        #expect(throws: OAuthError.self) {
            try ClientMetadata(
                name: "App", redirectURIs: ["https://app.example/cb"], grantTypes: [.authorizationCode],
                authenticationMethod: .none, bindsTokensToCertificate: true)
        }
        let two: JSONValue = [
            "client_name": "App", "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example",
            "tls_client_auth_san_uri": "https://a.example",
        ]
        #expect(throws: OAuthError.self) { try ClientMetadata(parsing: two) }
    }
}
