internal import FHIRCore

/// What a method and a path ask for (FHIR R4 http §3.1.0.1).
enum SandboxRoute: Hashable {
    case capabilities
    case read(InstanceKey), versionRead(InstanceKey, String)
    case instanceHistory(InstanceKey), typeHistory(ResourceType), systemHistory
    case search(ResourceType?, isForm: Bool)
    case compartment(CompartmentKind, ResourceID, ResourceType?, isForm: Bool)
    case create(ResourceType), update(InstanceKey), delete(InstanceKey), patch(InstanceKey)
    case conditionalUpdate(ResourceType), conditionalDelete(ResourceType)
    case bundle

    /// Finds the route, or says what about the request is not served.
    init(_ request: SandboxRequest) throws(SandboxFailure) {
        var segments: [String] = []
        for segment in request.path.split(separator: "/", omittingEmptySubsequences: true) {
            segments.append(try QueryString.decode(segment, plusIsSpace: false))
        }
        // HEAD is GET without its body (RFC 9110 §9.3.2).
        let method = request.method == "HEAD" ? "GET" : request.method
        guard let first = segments.first else {
            self = try SandboxRoute.atBase(method)
            return
        }
        if let operation = segments.first(where: { $0.hasPrefix("$") }) {
            throw .notSupported("the operation `\(operation)` is not served", status: 404)
        }
        switch (first, segments.count) {
        case ("metadata", 1): self = try SandboxRoute.only("GET", method, .capabilities)
        case ("_history", 1): self = try SandboxRoute.only("GET", method, .systemHistory)
        case ("_search", 1): self = try SandboxRoute.only("POST", method, .search(nil, isForm: true))
        default:
            guard let type = ResourceType(rawValue: first) else {
                throw .notSupported("`\(first)` is not a resource type of R4", status: 404)
            }
            self =
                segments.count == 1
                ? try SandboxRoute.onType(type, method)
                : try SandboxRoute.below(type, Array(segments.dropFirst()), method)
        }
    }

    private static func atBase(_ method: String) throws(SandboxFailure) -> SandboxRoute {
        switch method {
        case "GET": .search(nil, isForm: false)
        case "POST": .bundle
        default: throw .methodNotAllowed("`\(method)` is not served at the base")
        }
    }

    private static func onType(_ type: ResourceType, _ method: String) throws(SandboxFailure) -> SandboxRoute {
        switch method {
        case "GET": .search(type, isForm: false)
        case "POST": .create(type)
        case "PUT": .conditionalUpdate(type)
        case "DELETE": .conditionalDelete(type)
        default: throw .methodNotAllowed("`\(method)` is not served on a type")
        }
    }

    private static func below(_ type: ResourceType, _ rest: [String], _ method: String) throws(SandboxFailure)
        -> SandboxRoute
    {
        if rest == ["_search"] { return try only("POST", method, .search(type, isForm: true)) }
        if rest == ["_history"] { return try only("GET", method, .typeHistory(type)) }
        guard let id = ResourceID(rest[0]) else { throw .invalid("`\(rest[0])` is not an id") }
        let key = InstanceKey(type: type, id: id)
        if rest.count == 1 {
            switch method {
            case "GET": return .read(key)
            case "PUT": return .update(key)
            case "DELETE": return .delete(key)
            case "PATCH": return .patch(key)
            default: throw .methodNotAllowed("`\(method)` is not served on a resource")
            }
        }
        if rest[1] == "_history" {
            if rest.count == 2 { return try only("GET", method, .instanceHistory(key)) }
            if rest.count == 3 { return try only("GET", method, .versionRead(key, rest[2])) }
        }
        return try compartment(key, Array(rest.dropFirst()), method)
    }

    /// `Patient/x/Observation`, `Patient/x/*` and their form with `_search`.
    private static func compartment(_ key: InstanceKey, _ rest: [String], _ method: String) throws(SandboxFailure)
        -> SandboxRoute
    {
        guard let kind = CompartmentKind(key.type) else {
            throw .notFound("there is no compartment of \(key.type.rawValue)")
        }
        let isForm = rest.count == 2 && rest[1] == "_search"
        guard rest.count == 1 || isForm else { throw .notFound("the path is not one of FHIR") }
        if rest[0] == "*" {
            return try only(isForm ? "POST" : "GET", method, .compartment(kind, key.id, nil, isForm: isForm))
        }
        guard let type = ResourceType(rawValue: rest[0]) else {
            throw .notFound("`\(rest[0])` is not a resource type of R4")
        }
        return try only(isForm ? "POST" : "GET", method, .compartment(kind, key.id, type, isForm: isForm))
    }

    private static func only(_ wanted: String, _ method: String, _ route: SandboxRoute) throws(SandboxFailure)
        -> SandboxRoute
    {
        guard method == wanted else { throw .methodNotAllowed("`\(method)` is not served here") }
        return route
    }

    /// Whether the route changes the store.
    var isWrite: Bool {
        switch self {
        case .create, .update, .delete, .patch, .conditionalUpdate, .conditionalDelete: true
        default: false
        }
    }
}
