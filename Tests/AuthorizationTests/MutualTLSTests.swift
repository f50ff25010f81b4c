import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import Foundation
import RequirementTraits
import Synchronization
import Testing

@testable import OAuthCore

/// Clients that show certificates, and tokens that are bound to them (RFC 8705), at the endpoints.
@Suite struct MutualTLSTests {
    private static func certificate(_ name: String) throws -> ClientCertificate {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "fixtures/keys/clients/\(name).pem"), encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }
        let der = try #require(Base64.decode(lines.joined()))
        return try #require(ClientCertificate(der: der))
    }

    private static func key(_ certificate: ClientCertificate) throws -> PublicJWK {
        let point = certificate.publicKey.suffix(64)
        return try PublicJWK(parsing: [
            "kty": "EC", "crv": "P-256", "kid": "k", "x": .string(Base64URL.encode(point.prefix(32))),
            "y": .string(Base64URL.encode(point.suffix(32))), "x5c": .array([.string(Base64.encode(certificate.der))]),
        ])
    }

    /// A server on which one authority counts: the one of `test-client`.
    private func harness(
        isReading: Bool = true, verdict: CertificateValidator.Verdict = .trusted,
        isWithdrawn: @escaping @Sendable (String) -> Bool = { _ in false }
    ) async throws -> LaunchHarness {
        let good = try Self.certificate("test-client")
        let harness = try await LaunchHarness(
            clock: ManualClock(),
            certificates: CertificateValidator(
                isWithdrawn: isWithdrawn,
                judge: { certificate, _ in certificate.der == good.der ? verdict : .untrusted }),
            readsCertificates: isReading)
        func client(
            _ id: String, _ method: ClientAuthenticationMethod, keys: ClientMetadata.Keys? = nil,
            subject: CertificateSubject? = nil, binds: Bool = false, grants: Set<GrantType> = [.authorizationCode]
        ) throws -> ClientRegistration {
            ClientRegistration(
                id: ClientID(id),
                metadata: try ClientMetadata(
                    name: id, redirectURIs: grants.contains(.authorizationCode) ? [LaunchHarness.redirect] : [],
                    grantTypes: grants, authenticationMethod: method, keys: keys, certificateSubject: subject,
                    bindsTokensToCertificate: binds),
                status: .active, isTrusted: true,
                approvedScopes: try ScopeSet(parsing: LaunchHarness.scope + " system/Patient.rs __introspect"),
                program: .payerToPayer)
        }
        let selfSigned = JWKSet([try Self.key(try Self.certificate("test-self-signed"))])
        for client in [
            try client(
                "pki", .tlsClientAuth, subject: .dns("app.example"), binds: true,
                grants: [.authorizationCode, .refreshToken]),
            try client("other-name", .tlsClientAuth, subject: .dns("other.example")),
            try client("self", .selfSignedTLSClientAuth, keys: .value(selfSigned)),
            try client(
                "bound-service", .privateKeyJWT, keys: .value(JWKSet([SharedKeys.serviceKey.publicKey])), binds: true,
                grants: [.clientCredentials]),
        ] {
            #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .added)
        }
        return harness
    }

    /// The face of a revocation, which only asks who the client is.
    private func face(_ harness: LaunchHarness, _ client: String, _ certificate: ClientCertificate?) async throws
        -> String
    {
        let form = try LaunchHarness.form([("client_id", client), ("token", "unknown")])
        let source = RequestSource(address: "192.0.2.9", certificate: certificate)
        switch await harness.server.revocation.answer(form, authorization: nil, from: source) {
        case .done: return "200"
        case .refused(let error): return "\(error.status) \(error.code.rawValue)"
        case .tooManyRequests: return "429"
        }
    }

    @Test func `a certificate of an authority that counts, with the registered name, is the client's proof`()
        async throws
    {
        let harness = try await harness()
        let good = try Self.certificate("test-client")

        #expect(try await face(harness, "pki", good) == "200")
        #expect(try await face(harness, "pki", nil) == "401 invalid_client")
        #expect(try await face(harness, "pki", try Self.certificate("test-client-foreign")) == "401 invalid_client")
        #expect(try await face(harness, "pki", try Self.certificate("test-self-signed")) == "401 invalid_client")
        #expect(try await face(harness, "other-name", good) == "401 invalid_client")
    }

    @Test(.verifies("oauth-attack@A-43"))
    func `a certificate that vouches for itself is the client's when it stands among its keys, and nobody else's`()
        async throws
    {
        let harness = try await harness()

        #expect(try await face(harness, "self", try Self.certificate("test-self-signed")) == "200")
        // The same name, another key.
        #expect(try await face(harness, "self", try Self.certificate("test-self-signed-other")) == "401 invalid_client")
        #expect(try await face(harness, "self", try Self.certificate("test-client")) == "401 invalid_client")
        #expect(try await face(harness, "self", nil) == "401 invalid_client")
    }

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            (.withdrawn, "certificate withdrawn"), (.statusUnknown("no list"), "certificate status unknown: no list"),
            (.untrusted, "no authority"),
        ] as [(CertificateValidator.Verdict, String)])
    func `a certificate that is withdrawn or whose status is not known is no proof, and the record says which`(
        _ verdict: CertificateValidator.Verdict, _ reason: String
    ) async throws {
        let harness = try await harness(verdict: verdict)
        let form = try LaunchHarness.form([("client_id", "pki"), ("token", "unknown")])
        let source = RequestSource(address: "192.0.2.9", certificate: try Self.certificate("test-client"))

        guard case .refused(let error) = await harness.server.revocation.answer(form, authorization: nil, from: source)
        else {
            Issue.record("it was let in")
            return
        }

        #expect(error.code == .invalidClient && error.status == 401)
        // The client is told the same for all of them.
        let untrusted = RequestSource(address: "192.0.2.9", certificate: try Self.certificate("test-self-signed"))
        guard
            case .refused(let other) = await harness.server.revocation.answer(
                form, authorization: nil, from: untrusted)
        else {
            Issue.record("it was let in")
            return
        }
        #expect(error.summary == other.summary)
        let details = harness.log.records.compactMap(\.detail)
        #expect(details.contains { $0.contains(reason) }, "\(details)")
    }

    @Test func `a certificate counts in its time only`() async throws {
        let harness = try await harness()
        let certificate = try Self.certificate("test-self-signed")

        harness.clock.advance(seconds: certificate.validity.upperBound - harness.clock.now)
        #expect(try await face(harness, "self", certificate) == "200")
        harness.clock.advance(seconds: 1)
        #expect(try await face(harness, "self", certificate) == "401 invalid_client")
    }

    @Test func `no other proof and no other method stands in for the certificate`() async throws {
        let harness = try await harness()
        let form = try LaunchHarness.form([("client_id", "self"), ("client_secret", "x"), ("token", "unknown")])
        let source = RequestSource(address: "192.0.2.9", certificate: try Self.certificate("test-self-signed"))

        guard case .refused(let error) = await harness.server.revocation.answer(form, authorization: nil, from: source)
        else {
            Issue.record("it was let in")
            return
        }
        #expect(error.code == .invalidClient)
        // And a certificate is no proof for a client that has another method.
        #expect(try await face(harness, "service", try Self.certificate("test-self-signed")) == "401 invalid_client")
    }

    private func serviceToken(
        _ harness: LaunchHarness, _ certificate: ClientCertificate?, jti: String, proofs: [String] = [],
        scope: String = "system/Patient.rs"
    ) async throws -> TokenAnswer {
        let claims: JSONValue = [
            "iss": "bound-service", "sub": "bound-service", "aud": "https://as.example/oauth/token",
            "jti": .string(jti),
            "exp": .int(harness.clock.now + 300),
        ]
        let form = try LaunchHarness.form([
            ("grant_type", "client_credentials"), ("scope", scope),
            ("client_assertion", try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey)),
            ("client_assertion_type", PresentedClient.assertionType),
        ])
        return await harness.server.token.answer(
            form, authorization: nil, proofs: proofs,
            from: RequestSource(address: "192.0.2.9", certificate: certificate))
    }

    @Test(.verifies("house@INTROSPECTION-CNF"))
    func `a client's tokens are bound to the certificate that it showed, and introspection says to which`()
        async throws
    {
        let harness = try await harness()
        let certificate = try Self.certificate("test-client")

        let response = try #require(try await serviceToken(harness, certificate, jti: "a").response)

        #expect(try harness.access(response).confirmation == .certificate(thumbprint: certificate.thumbprint))
        #expect(response.tokenType == .bearer)
        let bearer = "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))
        let told = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", response.accessToken.reveal())]), authorization: bearer,
            from: harness.source)
        guard case .facts(let facts) = told else {
            Issue.record("\(told)")
            return
        }
        // RFC 8705 §3.2: the digest of the whole certificate.
        #expect(facts["cnf"] == ["x5t#S256": .string(Base64URL.encode(SHA256Hash.of(certificate.der)))])
        #expect(facts["token_type"] == "Bearer")
        let refused = try await serviceToken(harness, nil, jti: "b")
        #expect(refused.face == "400 invalid_request")
    }

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            (.withdrawn, false), (.statusUnknown("no list"), false), (.trusted, true), (.untrusted, true),
        ] as [(CertificateValidator.Verdict, Bool)])
    func `no token is bound to a certificate that is withdrawn, however the client proves itself`(
        _ verdict: CertificateValidator.Verdict, _ isBound: Bool
    ) async throws {
        let harness = try await harness(verdict: verdict)
        let answer = try await serviceToken(harness, try Self.certificate("test-client"), jti: "a")
        #expect((answer.response != nil) == isBound, "\(answer)")
        if !isBound { #expect(answer.face == "401 invalid_client") }
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `introspection knows nothing of a token that is bound to a withdrawn certificate`() async throws {
        let withdrawn = Mutex<String?>(nil)
        let harness = try await harness(isWithdrawn: { thumbprint in withdrawn.withLock { $0 == thumbprint } })
        let certificate = try Self.certificate("test-client")
        let token = try #require(try await serviceToken(harness, certificate, jti: "a").response).accessToken
        func isActive(_ jti: String) async throws -> Bool? {
            let claims: JSONValue = [
                "iss": "bound-service", "sub": "bound-service", "aud": "https://as.example/oauth/token",
                "jti": .string(jti), "exp": .int(harness.clock.now + 300),
            ]
            let form = try LaunchHarness.form([
                ("token", token.reveal()), ("client_assertion_type", PresentedClient.assertionType),
                ("client_assertion", try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey)),
            ])
            guard
                case .facts(let facts) = await harness.server.introspection.answer(
                    form, authorization: nil, from: harness.source)
            else { return nil }
            return facts["active"]?.bool
        }

        #expect(try await isActive("b") == true)
        withdrawn.withLock { $0 = certificate.thumbprint }
        #expect(try await isActive("c") == false)
    }

    @Test(.verifies("house@BOUND-CALLERS"))
    func `a caller whose token is bound to a certificate shows it, here too`() async throws {
        let harness = try await harness()
        let certificate = try Self.certificate("test-client")
        let answer = try await serviceToken(harness, certificate, jti: "a", scope: "__introspect")
        let token = try #require(answer.response).accessToken.reveal()
        func isTold(_ shown: ClientCertificate?, _ scheme: String = "Bearer") async throws -> Bool {
            let answer = await harness.server.introspection.answer(
                try LaunchHarness.form([("token", token)]), authorization: "\(scheme) \(token)",
                from: RequestSource(address: "192.0.2.9", certificate: shown))
            guard case .facts = answer else { return false }
            return true
        }
        #expect(try await !isTold(nil))
        #expect(try await !isTold(try Self.certificate("test-self-signed")))
        #expect(try await !isTold(certificate, "DPoP"))
        #expect(try await isTold(certificate))
    }

    @Test func `what is read is announced, and nothing is announced that is not read`() async throws {
        let on = try await harness().server.discovery.authorizationServerMetadata
        let off = try await harness(isReading: false).server.discovery.authorizationServerMetadata

        #expect(on["tls_client_certificate_bound_access_tokens"]?.bool == true)
        #expect(on["mtls_endpoint_aliases"]?["token_endpoint"]?.string == "https://mtls.as.example/oauth/token")
        #expect(on["mtls_endpoint_aliases"]?["revocation_endpoint"]?.string == "https://mtls.as.example/oauth/revoke")
        let methods = try #require(on["token_endpoint_auth_methods_supported"]?.stringArray)
        #expect(methods.contains("tls_client_auth") && methods.contains("self_signed_tls_client_auth"))
        #expect(off["tls_client_certificate_bound_access_tokens"] == nil)
        #expect(off["mtls_endpoint_aliases"] == nil)
        #expect(off["token_endpoint_auth_methods_supported"]?.stringArray?.contains("tls_client_auth") == false)
    }
}
