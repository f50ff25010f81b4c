internal import AsyncHTTPClient
internal import Audit
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1

/// Posts batches to an HTTP receiver: a FHIR repository (IHE ITI-20) or anything that takes lines.
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

    /// The receiver did not take it.
    struct Refused: Error, CustomStringConvertible { let description: String }

    var transport: AuditFeedTransport { AuditFeedTransport { try await send($0) } }

    private func send(_ batch: AuditFeedBatch) async throws {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        if let authorization { request.headers.add(name: "authorization", value: authorization) }
        switch form {
        case .fhir:
            request.headers.add(name: "content-type", value: "application/fhir+json")
            request.headers.add(name: "accept", value: "application/fhir+json")
            request.body = .bytes(ByteBuffer(bytes: try AuditFeedMessage.bundle(batch, system: system).serialized))
        case .lines:
            request.headers.add(name: "content-type", value: "application/x-ndjson")
            let text = try AuditFeedMessage.lines(batch, system: system).map { $0 + "\n" }.joined()
            request.body = .bytes(ByteBuffer(string: text))
        }
        let response = try await client.execute(request, timeout: .seconds(30))
        let body = try await response.body.collect(upTo: 8 << 20)
        guard (200..<300).contains(response.status.code) else {
            throw Refused(description: "the receiver answered \(response.status.code)")
        }
        if form == .fhir { try Self.demandSuccess(Array(buffer: body), of: batch.items.count) }
    }

    /// A batch is answered with a status for each entry (FHIR R4 §3.1.0.11.2). A receiver that answers without a body
    /// took everything or nothing, and said that it took it.
    private static func demandSuccess(_ body: [UInt8], of count: Int) throws {
        guard !body.isEmpty else { return }
        guard let answer = try? JSONValue(parsing: body), answer["resourceType"]?.string == "Bundle" else {
            throw Refused(description: "what answered is no FHIR repository: its answer to a batch is no Bundle")
        }
        let statuses = (answer["entry"]?.array ?? []).map { $0["response"]?["status"]?.string ?? "" }
        guard statuses.count == count, statuses.allSatisfy({ $0.hasPrefix("2") }) else {
            let first = statuses.first { !$0.hasPrefix("2") }.map { ", the first that failed with `\($0)`" } ?? ""
            throw Refused(
                description: "the repository took \(statuses.filter { $0.hasPrefix("2") }.count) of \(count)\(first)")
        }
    }
}
