// What a conditional request, a patch or an entry of a transaction comes to once it is known what it is about: another
// request, made of its parsed parts and never of text.

extension CanonicalRequest {
    /// The search that the condition of a conditional interaction is; nil for every other interaction.
    ///
    /// It is read strictly whatever handling the client prefers: a condition of which a part was passed over would select
    /// other resources than the client means.
    public var conditionSearch: CanonicalRequest? {
        switch interaction {
        case .conditionalCreate(let type), .conditionalUpdate(let type), .conditionalPatch(let type),
            .conditionalDelete(let type):
            var prefer = Prefer()
            prefer.answer = self.prefer.answer
            return CanonicalRequest(
                method: .get, interaction: .search(type), query: query, body: .none, prefer: prefer)
        case .capabilities, .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem,
            .searchCompartment, .create, .update, .patch, .delete, .batch, .transaction, .operation, .page:
            return nil
        }
    }

    /// The create that a conditional create or update is where nothing matches; nil for every other interaction.
    public var unconditionalCreate: CanonicalRequest? {
        switch interaction {
        case .conditionalCreate(let type), .conditionalUpdate(let type):
            CanonicalRequest(method: .post, interaction: .create(type), body: body, prefer: prefer)
        case .capabilities, .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem,
            .searchCompartment, .create, .update, .patch, .delete, .conditionalPatch, .conditionalDelete, .batch,
            .transaction, .operation, .page:
            nil
        }
    }

    /// The write of one instance that a conditional update, patch or delete is where that one matches.
    ///
    /// It is tied to the version that was found to match. Throws when the body of an update names another id (FHIR R4
    /// http.html, conditional update), and for an interaction that is none of the three.
    public func resolved(to key: InstanceKey, version: VersionID) throws(RequestRefusal) -> CanonicalRequest {
        switch (interaction, body) {
        case (.conditionalUpdate, .resource(let resource)):
            guard resource.id == nil || resource.id == key.id else {
                throw .invalid("`id` in the body is not the id of the resource that matches")
            }
            let named = try resource.id == nil ? resource.naming(key) : resource
            return CanonicalRequest(
                method: .put, interaction: .update(key), body: .resource(named), ifMatch: version, prefer: prefer)
        case (.conditionalPatch, .patch):
            return CanonicalRequest(
                method: .patch, interaction: .patch(key), body: body, ifMatch: version, prefer: prefer)
        case (.conditionalDelete, _):
            return CanonicalRequest(method: .delete, interaction: .delete(key), ifMatch: version, prefer: prefer)
        default: throw .invalid("the request has no condition that could name an instance")
        }
    }

    /// The update that a patch of an instance comes to, tied to the version that was patched.
    ///
    /// Throws when the bytes are not a resource with the type and id of that instance.
    public func updating(
        _ key: InstanceKey, to bytes: [UInt8], from version: VersionID, limits: RequestLimits = .default
    ) throws(RequestRefusal) -> CanonicalRequest {
        let view = try CanonicalRequest.resource(bytes, type: key.type, limits: limits)
        guard view.id == key.id else { throw .invalid("`id` in the body is not the id in the path") }
        return CanonicalRequest(
            method: .put, interaction: .update(key), body: .resource(view), ifMatch: version, prefer: prefer)
    }

    /// The same request with its body written in another way; for the references of a transaction's entries.
    ///
    /// Throws when the bytes are not a resource of the same type and id as the body.
    public func replacingBody(
        with bytes: [UInt8], limits: RequestLimits = .default
    ) throws(RequestRefusal) -> CanonicalRequest {
        guard case .resource(let before) = body else { throw .invalid("the request has no body") }
        let view = try CanonicalRequest.resource(bytes, type: before.type, limits: limits)
        guard view.id == before.id else { throw .invalid("`id` in the body has changed") }
        return CanonicalRequest(
            method: method, interaction: interaction, query: query, body: .resource(view), ifMatch: ifMatch,
            prefer: prefer, options: options)
    }

    private static func resource(
        _ bytes: [UInt8], type: ResourceType, limits: RequestLimits
    ) throws(RequestRefusal) -> ResourceView {
        let document: JSONDocument
        do throws(JSONSyntaxError) {
            document = try JSONDocument(bytes, limits: limits.json)
        } catch {
            throw .invalid("the body is \(error.summary)")
        }
        return try RequestBodyReader.resource(in: document, type: type)
    }

    /// A request of parsed parts.
    private init(
        method: FHIRRequest.Method, interaction: FHIRInteraction, query: SearchQuery = SearchQuery(),
        body: RequestBody = .none, ifMatch: VersionID? = nil, prefer: Prefer,
        options: ResultOptions = ResultOptions()
    ) {
        self.method = method
        self.interaction = interaction
        self.query = query
        self.body = body
        self.ifMatch = ifMatch
        self.prefer = prefer
        self.options = options
        readCondition = ReadCondition()
        isHead = false
        isPostSearch = false
    }
}

extension ResourceView {
    /// The same resource with an id; it must have none.
    fileprivate func naming(_ key: InstanceKey) throws(RequestRefusal) -> ResourceView {
        let place = node.range.lowerBound + 1
        let id = ByteEdit(range: place..<place, replacement: Array(#""id":"\#(key.id.text)","#.utf8))
        let bytes = applying([id], to: node.document.bytes, in: node.range)
        guard let document = try? JSONDocument(bytes), let view = try? ResourceView(document.root) else {
            throw .invalid("the body cannot be given the id of the resource that matches")
        }
        return view
    }
}
