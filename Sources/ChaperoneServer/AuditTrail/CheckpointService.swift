internal import Logging
internal import ServiceLifecycle

/// Makes a signed checkpoint of the audit trail every so often.
struct CheckpointService: Service {
    let side: AuditSide
    let seconds: Int
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(seconds)) } catch { return }
                do { try await side.checkpoint() } catch {
                    logger.error("no checkpoint of the audit trail could be made", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
