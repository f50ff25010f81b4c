import AccessPolicy
import FHIRCore
import Testing

/// One exchange in a test: a request in HTTP's words, decided for a token, answered with given JSON.
enum Exchange {
    static let publicBase = "https://gw.example/fhir"
    static let upstreamBase = "http://upstream.internal:9090/r4"
    static let policy: ServerPolicy = {
        do {
            // An upstream that says that it knows every parameter; see HiddenRowsTests for those that do not.
            let all = ResourceType.allCases.map { ($0, Set(R4.searchParameters(for: $0).map(\.code))) }
            return ServerPolicy(
                publicBase: publicBase, upstreamBase: upstreamBase, types: try TypeTable.r4(),
                supportedParameters: Dictionary(uniqueKeysWithValues: all))
        } catch {
            preconditionFailure("the type table is incomplete: \(error)")
        }
    }()

    static func request(
        _ line: String, body: String? = nil, prefer: String? = nil, ifNoneMatch: String? = nil
    ) throws -> CanonicalRequest {
        let words = line.split(separator: " ", maxSplits: 1)
        let target = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers = FHIRHeaders()
        headers.prefer = prefer
        headers.ifNoneMatch = ifNoneMatch
        let isForm = target[0].hasSuffix("_search")
        if body != nil { headers.contentType = isForm ? "application/x-www-form-urlencoded" : "application/fhir+json" }
        return try CanonicalRequest(
            FHIRRequest(
                method: FHIRRequest.Method(String(words[0])), path: String(target[0]),
                query: target.count == 2 ? String(target[1]) : nil, headers: headers, body: Array((body ?? "").utf8)))
    }

    static func decide(
        _ line: String, _ token: Token, body: String? = nil, prefer: String? = nil, ifNoneMatch: String? = nil,
        policy: ServerPolicy = policy
    ) throws -> AccessDecision {
        AccessPolicy.decide(
            AccessRequest(
                request: try request(line, body: body, prefer: prefer, ifNoneMatch: ifNoneMatch), access: token.access,
                userPanel: token.userPanel, systemPanel: token.systemPanel, policy: policy))
    }

    /// The status of a refusal, wherever it is made; nil when the request is permitted.
    static func refusal(
        _ line: String, _ token: Token, body: String? = nil, prefer: String? = nil
    ) throws -> Int? {
        do {
            switch try decide(line, token, body: body, prefer: prefer) {
            case .permit: return nil
            case .deny(let denial): return denial.status
            }
        } catch let refusal as RequestRefusal {
            return refusal.status
        }
    }

    static func permit(
        _ line: String, _ token: Token, body: String? = nil, prefer: String? = nil, ifNoneMatch: String? = nil,
        policy: ServerPolicy = policy
    ) throws -> Permit {
        let decision = try decide(
            line, token, body: body, prefer: prefer, ifNoneMatch: ifNoneMatch, policy: policy)
        guard case .permit(let permit) = decision else {
            Issue.record("expected a permit for \(line) under \(token.scopes): \(decision)")
            throw Unexpected()
        }
        return permit
    }

    static func denial(_ line: String, _ token: Token, body: String? = nil) throws -> Denial {
        guard case .deny(let denial) = try decide(line, token, body: body) else {
            Issue.record("expected a refusal of \(line) under \(token.scopes)")
            throw Unexpected()
        }
        return denial
    }

    struct Unexpected: Error {}

    static func answer(_ json: String, status: Int = 200, etag: String? = nil, location: String? = nil)
        -> UpstreamAnswer
    {
        UpstreamAnswer(
            status: status, contentType: "application/fhir+json; charset=utf-8", etag: etag, location: location,
            body: Array(json.utf8))
    }

    static func released(
        _ answer: UpstreamAnswer, _ permit: Permit, pageLink: (String) -> String? = { _ in nil }
    ) throws -> ReleasedAnswer {
        let admission = admitAnswer(answer, under: permit, pageLink: pageLink)
        guard case .release(let released) = admission else {
            Issue.record("expected a release: \(admission)")
            throw Unexpected()
        }
        return released
    }

    static func refused(_ answer: UpstreamAnswer, _ permit: Permit) throws -> Denial {
        guard case .refuse(let denial) = admitAnswer(answer, under: permit, pageLink: { _ in nil }) else {
            Issue.record("expected a refusal of the answer")
            throw Unexpected()
        }
        return denial
    }

    static func view(_ json: String) throws -> ResourceView { try ResourceView(JSONDocument(Array(json.utf8)).root) }
}

extension ReleasedAnswer {
    var json: JSONValue { (try? JSONValue(parsing: body.bytes)) ?? .null }
    /// The ids in the entries, in order; an entry without resource id shows its mode.
    var ids: [String] {
        (json["entry"]?.array ?? []).map { $0["resource"]?["id"]?.string ?? $0["search"]?["mode"]?.string ?? "-" }
    }
    func link(_ relation: String) -> String? {
        json["link"]?.array?.first { $0["relation"]?.string == relation }?["url"]?.string
    }
}
