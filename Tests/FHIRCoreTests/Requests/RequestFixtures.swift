import FHIRCore

/// Short ways to write requests in tests.
enum Ask {
    static let json = "application/fhir+json"

    static func request(
        _ method: String, _ target: String, _ fields: [(name: String, value: String)] = [], body: String = ""
    ) -> FHIRRequest {
        let parts = target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        return FHIRRequest(
            method: FHIRRequest.Method(method), path: String(Substring(parts[0])),
            query: parts.count == 2 ? String(Substring(parts[1])) : nil, headers: FHIRHeaders(fields),
            body: Array(body.utf8))
    }

    static func canonical(
        _ method: String, _ target: String, _ fields: [(name: String, value: String)] = [], body: String = ""
    ) throws -> CanonicalRequest {
        try CanonicalRequest(request(method, target, fields, body: body))
    }

    static func send(
        _ method: String, _ target: String, _ body: String, type: String = json,
        _ fields: [(name: String, value: String)] = []
    ) throws -> CanonicalRequest {
        try canonical(method, target, fields + [("Content-Type", type)], body: body)
    }

    /// The refusal that something ends with; nil when it does not.
    static func refusal(_ work: () throws -> CanonicalRequest) -> RequestRefusal? {
        do {
            _ = try work()
            return nil
        } catch {
            return error as? RequestRefusal
        }
    }

    static func refusal(
        _ method: String, _ target: String, _ fields: [(name: String, value: String)] = [], body: String = ""
    ) -> RequestRefusal? {
        refusal { try canonical(method, target, fields, body: body) }
    }

    static func key(_ text: String) -> InstanceKey { InstanceKey(text)! }
}
