import AsyncHTTPClient
import CertificateTrust
import FHIRCore
import NIOCore
import NIOHTTP1
import NIOSSL
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// Certificates of clients on the wire: our own listener, proxies, and authorities (RFC 8705, RFC 9440).
@Suite(.serialized) struct ClientCertificateTests {
    private static func der(_ name: String) throws -> [UInt8] {
        try #require(try NIOSSLCertificate.fromPEMFile(TLSPublisher.fixture("clients/\(name).pem")).first).toDERBytes()
    }

    private static func certificate(_ name: String, with others: [String] = []) throws -> ClientCertificate {
        try #require(ClientCertificate(der: try der(name), intermediates: try others.map(der)))
    }

    private static func authorities() throws -> CertificateAuthorities {
        let pem = try Configuration.content(of: TLSPublisher.fixture("clients/test-client-ca.pem"))
        return try #require(CertificateAuthorities(pem: Array(pem.utf8)))
    }

    private static let now: Int64 = 1_800_000_000

    // MARK: - authorities

    @Test(
        arguments: [
            ("test-client", [], true), ("test-client-below", ["test-issuing-ca"], true),
            ("test-client-below", [], false),
            ("test-client-foreign", [], false), ("test-client-foreign", ["test-other-client-ca"], false),
            ("test-client-server-only", [], false), ("test-client-of-leaf", ["test-client"], false),
            ("test-self-signed", [], false), ("test-other-client-ca", [], false),
        ] as [(String, [String], Bool)])
    func `an authority vouches for what it signed, for clients, over authorities only`(
        _ name: String, _ others: [String], _ isTrusted: Bool
    ) throws {
        let certificate = try Self.certificate(name, with: others)

        #expect((try Self.authorities().path(from: certificate, at: Self.now) != nil) == isTrusted)
    }

    @Test func `a path holds in its time only`() throws {
        let certificate = try Self.certificate("test-client")
        let authorities = try Self.authorities()

        #expect(authorities.path(from: certificate, at: certificate.validity.lowerBound - 1) == nil)
        #expect(authorities.path(from: certificate, at: certificate.validity.lowerBound) != nil)
        #expect(authorities.path(from: certificate, at: certificate.validity.upperBound + 1) == nil)
    }

    @Test(arguments: ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    func `what holds no authorities is refused at the start`(_ text: String) {
        #expect(CertificateAuthorities(pem: Array(text.utf8)) == nil)
    }

    @Test func `a changed certificate is not vouched for, and nothing breaks`() throws {
        let der = try Self.der("test-client")
        let authorities = try Self.authorities()

        let unchanged = try #require(ClientCertificate(der: der))
        #expect(authorities.path(from: unchanged, at: Self.now) != nil)
        var judged = 0
        for place in stride(from: 0, to: der.count, by: 3) {
            var changed = der
            changed[place] ^= 0x21
            guard let certificate = ClientCertificate(der: changed) else { continue }
            judged += 1
            #expect(authorities.path(from: certificate, at: Self.now) == nil)
        }
        #expect(judged > 50, "most changes leave something that can be read")
    }

    // MARK: - configuration

    @Test(
        arguments: [
            ("on-tls-listener: true", "needs `listeners.tls`"),
            ("from-trusted-proxies: true", "unknown key"), ("proxies: 192.0.2.7", "must be a list"),
            ("proxies: [proxy.example]", "must name addresses"), ("proxies: [0.0.0.0/0]", "must name addresses"),
            ("proxies: ['::/000']", "must name addresses"),
            ("ca-file: /x", "has a meaning only with"), ("origin: https://a.example", "has a meaning only with"),
        ])
    func `half a setting is a mistake`(_ line: String, _ message: String) throws {
        let yaml = """
            issuer: https://auth.example.org
            fhir-server: {upstream: https://fhir.example.org}
            client-certificates: {\(line)}
            """
        do {
            _ = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
            Issue.record("it was taken")
        } catch {
            #expect("\(error)".contains(message))
        }
    }

    // MARK: - proxies

    private static func clients(_ folder: String) throws -> String {
        let key = try PrivateJWK(
            pem: try Configuration.content(of: TLSPublisher.fixture("clients/test-self-signed-key.pem")),
            algorithm: .es256,
            keyID: "self")
        let members = (key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y", "kid"].contains($0.name) }
        let jwk = JSONValue.object(
            members + [.init("x5c", .array([.string(Base64.encode(try der("test-self-signed")))]))])
        let file = "\(folder)/self.jwks.json"
        try write(JSONValue.object([.init("keys", .array([jwk]))]).serialized, to: file)
        return """
            clients:
              - {id: self, kind: self-signed-certificate, program: patient-access, grant-types: [authorization_code],
                 scopes: patient/Patient.rs, redirect-uris: ["https://app.example/cb"], keys-file: "\(file)"}
              - {id: pki, kind: certificate, program: patient-access, grant-types: [authorization_code],
                 scopes: launch/patient patient/Patient.rs, redirect-uris: ["https://app.example/cb"], certificate-dns: app.example,
                 certificate-bound-tokens: true}
            """
    }

    private static func write(_ bytes: [UInt8], to path: String) throws { try PrivateFile.write(bytes, to: path) }

    private static func withFolder<Value>(_ work: (String) async throws -> Value) async throws -> Value {
        var template = Array("/tmp/chaperone-certificates-XXXXXX".utf8CString)
        let folder = try template.withUnsafeMutableBufferPointer { buffer in
            let base = try #require(buffer.baseAddress)
            let made = try #require(mkdtemp(base))
            return String(cString: made)
        }
        let result = await Result(catching: { try await work(folder) })
        for name in ["self.jwks.json", "server-key.pem"] { unlink("\(folder)/\(name)") }
        rmdir(folder)
        return try result.get()
    }

    private func revoke(_ server: RunningServer, _ client: String, headers: [(String, String)]) async throws -> Int {
        try await Browser().post(
            server.issuer + "/oauth/revoke", [("client_id", client), ("token", "unknown")], headers: headers
        ).status
    }

    @Test(.verifies("oauth-attack@A-41"), arguments: [true, false])
    func `a certificate in a header counts from a trusted proxy and from nobody else`(_ isTrusted: Bool) async throws {
        try await Self.withFolder { folder in
            let settings = """
                client-certificates:
                  proxies: ["\(isTrusted ? "127.0.0.1" : "192.0.2.1")"]
                  ca-file: "\(TLSPublisher.fixture("clients/test-client-ca.pem"))"
                  revocation: {status: off}
                \(try Self.clients(folder))
                """
            try await RunningServer.with(settings: settings) { server in
                let own = ClientCertificate.headerValue(of: try Self.der("test-self-signed"))
                let good = ClientCertificate.headerValue(of: try Self.der("test-client"))
                let below = ClientCertificate.headerValue(of: try Self.der("test-client-below"))
                let issuing = ClientCertificate.headerValue(of: try Self.der("test-issuing-ca"))
                let passes = isTrusted ? 200 : 401

                #expect(try await revoke(server, "self", headers: [("client-cert", own)]) == passes)
                #expect(try await revoke(server, "pki", headers: [("client-cert", good)]) == passes)
                #expect(
                    try await revoke(server, "pki", headers: [("client-cert", below), ("client-cert-chain", issuing)])
                        == passes)
                // What is refused whoever says it.
                #expect(try await revoke(server, "pki", headers: [("client-cert", below)]) == 401)
                #expect(try await revoke(server, "pki", headers: []) == 401)
                #expect(
                    try await revoke(server, "pki", headers: [("client-cert", good), ("client-cert", good)]) == 401)
                for name in ["x-forwarded-client-cert", "x-ssl-cert", "x-ssl-client-cert", "ssl-client-cert"] {
                    #expect(try await revoke(server, "pki", headers: [(name, good)]) == 401)
                }
            }
        }
    }

    @Test(.verifies("oauth-attack@A-41"))
    func `a proxy that is believed about addresses only cannot say a certificate`() async throws {
        try await Self.withFolder { folder in
            // Certificates are read, from another proxy.
            let settings = """
                trusted-proxies: ["127.0.0.1"]
                client-certificates:
                  proxies: ["192.0.2.1"]
                  ca-file: "\(TLSPublisher.fixture("clients/test-client-ca.pem"))"
                \(try Self.clients(folder))
                """
            try await RunningServer.with(settings: settings) { server in
                let own = ClientCertificate.headerValue(of: try Self.der("test-self-signed"))
                let good = ClientCertificate.headerValue(of: try Self.der("test-client"))
                #expect(try await revoke(server, "self", headers: [("client-cert", own)]) == 401)
                #expect(try await revoke(server, "pki", headers: [("client-cert", good)]) == 401)
            }
        }
    }

    @Test(.verifies("oauth-attack@A-41"))
    func `where no certificates are read a header is nothing`() async throws {
        try await Self.withFolder { folder in
            try await RunningServer.with(
                settings: "trusted-proxies: [\"127.0.0.1\"]\n" + (try Self.clients(folder))
            ) { server in
                let own = ClientCertificate.headerValue(of: try Self.der("test-self-signed"))
                #expect(try await revoke(server, "self", headers: [("client-cert", own)]) == 401)
            }
        }
    }

    // MARK: - our own listener

    /// Asks over TLS with a certificate, or without one.
    private func ask(
        _ method: NIOHTTP1.HTTPMethod, _ url: String, as name: String?, form: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> (status: Int, body: [UInt8]) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.additionalTrustRoots = [.file(TLSPublisher.authority)]
        if let name {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(TLSPublisher.fixture("clients/\(name).pem"))
                .map { .certificate($0) }
            tls.privateKey = .privateKey(
                try NIOSSLPrivateKey(file: TLSPublisher.fixture("clients/\(name)-key.pem"), format: .pem))
        }
        let client = HTTPClient(configuration: .init(tlsConfiguration: tls))
        var request = HTTPClientRequest(url: url)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let form {
            request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(ByteBuffer(string: form))
        }
        let result: Result<(Int, [UInt8]), any Error>
        do {
            let answer = try await client.execute(request, timeout: .seconds(20))
            result = .success((Int(answer.status.code), Array(buffer: try await answer.body.collect(upTo: 1 << 20))))
        } catch { result = .failure(error) }
        try await client.shutdown()
        return try result.get()
    }

    @Test(.verifies("house@certificate-bound-tokens"))
    func `a bound token reads over the connection of its certificate and over no other`() async throws {
        try await Self.withFolder { folder in
            let port = try await RunningServer.freePorts(1)[0]
            let keyFile = "\(folder)/server-key.pem"
            try Self.write(
                Array(
                    try Configuration.content(of: TLSPublisher.fixture("upstream/test-upstream-server-key.pem")).utf8),
                to: keyFile)
            let listener = """
                tls: {port: \(port), certificate-file: "\(TLSPublisher.fixture("upstream/test-upstream-server.pem"))", key-file: "\(keyFile)"}
                """
            let settings = """
                client-certificates:
                  on-tls-listener: true
                  ca-file: "\(TLSPublisher.fixture("clients/test-client-ca.pem"))"
                  revocation: {status: off}
                \(try Self.clients(folder))
                """
            try await RunningServer.with(settings: settings, listeners: listener) { server in
                let base = "https://localhost:\(port)"
                func revoke(_ client: String, as name: String?) async throws -> Int {
                    try await ask(
                        .POST, base + "/oauth/revoke", as: name, form: "client_id=\(client)&token=unknown"
                    ).status
                }

                // Nobody has to have a certificate.
                #expect(try await ask(.GET, base + "/health/ready", as: nil).status == 200)
                #expect(try await revoke("self", as: "test-self-signed") == 200)
                #expect(try await revoke("pki", as: "test-client") == 200)
                #expect(try await revoke("pki", as: "test-self-signed") == 401)
                #expect(try await revoke("self", as: nil) == 401)
                // A header beside the connection is nothing.
                let good = ClientCertificate.headerValue(of: try Self.der("test-client"))
                #expect(
                    try await ask(
                        .POST, base + "/oauth/revoke", as: nil, form: "client_id=pki&token=unknown",
                        headers: [("client-cert", good)]
                    ).status == 401)

                // A launch by the demo's pages, and its code redeemed by the client over its certificate.
                let token = try await launch(server, redeemAt: base)
                func read(as name: String?) async throws -> Int {
                    try await ask(
                        .GET, base + "/fhir/Patient/patient-a", as: name,
                        headers: [("authorization", "Bearer \(token)"), ("accept", "application/fhir+json")]
                    ).status
                }
                #expect(try await read(as: "test-client") == 200)
                #expect(try await read(as: "test-self-signed") == 401)
                #expect(try await read(as: nil) == 401)
                // The plain listener knows no certificate, whatever a header says.
                let plain = try await Browser().get(
                    server.fhir + "/Patient/patient-a",
                    headers: [("authorization", "Bearer \(token)"), ("client-cert", good)])
                #expect(plain.status == 401)
            }
        }
    }

    private func launch(_ server: RunningServer, redeemAt base: String) async throws -> String {
        let app = TestApp(server: server)
        var parameters = app.parameters(scope: "launch/patient patient/Patient.rs")
        parameters = parameters.map { name, value in
            switch name {
            case "client_id": (name, "pki")
            case "redirect_uri": (name, "https://app.example/cb")
            default: (name, value)
            }
        }
        let login = try await app.follow(try await app.browser.get(app.authorizeURL(parameters)))
        let consent = try await app.follow(
            try await app.browser.post(
                server.issuer + "/login",
                Form(login.text).fields + [("username", "patient-a"), ("password", "demo")]))
        let back = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])
        let query = try #require(back["location"]?.split(separator: "?").last, "\(back.status) \(back.text)")
        let code = try #require(try FormParameters(parsing: Array(query.utf8))["code"])
        let form = [
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "https://app.example/cb"),
            ("client_id", "pki"), ("code_verifier", app.verifier),
        ].map { "\($0)=\(FormParameters.encode($1))" }.joined(separator: "&")
        let answer = try await ask(.POST, base + "/oauth/token", as: "test-client", form: form)
        let json = try JSONValue(parsing: answer.body)
        return try #require(
            json["access_token"]?.string, "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
    }
}

extension Result where Failure == any Error {
    fileprivate init(catching work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }
}
