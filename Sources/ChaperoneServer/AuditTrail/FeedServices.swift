internal import AsyncHTTPClient
internal import Audit
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import ServiceLifecycle

/// The way to a feed's receiver while the server runs, and how to let go of it.
struct OpenFeed: Sendable {
    let transport: AuditFeedTransport
    let close: @Sendable () async -> Void
}

/// Makes the services of the configured feeds.
enum FeedServices {
    /// One service for each feed; nothing is opened before it runs.
    static func make(_ installation: Installation, logger: Logger) throws -> [any Service] {
        let configuration = installation.configuration
        let recorder = installation.recorder
        return try configuration.audit.feeds.map { feed in
            // What stands in files is read now, so that a mistake stops the start.
            let authorization = try feed.authorizationFile.map { try Configuration.firstLine(of: $0) }
            if let file = feed.certificateAuthorityFile { _ = try NIOSSLCertificate.fromPEMFile(file) }
            return FeedService(
                settings: feed, side: installation.auditSide, clock: installation.clock, logger: logger,
                record: { try await recorder.recordOnce($0) }
            ) { try open(feed, configuration, authorization: authorization) }
        }
    }

    private static func open(
        _ feed: Configuration.FeedSettings, _ configuration: Configuration, authorization: String?
    ) throws -> OpenFeed {
        let system = configuration.auditSystem
        switch feed.destination {
        case .file(let path):
            return OpenFeed(transport: FileTransport(path: path, system: system).transport, close: {})
        case .syslog(let host, let port):
            let syslog = try SyslogTransport(
                host: host, port: port, certificateAuthorityFile: feed.certificateAuthorityFile, system: system,
                ownName: configuration.issuer.host)
            return OpenFeed(transport: syslog.transport, close: { await syslog.close() })
        case .http(let url): return posting(url, .lines, feed, authorization, system)
        case .fhir(let url): return posting(url, .fhir, feed, authorization, system)
        }
    }

    private static func posting(
        _ url: String, _ form: HTTPTransport.Form, _ feed: Configuration.FeedSettings, _ authorization: String?,
        _ system: AuditSystem
    ) -> OpenFeed {
        var settings = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10), read: .seconds(30)))
        if let file = feed.certificateAuthorityFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(file)
            settings.tlsConfiguration = tls
        }
        let client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: settings)
        let transport = HTTPTransport(
            url: url, form: form, authorization: authorization, system: system, client: client
        ).transport
        return OpenFeed(transport: transport, close: { try? await client.shutdown() })
    }
}
