/// The body of a request, read as its interaction demands.
public enum RequestBody: Hashable, Sendable {
    /// No body, or one whose content went into the query (`POST _search`).
    case none
    /// A resource to be stored, or the input of an operation.
    case resource(ResourceView)
    /// A JSON Patch (RFC 6902).
    case patch(JSONPatch)
    /// A batch or transaction.
    case bundle(BundleRequest)
}

/// Reads bodies.
enum RequestBodyReader {
    static func read(
        _ request: FHIRRequest, for interaction: FHIRInteraction, limits: RequestLimits
    ) throws(RequestRefusal) -> RequestBody {
        guard request.headers.contentEncoding == nil || request.headers.contentEncoding == "identity" else {
            throw .mediaType("not encoded")
        }
        switch interaction {
        case .create(let type), .conditionalCreate(let type), .conditionalUpdate(let type):
            return .resource(try resource(request, type: type, limits: limits))
        case .update(let key):
            let view = try resource(request, type: key.type, limits: limits)
            guard view.id == key.id else { throw .invalid("`id` in the body is not the id in the path") }
            return .resource(view)
        case .patch, .conditionalPatch:
            let document = try json(request, MediaType.jsonPatch, "application/json-patch+json", limits)
            do throws(JSONPatchError) {
                return .patch(try JSONPatch(document.root))
            } catch {
                if error == .tooManyOperations { throw .tooLong("the patch has too many operations") }
                throw .invalid("the body is no JSON Patch (RFC 6902)")
            }
        case .batch, .transaction:
            let view = try resource(request, type: .bundle, limits: limits)
            return .bundle(try BundleRequest(view, limits: limits))
        case .operation:
            guard request.method == .post, !request.body.isEmpty else {
                try requireEmpty(request)
                return .none
            }
            return .resource(try resource(request, type: nil, limits: limits))
        case .search, .searchSystem:
            // The form of a `POST _search` is read with the query.
            if request.method != .post { try requireEmpty(request) }
            return .none
        case .capabilities, .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .searchCompartment,
            .delete, .conditionalDelete, .page:
            try requireEmpty(request)
            return .none
        }
    }

    private static func requireEmpty(_ request: FHIRRequest) throws(RequestRefusal) {
        guard request.body.isEmpty else { throw .invalid("a request of this kind has no body") }
    }

    private static func json(
        _ request: FHIRRequest, _ types: Set<String>, _ expected: String, _ limits: RequestLimits
    ) throws(RequestRefusal) -> JSONDocument {
        guard let text = request.headers.contentType, let type = MediaType(text), types.contains(type.essence),
            type.isUTF8AndR4
        else { throw .mediaType(expected) }
        if let fault = request.bodyFault { throw fault }
        do throws(JSONSyntaxError) {
            return try JSONDocument(request.body, limits: limits.json)
        } catch {
            if error.code == .tooLarge { throw .tooLong("the body is too large") }
            throw .invalid("the body is \(error.summary)")
        }
    }

    private static func resource(
        _ request: FHIRRequest, type: ResourceType?, limits: RequestLimits
    ) throws(RequestRefusal) -> ResourceView {
        let expected = "application/fhir+json or application/fhir+xml"
        return try resource(in: try json(request, MediaType.json, expected, limits), type: type)
    }

    /// The resource that a document is, held to what every body of a write is held to.
    static func resource(
        in document: JSONDocument, type: ResourceType?
    ) throws(RequestRefusal) -> ResourceView {
        let view: ResourceView
        do throws(ResourceSyntaxError) {
            view = try ResourceView(document.root)
        } catch {
            throw .invalid("the body is \(error.summary)")
        }
        guard type == nil || view.type == type else {
            throw .invalid("`resourceType` in the body is not the type that the path names")
        }
        if let fault = MemberNames.fault(in: document) ?? ContainedList.fault(in: view) { throw .invalid(fault) }
        return view
    }
}
