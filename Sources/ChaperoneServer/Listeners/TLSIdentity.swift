internal import NIOSSL

/// The certificate and key with which the public side is served over TLS, read once at start.
struct TLSIdentity: Sendable {
    private let shared: NIOSSLContext
    private let configuration: TLSConfiguration
    private let asksForCertificates: Bool

    /// Reads both files; the key's file must be its owner's alone.
    ///
    /// - Parameter asksForCertificates: whether clients are asked for certificates of their own, which nobody has to have.
    init(_ settings: Configuration.TLSListener, asksForCertificates: Bool = false) throws {
        try PrivateFile.demandPrivate(settings.keyFile)
        let chain = try NIOSSLCertificate.fromPEMFile(settings.certificateFile)
        let key = try NIOSSLPrivateKey(file: settings.keyFile, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        // SMART 2.2: TLS 1.2 or later, and nothing before it.
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if asksForCertificates {
            configuration.certificateVerification = .optionalVerification
            // What clients show is judged by `ShownChain` and those behind it, never by the system's authorities.
            configuration.trustRoots = .certificates([])
        }
        self.configuration = configuration
        self.asksForCertificates = asksForCertificates
        shared = try NIOSSLContext(configuration: configuration)
    }

    /// What a new connection's TLS is made of.
    ///
    /// A resumed session brings the certificate and not what leads from it to an authority, and nothing asks again. So
    /// where certificates are asked for each connection has keys for tickets of its own, which open no other's: every
    /// handshake is a whole one.
    func context() throws -> NIOSSLContext {
        asksForCertificates ? try NIOSSLContext(configuration: configuration) : shared
    }
}
