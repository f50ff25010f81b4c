import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Files of an export on hosts beside the protected server, through the whole gateway without sockets.
@Suite struct StorageHostTests {
    private static let base = GatewayHarness.upstreamBase
    private static let storage = "https://files.example:8443/exports"
    private static let panels = PanelSource.table(
        users: [:], clients: [ClientID("backend"): .patients(Set([ResourceID("pA")].compactMap { $0 }))])

    /// A server whose export has one file at this address; what a storage host is asked gets the reply.
    private static func upstream(file: String, _ reply: ScriptedUpstream.Reply) -> ScriptedUpstream {
        ScriptedUpstream { request in
            guard request.storage == nil else { return reply }
            if request.path.hasSuffix("$export") {
                return .answer(UpstreamHead(status: 202, contentLocation: "\(base)/jobs/7"), [])
            }
            let manifest: JSONValue = [
                "transactionTime": "2026-01-01T00:00:00Z", "requiresAccessToken": false,
                "output": [["type": "Observation", "url": .string(file)]], "error": [],
            ]
            return .answer(UpstreamHead(status: 200, contentType: "application/json"), manifest.serialized)
        }
    }

    private static let lines = Array(
        (BulkStreamTests.line("o1", of: "pA") + "\n" + BulkStreamTests.line("o2", of: "pB", note: "SECRET-B")).utf8)

    private func harness(
        file: String = "\(storage)/a/1.ndjson?signature=x%2Fy", hosts: [String] = [storage], type: String? = nil,
        _ reply: ScriptedUpstream.Reply? = nil
    ) throws -> GatewayHarness {
        let head = UpstreamHead(status: 200, contentType: type ?? "application/fhir+ndjson")
        return try GatewayHarness(
            upstream: Self.upstream(file: file, reply ?? .answer(head, Self.lines)), panels: Self.panels,
            storage: try hosts.map { try UpstreamFHIRServer(base: $0) })
    }

    private func manifest(_ harness: GatewayHarness, _ token: String) async throws -> GatewayHarness.Answer {
        let job = await harness.send("GET", "/$export", token: token).field("content-location")
        let answer = await harness.send(
            "GET", String(try #require(job).dropFirst(GatewayHarness.publicBase.count)), token: token)
        #expect(!answer.text.contains("files.example") && !answer.text.contains("signature"))
        return answer
    }

    private func fetch(_ harness: GatewayHarness) async throws -> GatewayHarness.Answer {
        let token = try harness.token(scope: "system/Observation.rs", client: "backend", subject: nil)
        let url = try await manifest(harness, token).json?["output"]?.array?.first?["url"]?.string
        let file = String(try #require(url).dropFirst(GatewayHarness.publicBase.count))
        return await harness.send("GET", file, token: token)
    }

    @Test(
        .verifies("house@STORAGE-HOSTS"),
        arguments: [
            "https://files.example/exports/1", "https://files.example:8444/exports/1",
            "http://files.example:8443/exports/1",
            "https://files.example.evil.example:8443/exports/1", "https://evil.example:8443/exports/1",
            "https://files.example:8443@evil.example/exports/1", "https://a@files.example:8443/exports/1",
            "https://files.example:8443/exports2/1", "https://files.example:8443/1",
            "https://files.example:8443/exports/../1", "https://files.example:8443/exports/%2e%2e/1",
            "https://files.example:8443/exports/1#x", "//files.example:8443/exports/1", "exports/1",
        ])
    func `a file that is not exactly on a listed host is not released and not fetched`(file: String) async throws {
        let harness = try harness(file: file)
        let token = try harness.token(scope: "system/Observation.rs", client: "backend", subject: nil)

        let answer = try await manifest(harness, token)

        #expect(answer.status == 502 && answer.json?["output"] == nil)
        #expect(!answer.upstream.contains { $0.storage != nil })
    }

    @Test(.verifies("house@STORAGE-HOSTS"))
    func `without a list no other host is fetched from`() async throws {
        let harness = try harness(hosts: [])
        let token = try harness.token(scope: "system/Observation.rs", client: "backend", subject: nil)

        #expect(try await manifest(harness, token).status == 502)
    }

    @Test(.verifies("house@STORAGE-HOSTS", "attack@ATK-239"), arguments: [nil, "application/octet-stream"])
    func `a file on a listed host is fetched by us and judged line by line`(type: String?) async throws {
        let answer = try await fetch(harness(type: type))

        #expect(answer.status == 200 && answer.field("content-type") == "application/fhir+ndjson")
        #expect(answer.upstream.map(\.storage) == [Self.storage])
        #expect(answer.upstream.map(\.pageTarget) == ["/exports/a/1.ndjson?signature=x%2Fy"])
        #expect(answer.text.contains("o1") && !answer.text.contains("o2"))
        try expectNoLeak(answer)
    }

    @Test(.verifies("house@STORAGE-HOSTS"), arguments: [301, 302, 307, 308, 403, 500])
    func `a storage host that sends elsewhere, or refuses, is not followed`(status: Int) async throws {
        let head = UpstreamHead(
            status: status, contentType: "application/fhir+ndjson", location: "https://evil.example/1")

        let answer = try await fetch(harness(.answer(head, Self.lines)))

        #expect(answer.status >= 500 && answer.upstream.count == 1)
        try expectNoLeak(answer)
    }

    @Test(.verifies("house@STORAGE-HOSTS")) func `a page of something is no file`() async throws {
        #expect(try await fetch(harness(type: "text/html")).status == 502)
    }
}
