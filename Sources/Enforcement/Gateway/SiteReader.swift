public import AccessPolicy
internal import FHIRCore
public import NIOCore

/// Reads from a site in this process, for pages of ours that show a person what the person may see.
///
/// It is a request like any other: it is decided, narrowed, admitted and recorded by the same exchange. What it does not
/// do is check a token; whoever calls it says as whom, and has proved who that is.
public struct SiteReader: Sendable {
    private let site: GatewaySite
    private let configuration: GatewayConfiguration
    private let group: any EventLoopGroup

    /// A reader of the site that has this base path; nil when there is none.
    public init?(_ configuration: GatewayConfiguration, basePath: String, group: any EventLoopGroup) {
        guard let site = configuration.sites.first(where: { $0.basePath == basePath }) else { return nil }
        self.site = site
        self.configuration = configuration
        self.group = group
    }

    /// The answer to a GET below the base: its status and its body, whatever they are.
    ///
    /// - Parameters:
    ///   - path: raw, below the base, beginning with `/`.
    ///   - query: raw, without the question mark.
    ///   - access: as whom, and with which scopes.
    ///   - address: where the request came from that needs the look, for the record.
    public func get(
        _ path: String, query: String? = nil, as access: GrantedAccess, from address: String? = nil
    ) async throws -> (status: Int, body: [UInt8]) {
        let receivedAt = configuration.clock()
        await site.enforcer.prepare(for: access, at: receivedAt)
        let eventLoop = group.next()
        let promise = eventLoop.makePromise(of: (status: Int, body: [UInt8]).self)
        let request = ClientRequest(
            method: "GET", path: path, query: query, headers: [("accept", "application/fhir+json")],
            sourceAddress: address, receivedAt: receivedAt)
        eventLoop.execute {
            let keeper = Keeper()
            let driver = ExchangeDriver(site: site, configuration: configuration, eventLoop: eventLoop) { answer in
                keeper.driver = nil
                promise.succeed((answer.status, answer.body))
            }
            keeper.driver = driver
            driver.run(request, as: access)
        }
        return try await promise.futureResult.get()
    }

    /// Holds a driver until it has answered, as the handler of a connection does; the upstream's pool does not.
    private final class Keeper {
        var driver: ExchangeDriver?
    }
}
