internal import FHIRCore

/// Performs one interaction inside a transaction of the store. Bundles are `BundleInteractions`.
struct Interactions {
    let transaction: StoreTransaction
    /// The absolute address of the FHIR base, as the client knows it.
    let base: String
    let limits: SandboxConfiguration

    var search: SearchEngine { SearchEngine(transaction: transaction, ownBase: base, limits: limits) }

    /// Performs any interaction but those on Bundles and the CapabilityStatement.
    func perform(_ route: SandboxRoute, _ request: SandboxRequest) throws -> SandboxResponse {
        switch route {
        case .read(let key): return try read(key, request)
        case .versionRead(let key, let version): return try versionRead(key, version, request)
        case .instanceHistory(let key): return try HistoryInteraction(self).respond(.instance(key), request)
        case .typeHistory(let type): return try HistoryInteraction(self).respond(.type(type), request)
        case .systemHistory: return try HistoryInteraction(self).respond(.system, request)
        case .search(let type, let isForm):
            return try searchset(type, in: nil, request, isForm: isForm)
        case .compartment(let kind, let id, let type, let isForm):
            return try searchset(type, in: (kind, id), request, isForm: isForm)
        case .create(let type): return try create(type, request)
        case .update(let key): return try update(key, request)
        case .delete(let key): return try delete(key, request)
        case .conditionalUpdate(let type): return try conditionalUpdate(type, request)
        case .conditionalDelete(let type): return try conditionalDelete(type, request)
        case .patch(let key): return try patch(key, request)
        case .conditionalPatch(let type): return try conditionalPatch(type, request)
        case .operation(let operation): return try perform(operation, request)
        case .bundle, .capabilities, .export, .exportStatus, .exportCancel, .exportFile:
            throw SandboxFailure.notSupported("this cannot stand in the entry of a Bundle")
        }
    }

    private func perform(_ operation: SandboxOperation, _ request: SandboxRequest) throws -> SandboxResponse {
        switch operation {
        case .everything(let patient): try EverythingOperation(interactions: self).respond(patient, request)
        case .documents: try DocumentsOperation(interactions: self).respond(request)
        case .lastObservations: try LastObservationsOperation(interactions: self).respond(request)
        case .expand(let id): try TerminologyOperations(interactions: self).expand(id, request)
        case .validateCode(let id): try TerminologyOperations(interactions: self).validateCode(id, request)
        case .lookup: try TerminologyOperations(interactions: self).lookup(request)
        }
    }

    // MARK: Reading

    private func read(_ key: InstanceKey, _ request: SandboxRequest) throws -> SandboxResponse {
        guard let current = try transaction.current(key) else {
            throw SandboxFailure.notFound("\(key) is not known")
        }
        guard !current.isDeleted else { throw SandboxFailure.gone("\(key) was deleted") }
        if isUnchanged(current, request) {
            var response = SandboxResponse(status: 304, resource: current)
            response.body = .none
            return response
        }
        return try shown(current, request)
    }

    /// A version in the form that the request asks for.
    private func shown(_ resource: StoredResource, _ request: SandboxRequest) throws -> SandboxResponse {
        if let content = try content(of: resource, request) { return content }
        var response = SandboxResponse(status: 200, resource: resource)
        let subset = try ResourceSubset(request.query)
        if subset != .whole {
            let tree = try StoreTransaction.parse(resource.body)
            response.body = .tree(subset.applied(to: tree, registry: transaction.registry))
        }
        return response
    }

    /// RFC 9110 §13.2.2: an entity tag, when there is one, decides alone.
    private func isUnchanged(_ current: StoredResource, _ request: SandboxRequest) -> Bool {
        if let tags = request.headers["if-none-match"] {
            return tags == "*" || tags.split(separator: ",").contains { EntityTag($0)?.version == current.version }
        }
        guard let since = request.headers["if-modified-since"].flatMap(FHIRTime.parseHTTPDate) else { return false }
        return current.lastUpdated / 1000 <= since / 1000
    }

    private func versionRead(_ key: InstanceKey, _ version: String, _ request: SandboxRequest) throws -> SandboxResponse
    {
        guard let number = Int(version), let found = try transaction.version(number, of: key) else {
            throw SandboxFailure.notFound("\(key) has no version `\(version)`")
        }
        guard !found.isDeleted else { throw SandboxFailure.gone("version \(version) of \(key) is its deletion") }
        return try shown(found, request)
    }

    /// The answer of an operation that found resources, on one page.
    func searchset(_ found: [StoredResource], path: String, _ applied: QueryString) throws -> SandboxResponse {
        var page = SearchsetBundle.Page(matches: found, included: [], total: found.count)
        page.applied = applied
        let bundle = SearchsetBundle(base: base, path: path, registry: transaction.registry)
        return SandboxResponse(status: 200, body: .tree(try bundle.bundle(page)))
    }

    private func searchset(
        _ type: ResourceType?, in compartment: (CompartmentKind, ResourceID)?, _ request: SandboxRequest, isForm: Bool
    ) throws -> SandboxResponse {
        var query = request.query
        if isForm { query.pairs += try formPairs(request) }
        let handling = request.preferences["handling"].flatMap(SearchHandling.init) ?? limits.defaultHandling
        let result = try search.search(
            SearchRequest(type: type, compartment: compartment, query: query, handling: handling))
        var path = type.map(\.rawValue) ?? ""
        if let (kind, id) = compartment { path = "\(kind.rawValue)/\(id.text)/\(type?.rawValue ?? "*")" }
        return SandboxResponse(
            status: 200,
            body: .tree(
                try SearchsetBundle(base: base, path: path, registry: transaction.registry).bundle(result)))
    }

    private func formPairs(_ request: SandboxRequest) throws -> [QueryString.Pair] {
        if request.body.isEmpty { return [] }
        guard MediaType(request.headers["content-type"])?.name == "application/x-www-form-urlencoded" else {
            throw SandboxFailure(
                status: 415, issueCode: "not-supported",
                diagnostics: "`_search` takes a body of type application/x-www-form-urlencoded")
        }
        guard let text = String(validating: request.body, as: UTF8.self) else {
            throw SandboxFailure.invalid("the form is not UTF-8")
        }
        return try QueryString(parsing: text).pairs
    }

    // MARK: Writing

    private func create(_ type: ResourceType, _ request: SandboxRequest) throws -> SandboxResponse {
        let resource = try submitted(request, as: type)
        if let header = request.headers["if-none-exist"] {
            // Written without the `?` by the specification, with it by some clients.
            let condition = header.hasPrefix("?") ? String(header.dropFirst()) : header
            let matches = try search.matches(type, try QueryString(parsing: condition))
            if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match `\(condition)`") }
            // One match: nothing is created, and the answer says what there is (FHIR R4 http §3.1.0.8.1).
            if let match = matches.first { return written(WrittenResource(resource: match, isNew: false), request) }
        }
        let key = InstanceKey(type: type, id: try transaction.freshID())
        return written(try transaction.put(resource, at: key, method: "POST"), request)
    }

    private func update(_ key: InstanceKey, _ request: SandboxRequest) throws -> SandboxResponse {
        let resource = try submitted(request, as: key.type, id: key.id)
        guard resource["id"]?.string == key.id.text else {
            throw SandboxFailure.invalid("the resource's `id` is not the one in the URL")
        }
        try checkPreconditions(key, request)
        return written(try transaction.put(resource, at: key, method: "PUT"), request)
    }

    private func conditionalUpdate(_ type: ResourceType, _ request: SandboxRequest) throws -> SandboxResponse {
        let resource = try submitted(request, as: type)
        let matches = try search.matches(type, request.query)
        if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match") }
        let submittedID = resource["id"]?.string
        if let match = matches.first {
            guard submittedID == nil || submittedID == match.key.id.text else {
                throw SandboxFailure.invalid("the resource's `id` is not the one that matches")
            }
            try checkPreconditions(match.key, request)
            return written(try transaction.put(resource, at: match.key, method: "PUT"), request)
        }
        guard let submittedID else {
            let key = InstanceKey(type: type, id: try transaction.freshID())
            return written(try transaction.put(resource, at: key, method: "POST"), request)
        }
        guard let id = ResourceID(submittedID) else { throw SandboxFailure.invalid("`\(submittedID)` is not an id") }
        let key = InstanceKey(type: type, id: id)
        guard try transaction.current(key).map(\.isDeleted) ?? true else {
            throw SandboxFailure(
                status: 409, issueCode: "conflict", diagnostics: "\(key) is there and does not match the criteria")
        }
        return written(try transaction.put(resource, at: key, method: "PUT"), request)
    }

    /// Writes an entry of a transaction whose resource has been found out beforehand.
    func write(
        _ resource: JSONValue, at key: InstanceKey, method: String, existing: StoredResource?, _ request: SandboxRequest
    ) throws -> SandboxResponse {
        var request = request
        request.resource = resource
        let resource = try submitted(request, as: key.type)
        if let existing { return written(WrittenResource(resource: existing, isNew: false), request) }
        try checkPreconditions(key, request)
        return written(try transaction.put(resource, at: key, method: method), request)
    }

    private func delete(_ key: InstanceKey, _ request: SandboxRequest) throws -> SandboxResponse {
        guard let current = try transaction.current(key) else {
            throw SandboxFailure.notFound("\(key) is not known")
        }
        if current.isDeleted { return SandboxResponse(status: 204) }
        try checkPreconditions(key, request)
        return deleted(try transaction.delete(key))
    }

    private func conditionalDelete(_ type: ResourceType, _ request: SandboxRequest) throws -> SandboxResponse {
        let matches = try search.matches(type, request.query)
        if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match") }
        guard let match = matches.first else { return SandboxResponse(status: 204) }
        try checkPreconditions(match.key, request)
        return deleted(try transaction.delete(match.key))
    }

    private func deleted(_ resource: StoredResource) -> SandboxResponse {
        var response = SandboxResponse(status: 204)
        response.etag = resource.entityTag
        return response
    }

    /// Version-aware updates: `If-Match` (FHIR R4 http §3.1.0.5) and `If-None-Match: *`.
    func checkPreconditions(_ key: InstanceKey, _ request: SandboxRequest) throws {
        let current = try transaction.current(key)
        if let wanted = request.headers["if-match"] {
            guard let tag = EntityTag(wanted[...]) else {
                throw SandboxFailure.invalid("`If-Match` is not an entity tag of this server")
            }
            guard let current, !current.isDeleted, current.version == tag.version else {
                throw SandboxFailure.preconditionFailed("\(key) is not at version \(tag.version)")
            }
        }
        if request.headers["if-none-match"] == "*", let current, !current.isDeleted {
            throw SandboxFailure.preconditionFailed("\(key) is there already")
        }
    }

    /// The resource of a body, which must be of the type that the URL names.
    private func submitted(_ request: SandboxRequest, as type: ResourceType, id: ResourceID? = nil) throws -> JSONValue
    {
        if type == .binary, let binary = try binary(from: request, id: id) { return binary }
        let tree = try request.resource ?? StoreTransaction.parse(request.body)
        let actual = try StoreTransaction.resourceType(of: tree)
        guard actual == type else {
            throw SandboxFailure.invalid("the resource is a \(actual.rawValue), the URL names \(type.rawValue)")
        }
        return tree
    }

    /// The answer to a write in the form that `Prefer: return` asks for (FHIR R4 http §3.1.0.1.7).
    func written(_ written: WrittenResource, _ request: SandboxRequest) -> SandboxResponse {
        let resource = written.resource
        var response = SandboxResponse(status: written.isNew ? 201 : 200, resource: resource)
        response.location = "\(base)/\(resource.key)/_history/\(resource.version)"
        switch request.preferences["return"] {
        case "minimal": response.body = .none
        case "OperationOutcome":
            response.body = .tree(
                JSONTree.outcome(
                    severity: "information", code: "informational",
                    diagnostics: "\(resource.key) is at version \(resource.version)"))
        default: break
        }
        return response
    }
}

/// An entity tag of this server: the version in quotes, weak or strong.
struct EntityTag: Hashable {
    let version: Int

    init?(_ text: Substring) {
        var rest = String(text).trimmed[...]
        if rest.hasPrefix("W/") { rest = rest.dropFirst(2) }
        guard rest.count > 2, rest.first == "\"", rest.last == "\"", let number = Int(rest.dropFirst().dropLast())
        else { return nil }
        version = number
    }
}
