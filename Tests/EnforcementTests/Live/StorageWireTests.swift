import AccessPolicy
import ChaperoneTesting
import FHIRCore
import NIOCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// What goes over the wire to a storage host.
@Suite(.serialized) struct StorageWireTests {
    private func server(_ port: Int, header: String) throws -> UpstreamFHIRServer {
        var server = try UpstreamFHIRServer(base: "http://127.0.0.1:\(port)")
        server.staticHeaders = [try .init(name: header, value: "secret")]
        return server
    }

    /// Exports and fetches the one file; what the storage host saw, and the answer.
    private func fetch(
        _ conduct: @escaping @Sendable (LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct,
        mayConnect: @escaping @Sendable (SocketAddress) -> Bool = { _ in true }
    ) async throws -> (seen: [LoopbackUpstream.Seen], answer: RawAnswer) {
        let storage = try await LoopbackUpstream.start(conduct)
        let port = Mutex(0)
        let upstream = try await LoopbackUpstream.start { seen in
            let base = "http://127.0.0.1:\(port.withLock { $0 })"
            if seen.target.hasPrefix("/$export") {
                return .answer(202, "", headers: [("content-location", "\(base)/job")])
            }
            return .answer(
                200,
                #"{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Observation","url":"http://127.0.0.1:\#(storage.port)/1?x=y"}]}"#,
                headers: [("content-type", "application/json")])
        }
        port.withLock { $0 = upstream.port }
        let gateway = try await LiveGateway.start(
            upstream: try server(upstream.port, header: "x-upstream"), scope: "system/Observation.rs",
            panels: .table(users: [:], clients: [ClientID("app"): .everyone]),
            storage: [StorageHost(server: try server(storage.port, header: "x-storage"), mayConnect: mayConnect)])
        func below(_ address: String?) throws -> String {
            String(try #require(address).dropFirst(LiveGateway.base.count))
        }
        let job = try await gateway.send(gateway.request("GET", "/$export"))[0].header("content-location")
        let manifest = try await gateway.send(gateway.request("GET", below(job)))[0]
        let json = try JSONValue(parsing: Array(manifest.body.utf8))
        let file = try below(json["output"]?.array?.first?["url"]?.string)
        let answer = try await gateway.send(gateway.request("GET", file))[0]
        try await gateway.stop()
        let seen = storage.seen
        try await storage.stop()
        try await upstream.stop()
        return (seen, answer)
    }

    private static let line = BulkStreamTests.line("o1", of: "pA")

    @Test(.verifies("house@STORAGE-HOSTS"))
    func `a storage host gets its own headers and none of the protected server's or the client's`() async throws {
        let line = Self.line
        let (seen, answer) = try await fetch { _ in
            .answer(200, line + "\n", headers: [("content-type", "application/fhir+ndjson")])
        }

        #expect(answer.status == 200 && answer.body.contains("o1"))
        #expect(seen.map(\.target) == ["/1?x=y"] && seen.map(\.method) == ["GET"])
        let names = seen.flatMap(\.headers).map { $0.name.lowercased() }
        #expect(names.contains("x-storage"))
        #expect(!names.contains("x-upstream") && !names.contains("authorization"))
    }

    @Test(.verifies("house@STORAGE-HOSTS"))
    func `a storage host whose address may not be connected to is not`() async throws {
        let (seen, answer) = try await fetch({ _ in .hangUp }, mayConnect: { _ in false })

        #expect(answer.status == 503 && seen.isEmpty)
    }

    @Test(.verifies("house@STORAGE-HOSTS"))
    func `a storage host that redirects is not followed`() async throws {
        let (seen, answer) = try await fetch { _ in
            .answer(302, "", headers: [("location", "http://127.0.0.1:1/elsewhere")])
        }

        #expect(answer.status >= 500 && seen.count == 1)
    }
}
