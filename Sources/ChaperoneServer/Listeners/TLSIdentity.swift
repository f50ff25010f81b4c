internal import NIOSSL

/// The certificate and key with which the public side is served over TLS, read once at start.
struct TLSIdentity: Sendable {
    let context: NIOSSLContext

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
        if asksForCertificates { configuration.certificateVerification = .optionalVerification }
        context = try NIOSSLContext(configuration: configuration)
    }
}
