import FHIRCore
import NIOCore
import NIOHTTP1
import NIOPosix
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// A server before protected servers that say odd things of themselves, and behind proxies.
struct ProtectedServerTests {
    private static func statement(_ type: String) -> String {
        #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","resource":[{"type":"\#(type)","interaction":[{"code":"read"}]}]}]}"#
    }

    @Test(
        .verifies("house@CAP-02"),
        arguments: [
            (statement("Patient"), nil), (statement("Transport"), "there is no rule: Transport"),
            ("{}", "is no CapabilityStatement"),
            (#"{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0","rest":[{"mode":"server"}]}"#, "`5.0.0`"),
        ] as [(String, String?)])
    func `what a server says of itself opens readiness or keeps it closed with the reason`(
        statement: String, problem: String?
    ) async throws {
        let upstream = try await ConstantUpstream.start(statement)
        let settings = "fhir-server: {upstream: 'http://127.0.0.1:\(upstream.port)/r4'}"
        try await RunningServer.with(settings: settings, awaitsReady: false) { server in
            let credential = try #require(try LocalCredential(stateDirectory: server.folder))
            var text = ""
            for _ in 0..<500 {
                text = try await Browser().get(
                    server.admin + "/health", headers: [("authorization", "Bearer \(credential.token)")]
                ).text
                if !text.contains("not been read") { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            let ready = try await Browser().get(server.issuer + "/health/ready").status

            #expect(ready == (problem == nil ? 200 : 503))
            if let problem { #expect(text.contains(problem), "\(text)") }
        }
        try await upstream.stop()
    }

    @Test(.verifies("house@PROXIES", "house@ACTOR"), arguments: [true, false])
    func `a refusal is recorded with the client's address where the proxy is trusted`(isTrusted: Bool) async throws {
        let settings = isTrusted ? "trusted-proxies: [127.0.0.0/8, '::1']" : ""
        try await RunningServer.with(settings: settings) { server in
            let refused = try await Browser().post(
                server.issuer + "/oauth/token", [("grant_type", "refresh_token"), ("client_id", "nobody")],
                headers: [("x-forwarded-for", "6.6.6.6, 198.51.100.7")])
            let credential = try #require(try LocalCredential(stateDirectory: server.folder))
            let listing = try await Browser().get(
                server.admin + "/admin/v1/audit?limit=200", headers: [("authorization", "Bearer \(credential.token)")])
            let rows = try #require(try listing.json()["entries"]?.array)
            let row = try #require(rows.first { $0["kind"]?.string == "token-refused" })
            let made = rows.filter { $0["kind"]?.string == "user-changed" }

            #expect(refused.status == 401 || refused.status == 400)
            let source = try #require(row["source"]?.string)
            #expect(isTrusted ? source == "198.51.100.7" : ["127.0.0.1", "::1"].contains(source), "\(source)")
            #expect(!made.isEmpty && made.allSatisfy { $0["by"]?.string == "configuration" })
        }
    }
}

/// An HTTP server that answers every request with the same JSON.
private struct ConstantUpstream {
    let channel: any Channel
    let port: Int

    static func start(_ body: String) async throws -> ConstantUpstream {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let operations = channel.pipeline.syncOperations
                    try operations.configureHTTPServerPipeline()
                    try operations.addHandler(ConstantAnswer(body: body))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ConstantUpstream(channel: channel, port: channel.localAddress?.port ?? 0)
    }

    func stop() async throws { try await channel.close() }
}

private final class ConstantAnswer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let body: String

    init(body: String) { self.body = body }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let headers: HTTPHeaders = [
            "content-type": "application/fhir+json", "content-length": String(body.utf8.count),
        ]
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
