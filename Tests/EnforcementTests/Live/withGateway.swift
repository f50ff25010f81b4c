import ChaperoneTesting

@testable import Enforcement

/// The record that a loopback server answers with unless a test says otherwise.
let patientA = #"{"resourceType":"Patient","id":"pA","meta":{"versionId":"1"},"name":[{"family":"Alpha"}]}"#

/// A gateway before a loopback server, both ended whatever the body does.
func withGateway(
    limits: GatewayLimits = GatewayLimits(), upstreamLimits: UpstreamLimits = UpstreamLimits(),
    enforcerLimits: Enforcer.Limits = Enforcer.Limits(), proxies: TrustedProxies = .none,
    sink: InMemoryAuditSink = InMemoryAuditSink(),
    upstream conduct: @escaping @Sendable (LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct = { _ in
        .answer(200, patientA, headers: [("etag", "W/\"1\""), ("x-secret", "inner"), ("server", "inner")])
    },
    _ body: (LiveGateway, LoopbackUpstream) async throws -> Void
) async throws {
    let upstream = try await LoopbackUpstream.start(conduct)
    var server = try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)/r4")
    server.limits = upstreamLimits
    server.staticHeaders = [try .init(name: "X-Api-Key", value: "k")]
    let gateway = try await LiveGateway.start(
        upstream: server, limits: limits, enforcerLimits: enforcerLimits, proxies: proxies, sink: sink)
    do { try await body(gateway, upstream) } catch {
        try await gateway.stop()
        try await upstream.stop()
        throw error
    }
    try await gateway.stop()
    try await upstream.stop()
}
