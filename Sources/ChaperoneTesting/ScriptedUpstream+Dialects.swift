internal import Enforcement
internal import FHIRCore
internal import Synchronization

/// The habits of servers that people run, as far as they show in what the gateway reads. Each is a reading of public
/// documentation, not a recording.
public enum UpstreamDialect: String, Sendable, CaseIterable {
    /// As the standard's examples have it.
    case plain
    /// HAPI: pages by `_getpages` at the root of the base, outcomes among the entries, 410 with a talkative body.
    case hapi
    /// Firely: links to every page, a version in the media type, strong tags.
    case firely
    /// Azure Health Data Services: continuation tokens in `ct`, no totals, 410.
    case azure
    /// AWS HealthLake: long page tokens, no totals, 404 for what was deleted, no search modes.
    case aws
}

extension ScriptedRecords {
    /// A server of these records with the habits of another.
    public func upstream(speaking dialect: UpstreamDialect) -> ScriptedUpstream {
        let pages = DialectPages(dialect: dialect)
        return ScriptedUpstream { [self] request in
            guard let original = pages.original(Ask(request)) else {
                return .answer(UpstreamHead(status: 410, contentType: "application/fhir+json"), [])
            }
            let reply = reply(to: original)
            guard case .answer(let head, let body) = reply else { return reply }
            return DialectAnswer(dialect: dialect, pages: pages, head: head, body: body).reply
        }
    }
}

/// The pages that a server has on offer. A class because links outlive an answer; the lock is `targets`.
private final class DialectPages: Sendable {
    let dialect: UpstreamDialect
    private let targets = Mutex<[String]>([])

    init(dialect: UpstreamDialect) { self.dialect = dialect }

    /// The server's own link in place of an honest one with an offset.
    func link(to link: String, base: String) -> String {
        guard dialect != .plain else { return link }
        let target = String(link.dropFirst(base.count))
        let number = targets.withLock { targets in
            targets.append(target)
            return targets.count - 1
        }
        let path = target.prefix { $0 != "?" }
        return switch dialect {
        case .plain: link
        case .hapi:
            "\(base)?_getpages=5b0f0e3a-page-\(number)&_getpagesoffset=\(number)&_count=1&_pretty=true&_bundletype=searchset"
        case .firely: "\(base)\(path)?_skip=\(number)&_total=accurate&_snapshot=\(number)"
        case .azure: "\(base)\(path)?ct=W3sidG9rZW4iOiIr%2F\(number)%3D%22fX1d&_count=1"
        case .aws: "\(base)\(path)?page=AAMA-EFRSURBSGdYZGFKb\(number)Q%3D%3D"
        }
    }

    /// The honest request behind a page request; nil for a page that is not on offer.
    func original(_ request: ScriptedRecords.Ask) -> ScriptedRecords.Ask? {
        guard dialect != .plain, let target = request.pageTarget else { return request }
        let marks = ["_getpagesoffset=", "_skip=", "ct=W3sidG9rZW4iOiIr%2F", "page=AAMA-EFRSURBSGdYZGFKb"]
        for mark in marks {
            guard let range = target.range(ofText: mark) else { continue }
            let digits = target[range...].prefix { ("0"..."9").contains($0) }
            guard let number = Int(digits) else { return nil }
            return targets.withLock { targets in
                targets.indices.contains(number) ? request.replacingPage(targets[number]) : nil
            }
        }
        return request
    }
}

extension String {
    /// The place behind the first occurrence of a text.
    fileprivate func range(ofText text: String) -> String.Index? {
        var start = startIndex
        while start != endIndex {
            if self[start...].hasPrefix(text) { return index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

extension ScriptedRecords.Ask {
    /// The request for a page by an honest target, below the base of the harness.
    fileprivate func replacingPage(_ target: String) -> ScriptedRecords.Ask? {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return nil }
        var ask = self
        (ask.path, ask.query, ask.pageTarget) = (parts[0], parts[1], nil)
        return ask
    }
}

/// One honest answer in another server's manner.
private struct DialectAnswer {
    let dialect: UpstreamDialect
    let pages: DialectPages
    var head: UpstreamHead
    let body: [UInt8]
    private let base = GatewayHarness.upstreamBase

    init(dialect: UpstreamDialect, pages: DialectPages, head: UpstreamHead, body: [UInt8]) {
        self.dialect = dialect
        self.pages = pages
        self.head = head
        self.body = body
    }

    var reply: ScriptedUpstream.Reply {
        var head = head
        var body = body
        switch dialect {
        case .plain: break
        case .hapi:
            head.contentType = "application/fhir+json;charset=UTF-8"
            if head.status == 410 || head.status == 404 { body = talk("Resource Patient/pB was deleted, SECRET-B") }
        case .firely:
            head.contentType = "application/fhir+json; fhirVersion=4.0; charset=utf-8"
            head.etag = head.etag.map { $0.hasPrefix("W/") ? String($0.dropFirst(2)) : $0 }
        case .azure:
            head.contentType = "application/fhir+json; charset=utf-8"
        case .aws:
            head.contentType = "application/fhir+json"
            if head.status == 410 { head.status = 404 }
        }
        if let bundle = try? JSONValue(parsing: body), bundle["resourceType"]?.string == "Bundle" {
            body = rewritten(bundle).serialized
        }
        return .answer(head, body)
    }

    private func talk(_ text: String) -> [UInt8] {
        OperationOutcome.json(severity: "error", code: "deleted", diagnostics: text)
    }

    private func rewritten(_ bundle: JSONValue) -> JSONValue {
        guard dialect != .plain, bundle["type"]?.string == "searchset" else { return bundle }
        var members: [JSONMemberValue] = []
        for member in bundle.object ?? [] {
            switch member.name {
            case "total" where dialect == .azure || dialect == .aws: continue
            case "link": members.append(JSONMemberValue("link", .array(links(member.value))))
            case "entry": members.append(JSONMemberValue("entry", .array(entries(member.value))))
            default: members.append(member)
            }
        }
        members.insert(JSONMemberValue("id", "0f5c1c9e-bundle"), at: 1)
        return .object(members)
    }

    private func links(_ value: JSONValue) -> [JSONValue] {
        var links = (value.array ?? []).map { link -> JSONValue in
            guard link["relation"]?.string == "next", let url = link["url"]?.string else { return link }
            return ["relation": "next", "url": .string(pages.link(to: url, base: base))]
        }
        if dialect == .firely {
            links += ["first", "last"].map { ["relation": .string($0), "url": .string("\(base)/Observation?_skip=0")] }
        }
        return links
    }

    private func entries(_ value: JSONValue) -> [JSONValue] {
        var entries = value.array ?? []
        if dialect == .aws {
            entries = entries.map { entry in .object((entry.object ?? []).filter { $0.name != "search" }) }
        }
        if dialect == .hapi, let outcome = try? JSONValue(parsing: talk("unknown parameter, see Patient/pB SECRET-B")) {
            entries.append(["resource": outcome, "search": ["mode": "outcome"]])
        }
        return entries
    }
}
