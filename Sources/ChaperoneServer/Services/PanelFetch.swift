internal import AsyncHTTPClient
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import OAuthCore

/// Asks a service of the site's who a user's patients are.
///
/// The address is the operator's own, so that it may lead into private networks; no redirect is followed, nothing large is
/// read and nothing is waited for long. Whatever is not a plain 200 in JSON is no answer.
struct PanelFetch: Sendable {
    enum Failure: Error, Hashable {
        case status(UInt), notJSON
    }

    let url: String
    let token: Secret?
    let certificateAuthorityFile: String?
    let timeoutSeconds: Int

    /// Room for the most patients that a panel may have, whatever their ids.
    private static let longest = 512 << 10

    /// The body of the answer about a user.
    func panel(of user: InstanceKey) async throws -> [UInt8] {
        let timeout = TimeAmount.seconds(Int64(timeoutSeconds))
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: timeout, read: timeout))
        if let certificateAuthorityFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(certificateAuthorityFile)
            configuration.tlsConfiguration = tls
        }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<[UInt8], any Error>
        do { result = .success(try await ask(about: user, client, within: timeout)) } catch { result = .failure(error) }
        try await client.shutdown()
        return try result.get()
    }

    private func ask(about user: InstanceKey, _ client: HTTPClient, within timeout: TimeAmount) async throws -> [UInt8]
    {
        // An id has no character that means something in a query; the slash is encoded all the same.
        var request = HTTPClientRequest(
            url: url + (url.contains("?") ? "&" : "?") + "user=\(user.type.rawValue)%2F\(user.id.text)")
        request.headers.add(name: "accept", value: "application/json")
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token.reveal())") }
        let response = try await client.execute(request, timeout: timeout)
        guard response.status == .ok else { throw Failure.status(response.status.code) }
        let type = response.headers.first(name: "content-type")?.split(separator: ";").first ?? ""
        guard type.lowercased() == "application/json" else { throw Failure.notJSON }
        return Array(buffer: try await response.body.collect(upTo: Self.longest))
    }
}
