internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Enforcement
internal import Logging
internal import OAuthCore
internal import ServiceLifecycle

/// Writes what was refused without a record of its own, once in every interval and when the server stops.
struct RefusalSummaryService: Service {
    /// One ledger, and what refused.
    struct Ledger: Sendable {
        let place: String
        let refusals: RefusalLedger
    }

    let ledgers: [Ledger]
    let record: @Sendable (AuthorizationRecord) async throws -> Void
    let clock: Clock
    let random: RandomSource
    let logger: Logger

    func run() async throws {
        let seconds = ledgers.map(\.refusals.limits.interval).min() ?? 60
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(seconds)) } catch { return }
                await write()
            }
        }
        await write()
    }

    /// Writes all sums so far; what cannot be written stays for the next time.
    func write() async {
        for ledger in ledgers {
            var left = ledger.refusals.close()[...]
            while let summary = left.first {
                let now = clock.milliseconds()
                do {
                    try await record(
                        summary.record(id: DecisionID(random.identifier()), place: ledger.place, at: now))
                } catch {
                    ledger.refusals.putBack(Array(left))
                    logger.error("refusals could not be summed up in the audit trail", metadata: ["error": "\(error)"])
                    break
                }
                left = left.dropFirst()
            }
        }
    }
}

extension Installation {
    /// The service that writes the sums of this process.
    func refusalSummaries(_ gateway: GatewaySide, logger: Logger) -> RefusalSummaryService {
        let recorder = recorder
        return RefusalSummaryService(
            ledgers: [
                .init(place: "fhir", refusals: gateway.enforcer.refusals),
                .init(place: "authorization", refusals: server.refusals),
            ], record: { try await recorder.recordOnce($0) }, clock: clock, random: random, logger: logger)
    }
}
