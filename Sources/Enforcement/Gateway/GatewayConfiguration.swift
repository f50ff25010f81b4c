public import Audit

/// One protected FHIR server as the gateway shows it: its public base, its rules and the way to it.
public struct GatewaySite: Sendable {
    /// Path of the public FHIR base, such as `/fhir`; never with a slash at the end.
    public let basePath: String
    let enforcer: Enforcer
    let upstream: UpstreamPools
    /// The ways to the hosts on which its exports' files may stand.
    let storage: [UpstreamPools]
    let audit: AuditRecorder
    let capabilities: CapabilitySource
    let crossOrigin: CrossOriginPolicy
    /// Paths below the base that somebody else on this listener answers, such as `/.well-known/smart-configuration`.
    let passedOn: Set<String>
    /// Whether a request that asks for it gets the explanation of its decision in a header; in the demo only.
    let explains: Bool

    /// A site under this path.
    public init(
        basePath: String, enforcer: Enforcer, upstream: UpstreamPools, storage: [UpstreamPools] = [],
        audit: AuditRecorder,
        capabilities: CapabilitySource, crossOrigin: CrossOriginPolicy = .everyOrigin,
        passedOn: Set<String> = ["/.well-known/smart-configuration", "/.well-known/udap"],
        explains: Bool = false
    ) {
        self.explains = explains
        self.basePath = basePath
        self.enforcer = enforcer
        self.upstream = upstream
        self.storage = storage
        self.audit = audit
        self.capabilities = capabilities
        self.crossOrigin = crossOrigin
        self.passedOn = passedOn
    }

    /// The way to whom a request is for; nil when it is for a storage host that is not ours to ask.
    func pools(for request: UpstreamRequest) -> UpstreamPools? {
        guard let base = request.storage else { return upstream }
        return storage.first { $0.server.base == base }
    }

    var preflight: WireAnswer { .preflight(crossOrigin) }

    /// Whether a raw request target lies within the base and is ours to answer. Spellings that another hop might
    /// decode into the base are not ours: whoever answers them knows no FHIR data.
    func owns(_ target: String) -> Bool {
        guard target.utf8.starts(with: basePath.utf8) else { return false }
        let below = target.utf8.dropFirst(basePath.utf8.count).prefix { $0 != UInt8(ascii: "?") }
        guard below.isEmpty || below.first == UInt8(ascii: "/") else { return false }
        return !passedOn.contains { below.elementsEqual($0.utf8) }
    }
}

/// What the handler of a connection needs to know.
public struct GatewayConfiguration: Sendable {
    /// The FHIR bases of the listener.
    public var sites: [GatewaySite]
    /// The values of `Host` that are ours, lower case and with the port where it is not the scheme's own.
    public var hosts: Set<String>
    /// What one connection may cost.
    public let limits: GatewayLimits
    /// The places of answers that stream, on all connections.
    let streams: StreamSlots
    /// Which proxies are believed about whom they ask for.
    public var proxies: TrustedProxies
    /// Whether a handler in front has seen to it that `Client-Cert` is nobody's word but ours or a trusted proxy's.
    public var saysCertificates = false
    /// Milliseconds since 1970 UTC.
    public var clock: @Sendable () -> Int64

    /// A configuration of these sites.
    public init(
        sites: [GatewaySite], hosts: Set<String>, limits: GatewayLimits = GatewayLimits(),
        proxies: TrustedProxies = .none, clock: @escaping @Sendable () -> Int64
    ) {
        self.sites = sites
        self.hosts = hosts
        self.limits = limits
        streams = StreamSlots(mostOfClient: limits.streamsOfClient, most: limits.streams)
        self.proxies = proxies
        self.clock = clock
    }

    func site(for target: String) -> GatewaySite? { sites.first { $0.owns(target) } }
}
