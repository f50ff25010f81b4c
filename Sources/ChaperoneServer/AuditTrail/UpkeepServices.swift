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

/// Takes out of the audit log what has been kept long enough, a few times a day.
struct RetentionService: Service {
    let side: AuditSide
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(6 * 3600)) } catch { return }
                do {
                    let outcome = try await side.retain(isRehearsal: false)
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
