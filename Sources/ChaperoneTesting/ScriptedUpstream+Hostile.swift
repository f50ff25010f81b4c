internal import Enforcement
public import FHIRCore

/// The ways in which a protected server can be wrong, broken or captured.
public enum UpstreamHostility: String, Sendable, CaseIterable {
    /// Adds the other patient's records to every search.
    case foreignEntries
    /// Adds resources of a type that nobody asked for.
    case wrongTypes
    /// Turns the entries of every Bundle round, so that what is told by its place is told of another.
    case wrongOrder
    /// Answers a read with another patient's record of the same type.
    case swappedResource
    /// Answers a read with a Bundle around the resource.
    case wrappedInBundle
    /// Answers with a resource that names a member twice.
    case duplicateMember
    case brokenJSON
    case invalidUTF8
    case html
    case emptyBody
    case endlessBody
    case compressedBody
    /// Names a next page on another host.
    case nextLinkElsewhere
    /// Names another host as the place of what was created.
    case locationElsewhere
    /// Reports totals that count hidden rows.
    case inflatedTotal
    /// Puts a record of the other patient into the OperationOutcome of an entry.
    case talkativeOutcome
    case cutShort
    case serverError
    case redirect
}

extension ScriptedUpstream {
    /// The same server gone bad in one way. `foreign` is a record of a patient whom nobody here may see.
    public func hostile(_ hostility: UpstreamHostility, foreign: [JSONValue]) -> ScriptedUpstream {
        mapping { request, reply in
            guard case .answer(let head, let body) = reply else { return reply }
            return Hostile(request: request, head: head, body: body, foreign: foreign).reply(hostility)
        }
    }
}

/// One honest answer on its way to becoming a hostile one.
private struct Hostile {
    let request: UpstreamRequest
    var head: UpstreamHead
    let body: [UInt8]
    let foreign: [JSONValue]

    func reply(_ hostility: UpstreamHostility) -> ScriptedUpstream.Reply {
        switch hostility {
        case .foreignEntries: .answer(head, bundle { $0 + foreign.map { entry($0, mode: "match") } })
        case .wrongTypes: .answer(head, bundle { $0 + foreign.map { entry($0, mode: "include") } })
        case .wrongOrder: .answer(head, bundle { $0.reversed() })
        case .swappedResource: .answer(head, swapped)
        case .wrappedInBundle: .answer(head, isBundle ? body : wrapped)
        case .duplicateMember: .answer(head, doubled)
        case .brokenJSON: .answer(head, Array(body.dropLast(2)))
        case .invalidUTF8: .answer(head, body.map { $0 == UInt8(ascii: "p") ? 0xFF : $0 })
        case .html: .answer(withType("text/html"), Array("<html><body>pB secret</body></html>".utf8))
        case .emptyBody: .answer(head, [])
        case .endlessBody: .repeating(head, piece: [UInt8](repeating: 0x20, count: 64 << 10), times: 1 << 20)
        case .compressedBody: .answer(encoded, body)
        case .nextLinkElsewhere: .answer(head, withLink("https://evil.example/fhir?page=2"))
        case .locationElsewhere: .answer(withLocation("https://evil.example/fhir/Observation/x/_history/1"), body)
        case .inflatedTotal: .answer(head, replacing("total", with: .int(4711)))
        case .talkativeOutcome: .answer(head, bundle { $0 + [outcomeEntry] })
        case .cutShort: .cut(head, Array(body.prefix(body.count / 2)), .interrupted)
        case .serverError:
            .answer(
                UpstreamHead(status: 500, contentType: "application/fhir+json"),
                Array(
                    "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"exception\",\"diagnostics\":\"pB secret\"}]}"
                        .utf8))
        case .redirect: .answer(UpstreamHead(status: 302, location: "https://evil.example/"), [])
        }
    }

    private var json: JSONValue? { try? JSONValue(parsing: body) }
    private var isBundle: Bool { json?["resourceType"]?.string == "Bundle" }

    private func withType(_ type: String) -> UpstreamHead {
        var head = head
        head.contentType = type
        return head
    }

    private var encoded: UpstreamHead {
        var head = head
        head.contentEncoding = "gzip"
        return head
    }

    private func withLocation(_ location: String) -> UpstreamHead {
        var head = head
        head.location = location
        return head
    }

    private var swapped: [UInt8] {
        guard !isBundle, let type = json?["resourceType"]?.string else { return body }
        return foreign.first { $0["resourceType"]?.string == type }?.serialized ?? body
    }

    private var wrapped: [UInt8] {
        JSONValue.object([
            JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "collection"),
            JSONMemberValue("entry", .array(([json].compactMap { $0 } + foreign).map { entry($0, mode: "match") })),
        ]).serialized
    }

    private var doubled: [UInt8] {
        guard let last = body.lastIndex(of: UInt8(ascii: "}")) else { return body }
        return Array(body[..<last]) + Array(",\"subject\":{\"reference\":\"Patient/pB\"},\"subject\":{}}".utf8)
    }

    private var outcomeEntry: JSONValue {
        entry(
            .object([
                JSONMemberValue("resourceType", "OperationOutcome"),
                JSONMemberValue(
                    "issue",
                    .array([
                        ["severity": "information", "code": "informational", "diagnostics": "pB secret"]
                    ])),
            ]), mode: "outcome")
    }

    private func entry(_ resource: JSONValue, mode: String) -> JSONValue {
        .object([JSONMemberValue("resource", resource), JSONMemberValue("search", ["mode": .string(mode)])])
    }

    private func bundle(_ change: ([JSONValue]) -> [JSONValue]) -> [UInt8] {
        guard isBundle else { return body }
        return replacing("entry", with: .array(change(json?["entry"]?.array ?? [])))
    }

    private func withLink(_ url: String) -> [UInt8] {
        guard isBundle else { return body }
        return replacing("link", with: .array([["relation": "next", "url": .string(url)]]))
    }

    private func replacing(_ name: String, with value: JSONValue) -> [UInt8] {
        guard let members = json?.object, isBundle else { return body }
        return JSONValue.object(members.filter { $0.name != name } + [JSONMemberValue(name, value)]).serialized
    }
}
