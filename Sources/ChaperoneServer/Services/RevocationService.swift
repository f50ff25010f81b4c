internal import Authorization
internal import Logging
internal import ServiceLifecycle

/// Looks every second whether memory knows all that was revoked in the store.
///
/// What this process ends it knows at once. This is for a change that failed so that nobody knows whether it stands: until
/// the store has been read, everything is refused.
struct RevocationService: Service {
    let server: AuthorizationServer
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var hasFailed = false
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
                do {
                    try await server.followRevocations()
                    hasFailed = false
                } catch {
                    if !hasFailed {
                        logger.error("revocations could not be read", metadata: ["error": "\(error)"])
                    }
                    hasFailed = true
                }
            }
        }
    }
}
