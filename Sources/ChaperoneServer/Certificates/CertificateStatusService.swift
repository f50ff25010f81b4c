internal import CertificateTrust
internal import Logging
internal import OAuthCore
internal import ServiceLifecycle

/// Reads the operator's lists again when they change, fetches the others before they end, and says who was withdrawn.
struct CertificateStatusService: Service {
    let judge: ClientCertificateJudge
    /// How often it looks, in seconds.
    let seconds: Int
    let clock: Clock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var told: [String: String] = [:]
            // What was wrong at the start.
            tell(judge.keeper.files.problems, &told)
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(seconds)) } catch { return }
                var problems = judge.keeper.files.reload()
                for (url, failure) in await judge.keeper.sources.renew() { problems[url] = "\(failure)" }
                tell(problems, &told)
                for thumbprint in judge.newlyWithdrawn(at: clock.now()) {
                    logger.notice(
                        "the certificate of a client was withdrawn; tokens that are bound to it are refused",
                        metadata: ["certificate.thumbprint": "\(thumbprint)"])
                }
            }
        }
    }

    /// Writes problems into the log that were not there the last time.
    private func tell(_ problems: [String: String], _ told: inout [String: String]) {
        for (place, problem) in problems.sorted(by: { $0.key < $1.key }) where told[place] != problem {
            logger.error(
                "the status of certificates cannot be renewed; what is known counts until it ends",
                metadata: ["place": "\(place)", "problem": "\(problem)"])
        }
        told = problems
    }
}
