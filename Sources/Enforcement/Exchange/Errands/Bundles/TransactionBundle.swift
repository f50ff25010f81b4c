internal import FHIRCore

/// The transaction that is sent: made of requests each of which was permitted, judged and tied to a version on its own.
struct TransactionBundle: Sendable {
    /// The Bundle as JSON.
    let bytes: [UInt8]

    /// - Parameter entries: the requests in the client's order; a name where other entries refer to what one creates.
    init(_ entries: [(fullURL: String?, request: UpstreamRequest)]) {
        var bytes = Array(#"{"resourceType":"Bundle","type":"transaction","entry":["#.utf8)
        for (place, entry) in entries.enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(UInt8(ascii: "{"))
            if let fullURL = entry.fullURL {
                bytes += Array(#""fullUrl":"#.utf8) + JSONValue.string(fullURL).serialized + Array(",".utf8)
            }
            if !entry.request.body.isEmpty {
                bytes += Array(#""resource":"#.utf8) + entry.request.body + Array(",".utf8)
            }
            bytes += Array(#""request":"#.utf8) + TransactionBundle.request(entry.request).serialized
            bytes.append(UInt8(ascii: "}"))
        }
        self.bytes = bytes + Array("]}".utf8)
    }

    private static func request(_ request: UpstreamRequest) -> JSONValue {
        let query = request.query.map { $0.isEmpty ? "" : "?\($0)" } ?? ""
        var members = [
            JSONMemberValue("method", .string(request.method.rawValue)),
            JSONMemberValue("url", .string(request.path.dropFirst() + query)),
        ]
        if let ifMatch = request.ifMatch { members.append(JSONMemberValue("ifMatch", .string(ifMatch))) }
        if let condition = request.ifNoneExist { members.append(JSONMemberValue("ifNoneExist", .string(condition))) }
        return .object(members)
    }
}

/// The protected server's answer to a transaction, taken apart; nil for anything but one answer to each entry.
struct TransactionResponse: Sendable {
    /// The answer to each entry, in order.
    let parts: [UpstreamReply]
    private let heads: [(head: UpstreamHead, resource: ResourceView?)]

    init?(_ head: UpstreamHead, _ body: [UInt8], count: Int) {
        guard head.isJSON, let view = ExchangeRules.resource(body), let bundle = BundleView(view),
            bundle.type == "transaction-response", bundle.entries.count == count
        else { return nil }
        var heads: [(UpstreamHead, ResourceView?)] = []
        for entry in bundle.entries {
            guard let part = TransactionResponse.part(entry) else { return nil }
            heads.append(part)
        }
        self.heads = heads
        parts = heads.map { head, resource in .answer(head, body: resource.map { Array($0.node.bytes) } ?? []) }
    }

    private static func part(_ entry: BundleView.Entry) -> (UpstreamHead, ResourceView?)? {
        guard let response = entry.response, let text = response["status"]?.string,
            let status = Int(text.prefix { $0 != " " }), (200...599).contains(status)
        else { return nil }
        var resource: ResourceView?
        if let node = entry.resource {
            guard let view = try? ResourceView(node) else { return nil }
            resource = view
        }
        let head = UpstreamHead(
            status: status, contentType: resource == nil ? nil : "application/fhir+json",
            etag: response["etag"]?.string, location: response["location"]?.string)
        return (head, resource)
    }

    /// Whether the answer at a place can be the one to that request: a server that mixes answers up must not have them
    /// matched to the wrong decision (ATK-169).
    func fits(_ interaction: FHIRInteraction, at place: Int, _ policy: TransactionNames) -> Bool {
        let (head, resource) = heads[place]
        let isOutcome = resource?.type == .operationOutcome
        let location = head.location.flatMap { policy.key(LiteralReference($0)) }
        guard head.location == nil || location != nil else { return false }
        switch interaction {
        case .create(let type):
            return (location?.type ?? type) == type && (isOutcome || (resource?.type ?? type) == type)
        case .update(let key), .patch(let key):
            return (location ?? key) == key && (isOutcome || (resource.map { $0.key == key } ?? true))
        case .delete(let key):
            return (location ?? key) == key && (resource == nil || isOutcome)
        default: return false
        }
    }
}

/// Which resources addresses name, on the protected server and on our own base.
struct TransactionNames: Sendable {
    let publicBase: String
    let upstreamBase: String

    func key(_ literal: LiteralReference) -> InstanceKey? {
        switch literal {
        case .relative(let key, _): key
        case .absolute(let base, let key, _): base == publicBase || base == upstreamBase ? key : nil
        case .fragment, .urn, .conditional, .other: nil
        }
    }
}

extension UpstreamHead {
    /// Whether the body says that it is JSON.
    fileprivate var isJSON: Bool {
        guard let contentType else { return false }
        let essence = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        return essence == "application/fhir+json" || essence == "application/json"
    }
}
