import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

@testable import Enforcement

/// Clients that hang up while their answer is on its way, over sockets (ADR 78).
@Suite(.serialized, .timeLimit(.minutes(2))) struct NotWrittenTests {
    /// More than the buffers between two sockets of this machine take.
    private static let large: String = {
        let note = String(repeating: "x", count: 7_000_000)
        return #"{"resourceType":"Patient","id":"pA","meta":{"versionId":"1"},"name":[{"text":"\#(note)"}]}"#
    }()

    private static func reason(_ entry: AuditEntry?) throws -> String? {
        guard case .access(let record)? = try entry?.statement().event else { return nil }
        return record.outcome.reason
    }

    @Test(.verifies("audit@not-written"))
    func `an answer that was not read to its end is marked, once, with its counts`() async throws {
        try await withGateway(upstream: { _ in .answer(200, Self.large) }) { gateway, _ in
            let client = try await RawConnection.open(port: gateway.port, reads: false)
            client.write(gateway.request("GET", "/Patient/pA"))
            while gateway.sink.entries.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            #expect(gateway.sink.entries.map(\.index.outcome) == ["permitted"])
            // Until the answer has been handed to the connection, and fills it.
            try await Task.sleep(for: .milliseconds(300))
            client.close()

            while gateway.sink.entries.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
            try await Task.sleep(for: .milliseconds(100))
            let entries = gateway.sink.entries
            #expect(entries.map(\.index.phase) == [.whole, .interrupted])
            #expect(entries[1].index.closes == entries[0].sequence)
            #expect(try Self.reason(entries[1]) == "the connection ended before the answer was written to its end")
            #expect(entries[1].index.patients == ["pA"])
            guard case .access(let record) = try entries[1].statement().event else { return }
            #expect(record.released == 1)
        }
    }

    @Test(.verifies("audit@not-written"))
    func `an answer that was written whole is marked by nobody, whenever its client goes`() async throws {
        try await withGateway { gateway, _ in
            for _ in 0..<20 { _ = try await gateway.send(gateway.request("GET", "/Patient/pA")) }
            let whole = try await gateway.connect()
            whole.write(gateway.request("GET", "/Patient/pA", ["Connection: close"]))
            _ = await whole.rest()
            try await Task.sleep(for: .milliseconds(100))

            #expect(gateway.sink.entries.map(\.index.phase) == Array(repeating: .whole, count: 21))
        }
    }

    @Test(.verifies("audit@not-written"))
    func `a refusal that nobody took gave nothing, and is marked by nobody`() async throws {
        try await withGateway(upstream: { _ in .answer(200, Self.large) }) { gateway, _ in
            let client = try await RawConnection.open(port: gateway.port, reads: false)
            client.write(gateway.request("GET", "/Patient/pA") + gateway.request("GET", "/Patient/pB"))
            while gateway.sink.entries.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            try await Task.sleep(for: .milliseconds(300))
            client.close()
            while gateway.sink.entries.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
            try await Task.sleep(for: .milliseconds(200))

            let marks = gateway.sink.entries.filter { $0.index.phase == .interrupted }
            #expect(marks.map(\.index.closes) == [gateway.sink.entries[0].sequence])
        }
    }
}
