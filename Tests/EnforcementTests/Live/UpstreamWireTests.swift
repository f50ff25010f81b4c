import ChaperoneTesting
import FoundationEssentials
import NIOSSL
import RequirementTraits
import Testing

@testable import Enforcement

/// How a protected server can be reached and how it may answer.
@Suite(.timeLimit(.minutes(2))) struct UpstreamWireTests {
    // MARK: - packed answers

    @Test(
        .verifies("house@CONTENT-CODING", "attack@ATK-263"),
        arguments: [("gzip", ContentCodingTests.gzip), ("deflate", ContentCodingTests.zlib)])
    func `a packed answer is unpacked, judged and sent plainly`(coding: String, bytes: [UInt8]) async throws {
        try await withGateway(upstream: { _ in .bytes(200, bytes, headers: [("content-encoding", coding)]) }) {
            gateway, upstream in
            let own = try await gateway.send(gateway.request("GET", "/Patient/pA", ["Accept-Encoding: gzip"]))
            let other = try await gateway.send(gateway.request("GET", "/Observation/o"))

            #expect(own[0].status == 200)
            #expect(own[0].body == #"{"resourceType":"Patient","id":"pA"}"#)
            #expect(own[0].header("content-encoding") == nil)
            #expect(other[0].status == 404, "what was packed is judged like anything else")
            #expect(upstream.seen[0].headers.contains { $0.name == "accept-encoding" && $0.value == "identity" })
        }
    }

    @Test(
        .verifies("house@CONTENT-CODING"),
        arguments: [
            [("content-encoding", "br")], [("content-encoding", "gzip"), ("content-encoding", "gzip")],
            [("content-encoding", "deflate")],
        ])
    func `an answer that cannot be unpacked is not passed on`(headers: [(String, String)]) async throws {
        try await withGateway(upstream: { _ in .bytes(200, ContentCodingTests.gzip, headers: headers) }) {
            gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 502)
        }
    }

    @Test func `an answer with two content types is none`() async throws {
        try await withGateway(upstream: { _ in .answer(200, patientA, headers: [("content-type", "text/html")]) }) {
            gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 502 || answers[0].status == 404)
            #expect(!answers[0].body.contains("Alpha"))
        }
    }

    // MARK: - where it is

    @Test func `a server is called by its own name wherever its socket is`() async throws {
        let base = "http://fhir.example.org:8080/r4"
        let bundle =
            #"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"\#(base)?page=2"}],"entry":[]}"#
        let upstream = try await LoopbackUpstream.start { _ in .answer(200, bundle) }
        var server = try UpstreamFHIRServer(base: base)
        let place = UpstreamFHIRServer.ConnectTarget("127.0.0.1:\(upstream.port)")
        server.connectTo = place
        let gateway = try await LiveGateway.start(upstream: server)

        let answers = try await gateway.send(gateway.request("GET", "/Observation"))

        #expect(answers[0].status == 200)
        #expect(answers[0].body.contains("/fhir/_page/"))
        #expect(!answers[0].body.contains("example.org"))
        #expect(upstream.seen[0].headers.first { $0.name == "host" }?.value == "fhir.example.org:8080")
        #expect(upstream.seen[0].target.hasPrefix("/r4/Observation?"))
        try await gateway.stop()
        try await upstream.stop()
    }

    @Test(arguments: ["", "x", "x:", "x:0", "x:65536", "x:80/y", "x:80?y", "u@x:80", "http://x:80", "x:8a"])
    func `what is no host and port is refused`(text: String) {
        #expect(UpstreamFHIRServer.ConnectTarget(text) == nil)
    }

    // MARK: - our certificate

    private static func key(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "fixtures/keys/upstream/\(name).pem").path
    }

    /// A server that speaks only to who shows a certificate of the test authority.
    private func demandingUpstream() async throws -> LoopbackUpstream {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(Self.key("test-upstream-server")).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: Self.key("test-upstream-server-key"), format: .pem)))
        configuration.trustRoots = .file(Self.key("test-upstream-ca"))
        configuration.certificateVerification = .noHostnameVerification
        return try await LoopbackUpstream.start(tls: try NIOSSLContext(configuration: configuration)) { _ in
            .answer(200, patientA)
        }
    }

    @Test(.verifies("house@UPSTREAM-MTLS"), arguments: [true, false])
    func `a server that asks for our certificate gets it`(hasCertificate: Bool) async throws {
        let upstream = try await demandingUpstream()
        var server = try UpstreamFHIRServer(base: "https://localhost:\(upstream.port)")
        server.trustRoots = .file(Self.key("test-upstream-ca"))
        if hasCertificate {
            server.clientCertificate = .init(
                chainFile: Self.key("test-upstream-server"), keyFile: Self.key("test-upstream-server-key"))
        }
        let gateway = try await LiveGateway.start(upstream: server)

        let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

        #expect(hasCertificate ? answers[0].status == 200 : [502, 503].contains(answers[0].status))
        #expect(upstream.seen.isEmpty == !hasCertificate)
        try await gateway.stop()
        try await upstream.stop()
    }

    @Test func `a certificate that cannot be read stops the start`() throws {
        var server = try UpstreamFHIRServer(base: "https://localhost")
        server.clientCertificate = .init(chainFile: "/nowhere.pem", keyFile: Self.key("test-upstream-server-key"))
        #expect(throws: (any Error).self) { try UpstreamPools(server: server) }
    }
}
