internal import AccessPolicy
internal import FHIRCore

extension UpstreamRequest {
    /// The permitted request, printed anew from what the permit carries.
    ///
    /// - Parameters:
    ///   - judged: the stored version that passed; a write is tied to it.
    ///   - submitted: the body that passed; nil where there is none.
    ///   - pageTarget: the request target of the further page that the permit continues at.
    ///   - ifNoneExist: the condition of a create, as the permit of its search says it.
    init(
        _ permit: Permit, judged: JudgedVersion?, submitted: Released?, pageTarget: String?,
        ifNoneExist: NarrowedCondition? = nil
    ) {
        if permit.continuation != nil, let pageTarget {
            self.init(method: .get, path: "", pageTarget: pageTarget)
            return
        }
        let path = permit.upstreamInteraction.upstreamPath
        let query = permit.upstreamQuery?.encoded
        switch permit.upstreamInteraction {
        case .search where permit.request.isPostSearch || (query?.utf8.count ?? 0) > Self.longestQueryInTarget:
            // The values of a POST search stay out of the protected server's access log as well (b.4 row 7).
            self.init(
                method: .post, path: "\(path)/_search", contentType: "application/x-www-form-urlencoded",
                prefer: Self.strict, body: Array((query ?? "").utf8))
        case .operation where permit.operationBody != nil:
            self.init(
                method: .post, path: path, contentType: Self.fhirJSON, body: permit.operationBody?.bytes ?? [])
        case .create, .conditionalCreate:
            self.init(
                method: .post, path: path, contentType: Self.fhirJSON, ifNoneExist: ifNoneExist?.text,
                prefer: Self.representation, body: submitted?.bytes ?? [])
        case .update, .conditionalUpdate, .patch, .conditionalPatch:
            self.init(
                method: .put, path: path, contentType: Self.fhirJSON,
                ifMatch: mutated(.writesUntied) ? nil : judged?.entityTag,
                prefer: Self.representation, body: submitted?.bytes ?? [])
        case .delete, .conditionalDelete:
            self.init(method: .delete, path: path, ifMatch: judged?.entityTag)
        case .search, .searchSystem, .searchCompartment:
            self.init(method: .get, path: path, query: query, prefer: Self.strict)
        case .capabilities, .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .batch, .transaction,
            .operation, .page:
            self.init(method: .get, path: path, query: query)
        }
    }

    /// A transaction of requests each of which was permitted on its own (enforcer.md b.4 row 22).
    init(transaction: TransactionBundle) {
        self.init(
            method: .post, path: "", contentType: Self.fhirJSON, prefer: Self.representation, body: transaction.bytes)
    }

    /// The kick-off of a permitted export.
    init(_ export: BulkPermit) {
        self.init(
            method: .get, path: export.kickOff.upstreamInteraction.upstreamPath,
            query: export.kickOff.upstreamQuery?.encoded, prefer: "respond-async")
    }

    /// Something of a permitted export's job: its state, its end, one of its files.
    ///
    /// - Parameter target: a request target that was checked to lie within the server's base.
    init(_ export: BulkPermit, method: Method, target: String) {
        self.init(method: method, path: "", pageTarget: target)
    }

    /// The read of the stored version that a permit wants judged first.
    init(readingFirst precondition: Precondition, for permit: Permit) {
        self.init(method: .get, path: "/\(precondition.instance)")
    }

    /// A longer query goes as a form: many servers and proxies take no longer request line than 8 KiB.
    private static let longestQueryInTarget = 4_096
    /// R4 search.html#errors: a server that does not know a parameter of ours must not leave it out.
    private static let strict = "handling=strict"
    static let fhirJSON = "application/fhir+json"
    /// We always ask for what was stored, so that it can be judged; what the client gets of it is `admitAnswer`'s.
    static let representation = "return=representation"
}

extension FHIRInteraction {
    /// The path below a FHIR base, printed from parsed parts.
    var upstreamPath: String {
        switch self {
        case .capabilities: "/metadata"
        case .read(let key), .update(let key), .patch(let key), .delete(let key): "/\(key)"
        case .vread(let key, let version): "/\(key)/_history/\(version.text)"
        case .instanceHistory(let key): "/\(key)/_history"
        case .typeHistory(let type): "/\(type.rawValue)/_history"
        case .systemHistory: "/_history"
        case .search(let type), .create(let type), .conditionalCreate(let type), .conditionalUpdate(let type),
            .conditionalPatch(let type), .conditionalDelete(let type):
            "/\(type.rawValue)"
        case .searchCompartment(let kind, let id, let type):
            "/\(kind.resourceType.rawValue)/\(id.text)/\(type?.rawValue ?? "*")"
        case .searchSystem, .batch, .transaction: ""
        case .operation(let name, .system): "/$\(name)"
        case .operation(let name, .type(let type)): "/\(type.rawValue)/$\(name)"
        case .operation(let name, .instance(let key)): "/\(key)/$\(name)"
        case .page(let opaque): "/_page/\(opaque)"
        }
    }
}
