internal import AccessPolicy
internal import Authorization
internal import OAuthCore

extension Configuration {
    /// How other parties are asked (decision 25).
    public struct Egress: Hashable, Sendable {
        /// The hosts that may be on a private network, for addresses that stand in this configuration.
        public var privateHosts: [String] = []
        /// The ports that an address in a certificate may have at such a host, beside 80 and 443.
        public var privatePorts: [Int] = []
        /// Authorities in PEM that are believed beside the system's, for addresses that stand in this configuration.
        public var certificateAuthorityFile: String?
        /// The proxy, as `host:port`; nil where requests go out directly.
        public var proxy: ListenAddress?
        /// The hosts that may be asked through the proxy.
        public var allowedHosts: [String] = []

        public init() {}
    }

    static func egress(_ top: inout SettingReader) -> Egress {
        var map = top.map("egress")
        defer { map.finish() }
        var egress = Egress()
        egress.privateHosts = hosts(&map, "private-hosts")
        egress.privatePorts = map.texts("private-ports").map { text in
            guard let port = Int(text), (1...65_535).contains(port) else {
                map.fail("private-ports", "must hold ports such as 8080, not `\(text)`")
                return 0
            }
            return port
        }
        if egress.privateHosts.isEmpty, !egress.privatePorts.isEmpty {
            map.fail("private-ports", "has a meaning only with `private-hosts`")
        }
        egress.certificateAuthorityFile = map.text("ca-file")
        egress.allowedHosts = hosts(&map, "allowed-hosts")
        if let text = map.text("proxy") {
            egress.proxy = ListenAddress(text)
            if egress.proxy == nil { map.fail("proxy", "must be `host:port`, not `\(text)`") }
            if egress.allowedHosts.isEmpty {
                map.fail(
                    "allowed-hosts", "is required with `proxy`: a proxy looks names up for us, so hosts are listed")
            }
        } else if !egress.allowedHosts.isEmpty {
            map.fail("allowed-hosts", "has a meaning only with `proxy`")
        }
        return egress
    }

    /// Exact host names or address literals, in lower case.
    static func hosts(_ map: inout SettingReader, _ key: String) -> [String] {
        map.texts(key).map { text in
            guard let (host, port) = ListenAddress.split(text), port == nil else {
                map.fail(key, "must hold host names such as `keys.example.org`, not `\(text)`")
                return text
            }
            return host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        }
    }
}

extension Configuration {
    /// The keys that clients publish. An address is the operator's word where this configuration names it for the client.
    func publishedKeys(by fetch: any OutboundFetching, clock: Clock) -> PublishedClientKeys {
        var addresses: [ClientID: String] = [:]
        for client in clients { addresses[ClientID(client.id)] = client.keysURL }
        return PublishedClientKeys(fetch: fetch, clock: clock) { [addresses] client, url in
            addresses[client] == url ? .configured : .client
        }
    }
}

extension Configuration.Egress {
    /// What asks other parties.
    ///
    /// - Parameter alsoPrivate: an address of the configuration whose host may be on a private network.
    func fetch(alsoPrivate url: String? = nil) -> GuardedFetch {
        var policy = policy
        if let host = url.flatMap(FetchTarget.init)?.host { policy.privateHosts.insert(host) }
        return GuardedFetch(policy: policy, certificateAuthorityFile: certificateAuthorityFile)
    }

    var policy: EgressPolicy {
        EgressPolicy(
            privateHosts: Set(privateHosts), privatePorts: Set(privatePorts),
            proxy: proxy.map { .init(host: $0.host, port: $0.port, allowedHosts: Set(allowedHosts)) })
    }
}
