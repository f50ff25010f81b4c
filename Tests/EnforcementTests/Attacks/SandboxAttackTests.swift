import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

@testable import SandboxFHIR

/// The attack catalogue against a FHIR server that does everything it is asked: the embedded one, in process.
@Suite struct SandboxAttackTests {
    /// The embedded server as a protected one.
    private static func upstream(_ catalogue: AttackCatalogue) throws -> ScriptedUpstream {
        let store = try SandboxStore(path: nil)
        for record in catalogue.records { try store.update(record.serialized) }
        for key in catalogue.deleted { try store.delete(key) }
        let service = FHIRService(
            store: store, configuration: SandboxConfiguration(databasePath: nil, port: 0), background: { $0() })
        return ScriptedUpstream { request in
            var (path, query) = (String(request.path.dropFirst()), request.query)
            if let target = request.pageTarget {
                let parts = target.split(separator: "?", maxSplits: 1)
                path = String(parts[0].dropFirst("/fhir/".count))
                query = parts.count == 2 ? String(parts[1]) : nil
            }
            var asked = SandboxRequest(method: request.method.rawValue, path: path)
            guard let pairs = try? QueryString(parsing: query ?? "") else { return .failure(.malformed) }
            asked.query = pairs
            asked.headers = ["accept": "application/fhir+json"]
            if let prefer = request.prefer { asked.headers["prefer"] = prefer }
            if let type = request.contentType { asked.headers["content-type"] = type }
            if let match = request.ifMatch { asked.headers["if-match"] = match }
            asked.body = request.body
            let response = service.respond(asked, base: GatewayHarness.upstreamBase)
            guard let bytes = try? response.body.bytes else { return .failure(.interrupted) }
            let head = UpstreamHead(
                status: response.status, contentType: response.mediaType ?? response.body.mediaType,
                etag: response.etag, location: response.location,
                contentLocation: response.headers.first { $0.name.lowercased() == "content-location" }?.value)
            return .answer(head, bytes)
        }
    }

    /// What the embedded server does not offer is a refusal of ours too, and never somebody's record.
    private static let notOffered: Set<Int> = [400, 404, 502]

    @Test(.verifies("house@attacks-on-sandbox"))
    func `no row of the catalogue gets more from a whole FHIR server than it says`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: try Self.upstream(catalogue), panels: catalogue.panels)
        var answered = 0
        for row in catalogue.attacks where ["GET", "HEAD"].contains(row.method) {
            let token = try catalogue.token(row.token, from: harness)

            let answer = await harness.send(row.method, row.target, token: token, headers: row.headers)

            let note = Comment(rawValue: "\(row.testDescription): \(answer.status) \(answer.text)")
            let isExpected = row.status.contains(answer.status)
            #expect(isExpected || (row.status.contains(200) && Self.notOffered.contains(answer.status)), note)
            if row.mustNotAskUpstream { #expect(answer.upstream.isEmpty, note) }
            if answer.status == 200, row.method != "HEAD", let only = row.only {
                let keys = Set(answer.keys).subtracting(only)
                #expect(keys.allSatisfy { $0.hasPrefix("OperationOutcome") }, note)
            }
            if answer.status == 200 { answered += 1 }
            for text in row.absent { #expect(!answer.text.contains(text), note) }
            try expectNoLeak(answer)
        }
        #expect(answered > 30)
    }
}
