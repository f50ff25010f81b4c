internal import AsyncHTTPClient
internal import Authorization
internal import NIOCore
internal import NIOHTTP1

extension Configuration {
    /// What asks identity providers and the site's member services.
    func providerFetch() -> any OutboundFetching { GuardedFetch(allowsPrivateNetworks: false) }
}

extension GuardedFetch: OutboundFetching {
    func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
        var sent = HTTPClientRequest(url: request.url)
        for header in request.headers { sent.headers.add(name: header.name, value: header.value) }
        sent.headers.add(name: "accept", value: "application/json")
        switch request.method {
        case .get: break
        case .postForm(let form):
            sent.method = .POST
            sent.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
            sent.body = .bytes(ByteBuffer(string: form))
        case .postJSON(let body):
            sent.method = .POST
            sent.headers.add(name: "content-type", value: "application/json")
            sent.body = .bytes(ByteBuffer(bytes: body))
        }
        do { return OutboundAnswer(status: 200, body: try await send(sent)) } catch Failure.status(let status) {
            return OutboundAnswer(status: Int(status), body: [])
        } catch { throw .unreachable("\(error)") }
    }
}
