internal import Authorization
internal import CertificateTrust
internal import Enforcement
internal import NIOSSL
internal import OAuthCore

extension Configuration {
    /// Whether and how certificates of clients are read (RFC 8705).
    public struct ClientCertificates: Hashable, Sendable {
        /// Whether the TLS listener asks for them; nobody has to have one.
        public var areAskedFor = false
        /// The proxies whose word about them counts, in the headers of RFC 9440, by address or network; nobody's unless
        /// named. That a proxy is believed about addresses says nothing of it.
        public var proxies: [String] = []
        /// The authorities that vouch for them, in PEM; without a file nobody does.
        public var certificateAuthorityFile: String?
        /// The certificates in PEM over which paths to the authorities lead, for clients that show their own alone.
        public var intermediatesFile: String?
        /// The origin at which they are shown, when it is not the issuer's.
        public var origin: String?
        /// How it is known whether they were withdrawn.
        public var revocation = CertificateRevocation()

        public init() {}

        /// Whether any are read at all.
        public var areRead: Bool { areAskedFor || !proxies.isEmpty }
    }

    static func clientCertificates(
        _ top: inout SettingReader, hasTLSListener: Bool
    ) -> ClientCertificates {
        var map = top.map("client-certificates")
        defer { map.finish() }
        var settings = ClientCertificates()
        settings.areAskedFor = map.flag("on-tls-listener", default: false)
        settings.proxies = map.texts("proxies")
        // A network of everybody is no list of proxies.
        for text in settings.proxies
        where !TrustedProxies.isNetwork(text)
            || text.split(separator: "/").dropFirst().contains(where: { Int($0) == 0 })
        {
            map.fail("proxies", "must name addresses or networks such as `192.0.2.7`, not `\(text)`")
        }
        settings.certificateAuthorityFile = map.text("ca-file")
        settings.intermediatesFile = map.text("intermediates-file")
        settings.origin = map.text("origin")
        settings.revocation = certificateRevocation(&map, hasAuthorities: settings.certificateAuthorityFile != nil)
        if settings.intermediatesFile != nil, settings.certificateAuthorityFile == nil {
            map.fail("intermediates-file", "has a meaning only with `ca-file`")
        }
        if settings.areAskedFor, !hasTLSListener { map.fail("on-tls-listener", "needs `listeners.tls`") }
        if !settings.areRead, settings.certificateAuthorityFile != nil || settings.origin != nil {
            map.fail(
                settings.origin == nil ? "ca-file" : "origin",
                "has a meaning only with `on-tls-listener` or `proxies`")
        }
        if let origin = settings.origin, IssuerAddress(origin)?.isHTTPS != true {
            map.fail("origin", "must be `https://host[:port]` without a path, not `\(origin)`")
        }
        return settings
    }

    /// What the pipeline of the public listeners is told; nil where no certificates are read.
    var certificateSources: ClientCertificateHandler.Sources? {
        guard clientCertificates.areRead else { return nil }
        return .init(
            ownTLS: clientCertificates.areAskedFor,
            proxies: TrustedProxies(clientCertificates.proxies, header: .forwarded))
    }

    /// Who vouches for certificates; nil where nobody does.
    ///
    /// - Parameter forgetsLists: whether lists in the state folder that do not hold under this configuration are removed: by
    ///   a server, and not by a command, whose configuration need not be the server's.
    /// - Throws: when the authorities cannot be read.
    func certificateJudge(
        fetch: any OutboundFetching, clock: Clock, forgetsLists: Bool
    ) throws -> ClientCertificateJudge? {
        guard let file = clientCertificates.certificateAuthorityFile else { return nil }
        guard let authorities = CertificateAuthorities(pem: Array(try Self.content(of: file).utf8)) else {
            throw ConfigurationError([
                .init(
                    origin: nil, path: "client-certificates.ca-file",
                    message: "`\(file)` holds no certificates in PEM, or one that cannot be read")
            ])
        }
        let settings = clientCertificates.revocation
        return ClientCertificateJudge(
            authorities: authorities, demand: settings.demand,
            keeper: settings.keeper(fetch: fetch, clock: clock, folder: stateDirectory),
            intermediates: try intermediates(), forgetsLists: forgetsLists)
    }

    private func intermediates() throws -> [[UInt8]] {
        guard let file = clientCertificates.intermediatesFile else { return [] }
        do {
            return try NIOSSLCertificate.fromPEMFile(file).map { try $0.toDERBytes() }
        } catch {
            throw ConfigurationError([
                .init(
                    origin: nil, path: "client-certificates.intermediates-file",
                    message: "`\(file)` holds no certificates in PEM, or one that cannot be read")
            ])
        }
    }

    /// What the authorization server says about certificates.
    var announcedCertificates: AuthorizationConfiguration.ClientCertificates? {
        guard clientCertificates.areRead else { return nil }
        return .init(
            origin: clientCertificates.origin ?? issuer.text,
            hasAuthorities: clientCertificates.certificateAuthorityFile != nil)
    }
}
