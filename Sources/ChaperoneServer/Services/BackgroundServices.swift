internal import Authorization
public import Logging
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
