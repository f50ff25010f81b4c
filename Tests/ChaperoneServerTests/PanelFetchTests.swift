import FHIRCore
import NIOCore
import NIOHTTP1
import NIOPosix
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import ChaperoneServer

/// Asking a service of the site's for a panel, over a socket.
@Suite(.serialized) struct PanelFetchTests {
    /// A loopback server that answers everything in one way and keeps what it was asked.
    private struct Directory {
        enum Way: Sendable {
            case answer(HTTPResponseStatus, type: String, body: String)
            /// Nothing, for ever.
            case silence
            /// A body without an end.
            case endless
        }

        let channel: any Channel
        let asked: Asked
        var port: Int { channel.localAddress?.port ?? 0 }

        /// A class because the handlers of all connections share it; the lock is `lines`.
        final class Asked: Sendable {
            let lines = Mutex<[String]>([])
        }

        static func start(_ way: Way) async throws -> Directory {
            let asked = Asked()
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(Handler(way, asked))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            return Directory(channel: channel, asked: asked)
        }

        final class Handler: ChannelInboundHandler {
            typealias InboundIn = HTTPServerRequestPart
            typealias OutboundOut = HTTPServerResponsePart

            private let way: Way
            private let asked: Asked

            init(_ way: Way, _ asked: Asked) {
                self.way = way
                self.asked = asked
            }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                guard case .head(let head) = unwrapInboundIn(data) else { return }
                let secret = head.headers.first(name: "authorization") ?? "-"
                asked.lines.withLock { $0.append("\(head.method) \(head.uri) \(secret)") }
                switch way {
                case .silence: break
                case .answer(let status, let type, let body):
                    var headers = HTTPHeaders([("content-type", type), ("content-length", "\(body.utf8.count)")])
                    if status == .found { headers.add(name: "location", value: "/elsewhere") }
                    write(context, status, headers)
                    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
                    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
                case .endless:
                    write(context, .ok, HTTPHeaders([("content-type", "application/json")]))
                    let piece = ByteBuffer(repeating: 0x20, count: 64 << 10)
                    for _ in 0..<32 { context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: nil) }
                    context.flush()
                }
            }

            private func write(_ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ headers: HTTPHeaders) {
                context.write(
                    wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))),
                    promise: nil)
            }
        }
    }

    private func ask(_ way: Directory.Way, path: String = "/panels") async throws -> (
        Result<[UInt8], any Error>, [String]
    ) {
        let directory = try await Directory.start(way)
        let fetch = PanelFetch(
            url: "http://127.0.0.1:\(directory.port)\(path)", token: Secret("of-the-site"),
            certificateAuthorityFile: nil,
            timeoutSeconds: 1)
        let user = try #require(InstanceKey("Practitioner/dr-1.x"))
        let result: Result<[UInt8], any Error>
        do { result = .success(try await fetch.panel(of: user)) } catch { result = .failure(error) }
        try await directory.channel.close()
        return (result, directory.asked.lines.withLock { $0 })
    }

    @Test(.verifies("house@panel-service")) func `the question names the user and shows the token`() async throws {
        let way = Directory.Way.answer(.ok, type: "application/json; charset=utf-8", body: #"{"patients":["pA"]}"#)

        let (plain, asked) = try await ask(way)
        let (_, besides) = try await ask(way, path: "/panels?site=north")

        #expect(String(decoding: try plain.get(), as: UTF8.self) == #"{"patients":["pA"]}"#)
        #expect(asked == ["GET /panels?user=Practitioner%2Fdr-1.x Bearer of-the-site"])
        #expect(besides == ["GET /panels?site=north&user=Practitioner%2Fdr-1.x Bearer of-the-site"])
    }

    @Test(
        .verifies("house@panel-service"),
        arguments: [
            Directory.Way.answer(.notFound, type: "application/json", body: #"{"patients":["pA"]}"#),
            .answer(.internalServerError, type: "application/json", body: "{}"),
            .answer(.found, type: "application/json", body: #"{"patients":["pA"]}"#),
            .answer(.noContent, type: "application/json", body: ""),
            .answer(.ok, type: "text/html", body: #"{"patients":["pA"]}"#), .silence, .endless,
        ])
    private func `whatever is not a plain answer is none`(way: Directory.Way) async throws {
        let (result, asked) = try await ask(way)

        #expect(throws: (any Error).self) { try result.get() }
        #expect(asked.count == 1, "no redirect is followed")
    }

    @Test(.verifies("house@panel-service")) func `where nobody listens there is no answer`() async throws {
        let directory = try await Directory.start(.silence)
        let port = directory.port
        try await directory.channel.close()
        let fetch = PanelFetch(
            url: "http://127.0.0.1:\(port)/", token: nil, certificateAuthorityFile: nil, timeoutSeconds: 1)
        let user = try #require(InstanceKey("Practitioner/p1"))

        await #expect(throws: (any Error).self) { try await fetch.panel(of: user) }
    }

    // MARK: - the configuration

    private static let minimal = "issuer: https://auth.example.org\nfhir-server: {upstream: https://fhir.example.org, "

    @Test(
        .verifies("house@configuration-strict", "house@panel-service"),
        arguments: [
            ("panel-service: {}}", "fhir-server.panel-service.url"),
            ("panel-service: {url: 'http://directory.example.org/'}}", "fhir-server.panel-service.url"),
            ("panel-service: {url: 'https://user@directory.example.org/'}}", "fhir-server.panel-service.url"),
            ("panel-service: {url: 'ldap://directory.example.org/'}}", "fhir-server.panel-service.url"),
            ("panel-service: {url: 'https://d.example.org/', users: [Patient]}}", "fhir-server.panel-service.users"),
            ("panel-service: {url: 'https://d.example.org/', users: []}}", "fhir-server.panel-service.users"),
            ("panel-service: {url: 'https://d.example.org/', timeout: 0}}", "fhir-server.panel-service.timeout"),
            ("panel-service: {url: 'https://d.example.org/', secret: x}}", "fhir-server.panel-service.secret"),
            (
                "practitioner-patients: Patient.general-practitioner, panel-service: {url: 'https://d.example.org/'}}",
                "fhir-server.panel-service.users"
            ),
            (
                "related-persons: true, panel-service: {url: 'https://d.example.org/', users: [RelatedPerson]}}",
                "fhir-server.panel-service.users"
            ),
        ])
    func `a service that cannot be meant is refused at start`(yaml: String, path: String) throws {
        do throws(ConfigurationError) {
            _ = try Configuration(settings: try Setting(yaml: Self.minimal + yaml), isDemo: false)
            Issue.record("it was taken")
        } catch {
            #expect(error.problems.map(\.path).contains(path), "\(error)")
        }
    }

    @Test(.verifies("house@panel-service")) func `a service is read from the file`() throws {
        let yaml =
            Self.minimal
            + "related-persons: true, panel-service: {url: 'http://127.0.0.1:9/p', users: [Practitioner], timeout: 3}}"

        let service = try Configuration(settings: try Setting(yaml: yaml), isDemo: false).fhirServer.panelService

        #expect(service?.url == "http://127.0.0.1:9/p" && service?.users == ["Practitioner"])
        #expect(service?.timeoutSeconds == 3 && service?.tokenFile == nil)
    }
}
