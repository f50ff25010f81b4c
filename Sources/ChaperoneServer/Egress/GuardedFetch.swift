internal import Authorization
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// Asks other parties: the name is looked up once, its address judged, and the socket judged again once it is
/// connected and before anything is sent; no redirects are followed, nothing large is read, nothing is waited for long
/// (decision 25).
///
/// Every request has a connection of its own: what is asked is rare, and a kept connection would be a kept judgement.
struct GuardedFetch: OutboundFetching {
    let policy: EgressPolicy
    private let trust: OutboundTrustRoots
    private let lookUp: @Sendable (String, Int) throws -> SocketAddress
    private let isSpecial: @Sendable (SocketAddress) -> Bool

    /// - Parameters:
    ///   - certificateAuthorityFile: authorities in PEM that count beside the system's for configured addresses.
    ///   - lookUp: finds the address of a name; may block.
    ///   - isSpecial: whether an address is not public.
    init(
        policy: EgressPolicy, certificateAuthorityFile: String? = nil,
        lookUp: @escaping @Sendable (String, Int) throws -> SocketAddress = Self.systemLookUp,
        isSpecial: @escaping @Sendable (SocketAddress) -> Bool = SpecialPurposeAddress.contains
    ) {
        self.policy = policy
        trust = OutboundTrustRoots(certificateAuthorityFile)
        self.lookUp = lookUp
        self.isSpecial = isSpecial
    }

    func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
        guard let target = FetchTarget(request.url) else { throw .badAddress }
        let route = try policy.route(to: target, trust: request.trust)
        let deadline = NIODeadline.now() + .milliseconds(request.milliseconds)
        do {
            let address: SocketAddress
            var tunnel: FetchTarget?
            let admits: @Sendable (SocketAddress) -> Bool
            switch route {
            case .proxy(let proxy):
                address = try await find(proxy.host, proxy.port, before: deadline)
                tunnel = target
                admits = { _ in true }
            case .anyAddress:
                address = try await find(target.host, target.port, before: deadline)
                admits = { _ in true }
            case .publicAddress:
                address = try await find(target.host, target.port, before: deadline)
                let isSpecial = isSpecial
                admits = { !isSpecial($0) }
            }
            guard admits(address) else { throw OutboundFailure.forbiddenAddress }
            let connection = OutboundConnection(
                address: address, target: target, tunnel: tunnel, admits: admits,
                tls: target.isSecure ? try trust.context(for: request.trust) : nil, deadline: deadline)
            return try await connection.exchange(request)
        } catch {
            let failure = error as? OutboundFailure ?? .unreachable("\(error)")
            // The connection is cut when the time is over, so that is what it then means that it ended.
            if case .unreachable = failure, NIODeadline.now() >= deadline { throw .timedOut }
            throw failure
        }
    }

    /// Looks a name up on a thread that may block, and waits no longer than allowed.
    private func find(_ host: String, _ port: Int, before deadline: NIODeadline) async throws -> SocketAddress {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: SocketAddress.self)
        let timer = loop.scheduleTask(deadline: deadline) { promise.fail(OutboundFailure.timedOut) }
        let lookUp = lookUp
        NIOThreadPool.singleton.submit { state in
            guard case .active = state else { return promise.fail(OutboundFailure.unresolvable) }
            do { promise.succeed(try lookUp(host, port)) } catch { promise.fail(OutboundFailure.unresolvable) }
        }
        defer { timer.cancel() }
        return try await promise.futureResult.get()
    }

    /// The system's name service. `localhost` is this machine without being asked for (RFC 6761 §6.3); we listen on IPv4.
    @Sendable static func systemLookUp(_ host: String, _ port: Int) throws -> SocketAddress {
        if host == "localhost" { return try SocketAddress(ipAddress: "127.0.0.1", port: port) }
        return try SocketAddress.makeAddressResolvingHost(host, port: port)
    }
}

/// The authorities that certificates of other parties are checked against, read when they are first needed.
///
/// A class because all requests share what was read; the lock is `contexts`.
final class OutboundTrustRoots: Sendable {
    private let file: String?
    private let contexts = Mutex<[AddressTrust: NIOSSLContext]>([:])

    init(_ file: String?) { self.file = file }

    /// The authorities of an operator's file count for what the operator wrote, not for what a client names.
    func context(for trust: AddressTrust) throws -> NIOSSLContext {
        if let known = contexts.withLock({ $0[trust] }) { return known }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if trust == .configured, let file { configuration.additionalTrustRoots = [.file(file)] }
        let made = try NIOSSLContext(configuration: configuration)
        contexts.withLock { $0[trust] = made }
        return made
    }
}
