internal import Authorization

/// Where outbound requests may go (decision 25). Pure: it judges texts; what a name leads to is judged by its address.
struct EgressPolicy: Hashable, Sendable {
    /// The hosts that may be on a private network, by their exact names in lower case; only for addresses that the
    /// operator wrote.
    var privateHosts: Set<String> = []
    /// The ports that an address named by a certificate may have at such a host, beside the usual ones.
    var privatePorts: Set<Int> = []
    /// The ports that an address named by a client may have.
    var clientPorts: Set<Int> = [443]
    /// The proxy through which everything that is not private goes.
    var proxy: Proxy?

    /// A proxy, which looks up names in our place, so that hosts are listed instead of addresses judged.
    struct Proxy: Hashable, Sendable {
        let host: String
        let port: Int
        let allowedHosts: Set<String>
    }

    /// The way of one request.
    enum Route: Hashable, Sendable {
        /// To an address that must be public.
        case publicAddress
        /// To an address of any kind.
        case anyAddress
        case proxy(Proxy)
    }

    /// The way to a target; throws where there is none.
    func route(to target: FetchTarget, trust: AddressTrust) throws(OutboundFailure) -> Route {
        switch trust {
        case .client:
            guard target.isSecure, clientPorts.contains(target.port) else { throw .badAddress }
        case .certificate:
            let isNear = privateHosts.contains(target.host)
            // What is fetched there is signed: the way is nothing that it rests on.
            let isUsual = target.isSecure ? clientPorts.contains(target.port) : target.port == 80
            // That a host is listed is said for its lists, and for nothing else that it has on another port.
            guard isUsual || isNear && privatePorts.contains(target.port) else { throw .badAddress }
            if isNear { return .anyAddress }
        case .configured:
            let isNear = ListenAddress.isLoopback(target.host) || privateHosts.contains(target.host)
            if isNear { return .anyAddress }
            guard target.isSecure else { throw .badAddress }
        }
        guard let proxy else { return .publicAddress }
        // Through a proxy no address is seen here: a private host must not be reached by a client's word either.
        guard proxy.allowedHosts.contains(target.host) else { throw .hostNotListed }
        if trust == .client, privateHosts.contains(target.host) { throw .forbiddenAddress }
        return .proxy(proxy)
    }

    /// What differs from the default, for log and health; nil when nothing does.
    var remark: String? {
        proxy.map {
            "outbound requests go through the proxy \($0.host):\($0.port) to \($0.allowedHosts.count) listed hosts; "
                + "addresses are judged by the proxy"
        }
    }
}
