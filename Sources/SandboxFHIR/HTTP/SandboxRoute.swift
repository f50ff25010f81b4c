internal import FHIRCore

/// What a method and a path ask for (FHIR R4 http §3.1.0.1).
enum SandboxRoute: Hashable {
    case capabilities
    case read(InstanceKey), versionRead(InstanceKey, String)
    case instanceHistory(InstanceKey), typeHistory(ResourceType), systemHistory
    case search(ResourceType?, isForm: Bool)
    case compartment(CompartmentKind, ResourceID, ResourceType?, isForm: Bool)
    case create(ResourceType), update(InstanceKey), delete(InstanceKey), patch(InstanceKey)
    case conditionalUpdate(ResourceType), conditionalDelete(ResourceType), conditionalPatch(ResourceType)
    case bundle
    case operation(SandboxOperation)
    case export(ExportLevel), exportStatus(String), exportCancel(String), exportFile(job: String, name: String)

    /// The folder of the export jobs below the base.
    static let bulkFolder = "_bulk"

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
        if let name = segments.first(where: { $0.hasPrefix("$") }) {
            guard let found = try SandboxRoute.operation(name, segments) else {
                throw .notSupported("the operation `\(name)` is not served here", status: 404)
            }
            guard method == "GET" || method == "POST" else {
                throw .methodNotAllowed("an operation is called by GET or POST")
            }
            self = found
            return
        }
        if first == SandboxRoute.bulkFolder {
            self = try SandboxRoute.exportJob(segments, method)
            return
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
        case "PATCH": .conditionalPatch(type)
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

    /// `$x`, `Type/$x` and `Type/id/$x`.
    private static func operation(_ name: String, _ segments: [String]) throws(SandboxFailure) -> SandboxRoute? {
        guard segments.last == name else { return nil }
        if segments.count == 1 { return name == "$export" ? .export(.system) : nil }
        guard segments.count <= 3, let type = ResourceType(rawValue: segments[0]) else { return nil }
        var id: ResourceID?
        if segments.count == 3 {
            guard let read = ResourceID(segments[1]) else { throw .invalid("`\(segments[1])` is not an id") }
            id = read
        }
        switch (name, type, id) {
        case ("$export", .patient, nil): return .export(.patients)
        case ("$export", .group, let id?): return .export(.group(id))
        default: return SandboxOperation(name, on: type, id: id).map { .operation($0) }
        }
    }

    /// `_bulk/job` and `_bulk/job/file`.
    private static func exportJob(_ segments: [String], _ method: String) throws(SandboxFailure) -> SandboxRoute {
        switch (segments.count, method) {
        case (2, "GET"): return .exportStatus(segments[1])
        case (2, "DELETE"): return .exportCancel(segments[1])
        case (3, "GET"): return .exportFile(job: segments[1], name: segments[2])
        case (2, _), (3, _): throw .methodNotAllowed("`\(method)` is not served on an export")
        default: throw .notFound("the path is not one of an export")
        }
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
        case .create, .update, .delete, .patch, .conditionalUpdate, .conditionalDelete, .conditionalPatch: true
        default: false
        }
    }
}
