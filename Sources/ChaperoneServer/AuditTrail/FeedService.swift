internal import Audit
internal import Logging
internal import NIOPosix
internal import OAuthCore
internal import Persistence
internal import ServiceLifecycle

/// Drives one feed until the server stops: reads, sends, remembers, waits.
struct FeedService: Service {
    let settings: Configuration.FeedSettings
    let side: AuditSide
    let clock: Clock
    let logger: Logger
    let record: @Sendable (AuthorizationRecord) async throws -> Void
    let open: @Sendable () throws -> OpenFeed

    private var watch: AuditWatch { side.watch }
    private var work: String { "feed \(settings.name)" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            // A service that returned would take the server with it: whatever ends a feed, it is begun again.
            while !Task.isCancelled {
                do {
                    let opened = try open()
                    let result: Result<Void, any Error>
                    do { result = .success(try await feed(opened.transport)) } catch { result = .failure(error) }
                    await opened.close()
                    try result.get()
                } catch is CancellationError {
                    return
                } catch {
                    watch.failed(work, "\(error)")
                    logger.error(
                        "a feed of the audit trail cannot run",
                        metadata: ["feed": "\(settings.name)", "error": "\(error)"])
                }
                do { try await Task.sleep(for: .seconds(60)) } catch { return }
            }
        }
    }

    private func feed(_ transport: AuditFeedTransport) async throws {
        let name = settings.name
        let delivered = try await side.beginning(of: name, carrying: settings.source)
        if let fault = delivered.fault {
            logger.error(
                "how far a feed of the audit trail had come is not believed: it delivers again from the beginning",
                metadata: ["feed": "\(name)", "fault": "\(fault)"])
        }
        var machine = AuditFeedMachine(delivered: delivered.position, settles: transport.settles)
        var receipts = AuditFeedReceipts()
        var action = machine.first
        while !Task.isCancelled {
            switch action {
            case .wait(let milliseconds):
                try await Task.sleep(for: .milliseconds(milliseconds))
                action = machine.waited(at: clock.milliseconds())
            case .send, .confirm:
                let event = await perform(action, transport, &receipts)
                try Task.checkCancellation()
                action = machine.handle(event, at: clock.milliseconds())
            }
        }
    }

    private func perform(
        _ action: AuditFeedMachine.Action, _ transport: AuditFeedTransport, _ receipts: inout AuditFeedReceipts
    ) async -> AuditFeedMachine.Event {
        let (name, source, limit) = (settings.name, settings.source, settings.batch)
        do {
            switch action {
            case .send(let position):
                guard let batch = try await blocking({ try $0.store.batch(of: source, after: position, limit: limit) })
                else {
                    return .nothing
                }
                try await deliver(batch, transport, &receipts)
                watch.succeeded(work)
                return .sent(through: batch.through)
            case .confirm(let through):
                try await transport.confirm()
                try await blocking { try $0.advance(name, of: source, to: through) }
                return .confirmed(through: through)
            case .wait: return .nothing
            }
        } catch {
            watch.failed(work, "\(error)")
            logger.warning(
                "a feed of the audit trail has to wait", metadata: ["feed": "\(name)", "error": "\(error)"])
            return .failed
        }
    }

    /// Sends what the receiver has not got yet; returns when it has everything but what is given up, of which there is
    /// a record in the log by then.
    private func deliver(
        _ batch: AuditFeedBatch, _ transport: AuditFeedTransport, _ receipts: inout AuditFeedReceipts
    ) async throws {
        let rest = receipts.remaining(of: batch)
        if !rest.isEmpty {
            do { try await transport.send(batch.only(rest)) } catch let answer as AuditFeedAnswer {
                var noted = receipts
                for given in noted.note(answer, to: batch) {
                    if !given.isNotice {
                        try await record(given.record(feed: settings.name, at: clock.milliseconds()))
                    }
                    watch.gaveUp(settings.name)
                    logger.error(
                        "a receiver will not take an audit record, and its feed goes on without it",
                        metadata: [
                            "feed": "\(settings.name)", "record": "\(given.item.place)", "answer": "\(given.reason)",
                        ])
                }
                receipts = noted
                guard receipts.remaining(of: batch).isEmpty else { throw answer }
            }
        }
        receipts.finished()
    }

    private func blocking<Value: Sendable>(_ work: @escaping @Sendable (AuditSide) throws -> Value) async throws
        -> Value
    {
        let side = side
        return try await NIOThreadPool.singleton.runIfActive { try work(side) }
    }
}
