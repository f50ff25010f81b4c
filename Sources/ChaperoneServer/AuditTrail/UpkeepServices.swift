internal import Audit
internal import Logging
internal import OAuthCore
internal import ServiceLifecycle

/// Looks at the disk of the audit log once a minute.
struct DiskWatchService: Service {
    let forecast: DiskForecast
    let clock: Clock

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                forecast.sample(at: clock.milliseconds())
                do { try await Task.sleep(for: .seconds(60)) } catch { return }
            }
        }
    }
}

/// Takes out of the audit log what has been kept long enough: soon after the start, for a server may be started more
/// often than any time that it could wait, and a few times a day.
struct RetentionService: Service {
    let side: AuditSide
    let logger: Logger
    /// How long after the start the first round is, and how long after each the next.
    var pauses: (first: Duration, between: Duration) = (.seconds(60), .seconds(6 * 3600))

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var pause = pauses.first
            while !Task.isCancelled {
                do { try await Task.sleep(for: pause) } catch { return }
                pause = pauses.between
                do {
                    let outcome = try await side.goOnRetaining()
                    if outcome.removed > 0 {
                        logger.info(
                            "audit records were removed, their time being over",
                            metadata: ["records": "\(outcome.removed)"])
                    }
                } catch {
                    logger.error("audit records could not be removed", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
