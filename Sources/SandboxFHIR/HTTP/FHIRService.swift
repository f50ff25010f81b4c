internal import FHIRCore

/// Answers requests to the FHIR base: everything between HTTP and the store. Synchronous; callers choose the thread.
struct FHIRService: Sendable {
    let store: SandboxStore
    let configuration: SandboxConfiguration
    private let exports: BulkExport

    /// A service over a store; its exports are run by `background`, by default on a queue of their own.
    init(store: SandboxStore, configuration: SandboxConfiguration, background: BulkExport.Background? = nil) {
        self.store = store
        self.configuration = configuration
        exports =
            background.map { BulkExport(store: store, limits: configuration, background: $0) }
            ?? BulkExport(store: store, limits: configuration)
    }

    /// Answers a request; every failure becomes an OperationOutcome.
    func respond(_ request: SandboxRequest, base: String) -> SandboxResponse {
        do {
            let route = try SandboxRoute(request)
            try checkMedia(request, route)
            switch route {
            case .capabilities:
                let statement = try store.read {
                    CapabilityStatement(registry: store.registry, base: base, now: $0.now()).json
                }
                return SandboxResponse(status: 200, body: .tree(statement))
            case .bundle:
                return try submit(request, base: base)
            case .export(let level): return try exports.kickOff(level, request, base: base)
            case .exportStatus(let job): return try exports.status(job, base: base)
            case .exportCancel(let job): return try exports.cancel(job)
            case .exportFile(let job, let name): return try exports.file(name, of: job)
            default:
                func perform(_ transaction: StoreTransaction) throws -> SandboxResponse {
                    try Interactions(transaction: transaction, base: base, limits: configuration)
                        .perform(route, request)
                }
                return try route.isWrite ? store.write(perform) : store.read(perform)
            }
        } catch let failure as SandboxFailure {
            return SandboxResponse(failure)
        } catch {
            return SandboxResponse(.exception(error))
        }
    }

    private func submit(_ request: SandboxRequest, base: String) throws -> SandboxResponse {
        let bundle = try StoreTransaction.parse(request.body)
        guard bundle["resourceType"] == "Bundle" else { throw SandboxFailure.invalid("the base takes a Bundle") }
        let prefer = request.headers["prefer"]
        switch bundle["type"]?.string {
        case "batch":
            return try BatchInteraction(store: store, base: base, limits: configuration)
                .respond(bundle, prefer: prefer)
        case "transaction":
            return try store.write { transaction in
                let interactions = Interactions(transaction: transaction, base: base, limits: configuration)
                return try TransactionInteraction(interactions: interactions, prefer: prefer).respond(bundle)
            }
        case let type:
            throw SandboxFailure.invalid("a Bundle of type `\(type ?? "")` cannot be submitted")
        }
    }

    private func checkMedia(_ request: SandboxRequest, _ route: SandboxRoute) throws {
        if !route.answersContent {
            let format = request.query.values("_format").last
            guard MediaType.acceptsJSON(format: format, accept: request.headers["accept"]) else {
                throw SandboxFailure(
                    status: 406, issueCode: "not-supported", diagnostics: "only \(MediaType.fhirJSON) is served")
            }
        }
        guard ["POST", "PUT", "PATCH"].contains(request.method), let wanted = route.contentTypes(of: request),
            !wanted.contains(MediaType(request.headers["content-type"])?.name ?? "")
        else { return }
        throw SandboxFailure(
            status: 415, issueCode: "not-supported",
            diagnostics: "only \(wanted.first ?? MediaType.fhirJSON) is read")
    }
}

extension SandboxRoute {
    /// Whether the answer is what somebody stored, in whatever type that has.
    fileprivate var answersContent: Bool {
        switch self {
        case .read(let key): key.type == .binary
        case .versionRead(let key, _): key.type == .binary
        case .exportFile: true
        default: false
        }
    }

    /// The types that the body can have; `nil` when any can be.
    fileprivate func contentTypes(of request: SandboxRequest) -> [String]? {
        switch self {
        case .patch, .conditionalPatch: return [JSONPatch.mediaType]
        case .create(.binary): return nil
        case .update(let key) where key.type == .binary: return nil
        case .search, .compartment: return nil
        case .operation, .export: return request.body.isEmpty ? nil : MediaType.json
        default: return MediaType.json
        }
    }
}
