import ChaperoneTesting
import Enforcement
import FHIRCore

@testable import SandboxFHIR

/// The embedded FHIR server as the protected one, without sockets: a real store that knows conditions, versions and
/// transactions by itself, and shares nothing with the gateway.
struct SandboxUpstream {
    let service: FHIRService
    private let types: Set<String>

    /// A store of the records, of which some were deleted since.
    init(_ records: [JSONValue], deleted: [InstanceKey]) throws {
        let counter = Counter()
        let store = try SandboxStore(
            path: nil, now: { 1_700_000_000_000 + Int64(counter.next()) }, newIdentifier: { "new-\(counter.next())" })
        for record in records { try store.update(record.serialized) }
        service = FHIRService(
            store: store, configuration: SandboxConfiguration(databasePath: nil, port: 0), background: { $0() })
        types = Set(records.compactMap { $0["resourceType"]?.string })
        for key in deleted {
            _ = service.respond(
                SandboxRequest(method: "DELETE", path: key.description), base: GatewayHarness.upstreamBase)
        }
    }

    var upstream: ScriptedUpstream { ScriptedUpstream { request in reply(to: request) } }

    private func reply(to request: UpstreamRequest) -> ScriptedUpstream.Reply {
        var (path, query) = (String(request.path.dropFirst()), request.query)
        if let target = request.pageTarget {
            let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
            path = String(parts[0].dropFirst("/fhir/".count))
            query = parts.count == 2 ? parts[1] : nil
        }
        var asked = SandboxRequest(method: request.method.rawValue, path: path)
        if let query { asked.query = (try? QueryString(parsing: query)) ?? QueryString() }
        asked.headers["accept"] = "application/fhir+json"
        asked.headers["content-type"] = request.contentType
        asked.headers["if-match"] = request.ifMatch
        asked.headers["if-none-exist"] = request.ifNoneExist
        asked.headers["prefer"] = request.prefer
        asked.body = request.body
        let response = service.respond(asked, base: GatewayHarness.upstreamBase)
        guard let bytes = try? response.body.bytes else { return .failure(.malformed) }
        return .answer(
            UpstreamHead(
                status: response.status, contentType: response.mediaType ?? response.body.mediaType,
                etag: response.etag, location: response.location,
                contentLocation: response.headers.first { $0.name.lowercased() == "content-location" }?.value), bytes)
    }

    /// The current content of everything that is there, of the types of the records.
    func currentRecords() throws -> [InstanceKey: JSONValue] {
        var found: [InstanceKey: JSONValue] = [:]
        for type in types.sorted() {
            var request = SandboxRequest(method: "GET", path: type)
            request.query = try QueryString(parsing: "_count=500")
            let answer = service.respond(request, base: GatewayHarness.upstreamBase)
            let bundle = try JSONValue(parsing: try answer.body.bytes)
            for entry in bundle["entry"]?.array ?? [] {
                guard let resource = entry["resource"], let id = resource["id"]?.string,
                    let key = InstanceKey("\(type)/\(id)")
                else { continue }
                found[key] = resource
            }
        }
        return found
    }
}
