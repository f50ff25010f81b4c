internal import AsyncHTTPClient
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import OAuthCore

/// Fetches documents from other parties: the address is looked up once, judged, and connected to as judged; no
/// redirects are followed, nothing large is read, nothing is waited for long (decision 25).
struct GuardedFetch: Sendable {
    enum Failure: Error, Hashable {
        case badAddress, unresolvable, forbiddenAddress, status(UInt), notJSON
    }

    /// Whether addresses on private networks may be reached, because the operator says that the party is there.
    let allowsPrivateNetworks: Bool

    private static let timeout = TimeAmount.seconds(5)
    private static let longest = 256 << 10

    /// The document at an address.
    func get(_ url: String) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "accept", value: "application/json")
        return try await send(request)
    }

    /// Asks an introspection endpoint about a token (RFC 7662 §2.1), as a client with a secret (RFC 6749 §2.3.1).
    func introspect(_ token: String, at url: String, clientID: String, secret: Secret) async throws -> JSONValue {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        let credentials =
            FormParameters.encode(clientID) + ":" + FormParameters.encode(secret.reveal())
        request.headers.add(name: "authorization", value: "Basic " + Base64.encode(Array(credentials.utf8)))
        request.headers.add(name: "accept", value: "application/json")
        request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
        request.body = .bytes(ByteBuffer(string: "token=\(FormParameters.encode(token))&token_type_hint=access_token"))
        let bytes = try await send(request)
        do throws(JSONSyntaxError) { return try JSONValue(parsing: bytes) } catch { throw Failure.notJSON }
    }

    func send(_ request: HTTPClientRequest) async throws -> [UInt8] {
        guard let target = FetchTarget(request.url) else { throw Failure.badAddress }
        let address = try await resolve(target)
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: Self.timeout, read: Self.timeout))
        // The connection goes to the address that was judged; the certificate is still the name's.
        configuration.dnsOverride = [target.host: address]
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<[UInt8], any Error>
        do {
            let response = try await client.execute(request, timeout: Self.timeout)
            guard response.status == .ok else { throw Failure.status(response.status.code) }
            result = .success(Array(buffer: try await response.body.collect(upTo: Self.longest)))
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        return try result.get()
    }

    /// The address of a host, if it may be connected to.
    private func resolve(_ target: FetchTarget) async throws -> String {
        // RFC 6761 §6.3: never asked of a name server; we listen on IPv4.
        if target.host == "localhost" { return "127.0.0.1" }
        let address = try await NIOThreadPool.singleton.runIfActive {
            try SocketAddress.makeAddressResolvingHost(target.host, port: target.port)
        }
        guard let text = address.ipAddress else { throw Failure.unresolvable }
        // This machine is named on purpose or not at all: only by a literal or by `localhost`.
        let isMeant = ListenAddress.isLoopback(target.host) || allowsPrivateNetworks
        guard isMeant || !SpecialPurposeAddress.contains(address) else { throw Failure.forbiddenAddress }
        return text
    }
}
