internal import Enforcement
internal import FHIRCore
internal import NIOCore

extension Configuration {
    /// Reads `fhir-server.storage-hosts`.
    static func storageHosts(_ server: inout SettingReader) -> [StorageHostSettings] {
        server.maps("storage-hosts").map { reader in
            var reader = reader
            let address = reader.requiredText("address")
            let base = ServerAddress(base: address)
            if base == nil {
                reader.fail("address", "must be an http or https base address without a query, not `\(address)`")
            } else if base?.scheme == .http, base.map({ !ListenAddress.isLoopback($0.host) }) ?? true {
                reader.fail("address", "must be https: files of an export hold everybody's records")
            }
            let headers = reader.maps("headers").map { header in
                var header = header
                let read = StaticHeader(
                    name: header.requiredText("name"), valueFile: header.requiredText("value-file"))
                header.finish()
                return read
            }
            let settings = StorageHostSettings(
                address: address.hasSuffix("/") ? String(address.dropLast()) : address,
                certificateAuthorityFile: reader.text("ca-file"), headers: headers,
                getsUpstreamCredentials: reader.flag("upstream-credentials", default: false),
                allowsPrivateNetwork: reader.flag("private-network", default: false))
            reader.finish()
            return settings
        }
    }
}

extension Configuration.FHIRServer {
    /// The storage hosts as the gateway reaches them.
    ///
    /// - Parameter upstream: the protected server, whose limits hold for them too.
    func storage(beside upstream: UpstreamFHIRServer) throws -> [StorageHost] {
        try storageHosts.map { settings in
            var server = try UpstreamFHIRServer(base: settings.address)
            if settings.getsUpstreamCredentials {
                server.staticHeaders = upstream.staticHeaders
                server.tokenSource = upstream.tokenSource
                server.clientCertificate = upstream.clientCertificate
            }
            server.trustRoots = settings.certificateAuthorityFile.map { .file($0) } ?? .system
            server.staticHeaders += try settings.headers.map {
                try .init(name: $0.name, value: try Configuration.firstLine(of: $0.valueFile))
            }
            server.limits = upstream.limits
            // This machine is named on purpose or not at all: only by a literal or by `localhost`.
            let isMeant = settings.allowsPrivateNetwork || ListenAddress.isLoopback(server.host)
            return StorageHost(server: server) { isMeant || !SpecialPurposeAddress.contains($0) }
        }
    }
}
