internal import AsyncHTTPClient
internal import Audit
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1

/// Posts batches to an HTTP receiver: a FHIR repository (IHE ITI-20) or anything that takes lines.
///
/// A receiver that refuses a batch for what it is (400, 413, 422) is sent its halves, down to the items that it means.
struct HTTPTransport: Sendable {
    enum Form: Sendable {
        /// One Bundle of type batch to the FHIR base; each entry must be answered with success.
        case fhir
        /// AuditEvents or checkpoints, one a line.
        case lines
    }

    let url: String
    let form: Form
    /// The value of `Authorization`, when the receiver wants one.
    let authorization: String?
    let system: AuditSystem
    let client: HTTPClient
    /// In which time a batch must be answered, to the end of the answer.
    var patience: Duration = .seconds(30)

    /// The receiver did not take it.
    struct Refused: Error, CustomStringConvertible { let description: String }

    /// The receiver did not answer in time.
    struct Silent: Error, CustomStringConvertible {
        let description = "the receiver does not answer, or not to the end"
    }

    /// Statuses by which a receiver refuses an item for what it is, and not for the moment.
    private static let final: Set<UInt> = [400, 409, 412, 413, 422]
    /// The same of a whole batch.
    private static let finalForAll: Set<UInt> = [400, 413, 422]
    /// So many refused items end an attempt: a receiver that refuses everything is not asked for each alone.
    private static let mostRefusals = 200

    var transport: AuditFeedTransport {
        AuditFeedTransport { batch in
            var answer = AuditFeedAnswer(taken: [], refused: [:], description: "")
            try await send(batch, into: &answer)
            guard answer.taken.count < Set(batch.items.map(\.digest)).count else { return }
            throw answer
        }
    }

    /// Sends a batch, and its halves where it is refused as a whole. What a fault cuts off is asked for again later.
    private func send(_ batch: AuditFeedBatch, into answer: inout AuditFeedAnswer) async throws {
        let (status, body) = try await post(batch)
        if Self.finalForAll.contains(status) {
            answer.description = "the receiver answered \(status)"
            guard batch.items.count > 1 else {
                answer.refused[batch.items[0].digest] = "HTTP \(status)"
                return
            }
            let middle = batch.items.count / 2
            for half in [batch.items[..<middle], batch.items[middle...]] where answer.refused.count < Self.mostRefusals
            {
                do { try await send(batch.only(Array(half)), into: &answer) } catch {
                    guard !answer.taken.isEmpty || !answer.refused.isEmpty else { throw error }
                    answer.description = "\(error)"
                    return
                }
            }
            return
        }
        guard (200..<300).contains(status) else { throw Refused(description: "the receiver answered \(status)") }
        switch form {
        case .lines: answer.taken.formUnion(batch.items.map(\.digest))
        case .fhir: try Self.read(body, as: &answer, of: batch.items)
        }
    }

    private func post(_ batch: AuditFeedBatch) async throws -> (status: UInt, body: [UInt8]) {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        if let authorization { request.headers.add(name: "authorization", value: authorization) }
        switch form {
        case .fhir:
            request.headers.add(name: "content-type", value: "application/fhir+json")
            request.headers.add(name: "accept", value: "application/fhir+json")
            request.body = .bytes(ByteBuffer(bytes: AuditFeedMessage.bundle(batch, system: system).serialized))
        case .lines:
            request.headers.add(name: "content-type", value: "application/x-ndjson")
            let text = AuditFeedMessage.lines(batch, system: system).map { $0 + "\n" }.joined()
            request.body = .bytes(ByteBuffer(string: text))
        }
        let (client, asked, patience) = (client, request, patience)
        // The client's own deadline ends with the head; a body that never ends would hold the feed until a restart.
        return try await Self.within(patience) {
            let response = try await client.execute(asked, timeout: TimeAmount(patience))
            return (response.status.code, Array(buffer: try await response.body.collect(upTo: 8 << 20)))
        }
    }

    /// What the work gives, if it does so in time; else it is cancelled.
    private static func within<Value: Sendable>(
        _ limit: Duration, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask(operation: work)
            group.addTask {
                try await Task.sleep(for: limit)
                throw Silent()
            }
            guard let first = try await group.next() else { throw Silent() }
            group.cancelAll()
            return first
        }
    }

    /// A batch is answered with a status for each entry (FHIR R4 §3.1.0.11.2). A receiver that answers without a body
    /// took everything or nothing, and said that it took it.
    private static func read(_ body: [UInt8], as answer: inout AuditFeedAnswer, of items: [AuditFeedItem]) throws {
        guard !body.isEmpty else {
            answer.taken.formUnion(items.map(\.digest))
            return
        }
        guard let bundle = try? JSONValue(parsing: body), bundle["resourceType"]?.string == "Bundle" else {
            throw Refused(description: "what answered is no FHIR repository: its answer to a batch is no Bundle")
        }
        let statuses = (bundle["entry"]?.array ?? []).map { $0["response"]?["status"]?.string ?? "" }
        guard statuses.count == items.count else {
            throw Refused(description: "the repository answered \(statuses.count) of \(items.count) entries")
        }
        for (item, status) in zip(items, statuses) {
            if status.hasPrefix("2") {
                answer.taken.insert(item.digest)
                continue
            }
            answer.description = "the repository answered `\(status.prefix(60))` to \(item.place)"
            if final.contains(UInt(status.prefix(3)) ?? 0) { answer.refused[item.digest] = "HTTP \(status.prefix(60))" }
        }
    }
}
