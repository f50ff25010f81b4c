internal import Enforcement
internal import FHIRCore
internal import OAuthCore

/// Explains a request that somebody describes, by the enforcer that would take it.
public struct RequestExplainer: Sendable {
    let enforcer: Enforcer
    /// The public FHIR base: origin and path.
    let origin: String
    let basePath: String
    let clock: Clock

    /// A request as it is described.
    struct Described {
        var method: String
        /// Path and query on this server, or the whole address.
        var target: String
        var headers: [(name: String, value: String)] = []
        var body: [UInt8] = []
        var shown: ResourceView?
    }

    func explain(_ described: Described) async throws(Problem) -> Explanation {
        var target = described.target[...]
        if target.hasPrefix(origin + "/") { target = target.dropFirst(origin.utf8.count) }
        guard target.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else {
            throw Problem(400, "the target of the request is not plain ASCII", detail: "percent-encode what is not")
        }
        let sides = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = sides.first ?? ""
        let below = path.dropFirst(basePath.utf8.count)
        guard path.hasPrefix(basePath), below.isEmpty || below.hasPrefix("/") else {
            throw Problem(400, "the request is not below the FHIR base", detail: "the FHIR base is `\(basePath)`")
        }
        let request = ClientRequest(
            method: described.method, path: String(below), query: sides.count > 1 ? String(sides[1]) : nil,
            headers: described.headers, body: described.body, sourceAddress: nil, receivedAt: clock.milliseconds())
        await enforcer.prepare(request)
        return enforcer.explain(request, showing: described.shown)
    }
}
