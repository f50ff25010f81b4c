internal import Authorization
internal import Enforcement
public import Logging
internal import NIOPosix
public import SandboxFHIR
internal import ServiceLifecycle
internal import UnixSignals

/// Removes what has expired, every few minutes.
struct SweepService: Service {
    let server: AuthorizationServer
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(300)) } catch { return }
                do {
                    let removed = try await server.sweep()
                    logger.debug("expired rows were removed", metadata: ["rows": "\(removed)"])
                } catch {
                    logger.error("expired rows could not be removed", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

/// Reads the protected server's CapabilityStatement at the start and keeps it fresh. What is wrong with it is logged when
/// it changes, and keeps the server from being ready.
struct CapabilityService: Service {
    let gateway: GatewaySide
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var told: String?
            var failures = 0
            while !Task.isCancelled {
                let loop = MultiThreadedEventLoopGroup.singleton.next()
                let problem = await gateway.capabilities.renew(over: gateway.pools, on: loop)
                failures = problem == nil ? 0 : failures + 1
                // A server that starts together with this one may need a moment.
                if let problem, problem != told, failures > 5 {
                    logger.error("the protected server cannot be served", metadata: ["problem": "\(problem)"])
                    told = problem
                } else if problem == nil, told != nil {
                    logger.info("the protected server can be served")
                    told = nil
                }
                do { try await Task.sleep(for: pause(after: failures)) } catch { return }
            }
        }
    }

    private func pause(after failures: Int) -> Duration {
        guard failures > 0 else { return .seconds(gateway.capabilities.lifetime) }
        return min(.milliseconds(50 << min(failures, 16)), .seconds(gateway.capabilities.failureLifetime))
    }
}

/// The embedded FHIR store as a service.
struct SandboxService: Service {
    let server: SandboxServer
    let board: ListenerBoard

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let port = try await server.boundPort
            board.up("sandbox", port: port)
            try await group.waitForAll()
        }
    }
}

/// Runs the embedded FHIR store alone, until the process is told to stop.
public enum SandboxRunner {
    public static func run(_ server: SandboxServer, host: String, logger: Logger) async throws {
        let board = ListenerBoard(expected: ["sandbox"])
        let group = ServiceGroup(
            services: [SandboxService(server: server, board: board)], gracefulShutdownSignals: [.sigint, .sigterm],
            logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                guard let ports = await board.allUp() else { return }
                print("sandbox  http://\(host):\(ports["sandbox"] ?? 0)\(SandboxServer.basePath)")
            }
            tasks.addTask {
                defer { board.end() }
                try await group.run()
            }
            try await tasks.waitForAll()
        }
    }
}
