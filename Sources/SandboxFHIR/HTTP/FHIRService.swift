internal import FHIRCore

/// Answers requests to the FHIR base: everything between HTTP and the store. Synchronous; callers choose the thread.
struct FHIRService: Sendable {
    let store: SandboxStore
    let configuration: SandboxConfiguration

    /// Answers a request; every failure becomes an OperationOutcome.
    func respond(_ request: SandboxRequest, base: String) -> SandboxResponse {
        do {
            try checkMedia(request)
            let route = try SandboxRoute(request)
            switch route {
            case .capabilities:
                let statement = try store.read {
                    CapabilityStatement(registry: store.registry, base: base, now: $0.now()).json
                }
                return SandboxResponse(status: 200, body: .tree(statement))
            case .bundle:
                return try submit(request, base: base)
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

    private func checkMedia(_ request: SandboxRequest) throws {
        let format = request.query.values("_format").last
        guard MediaType.acceptsJSON(format: format, accept: request.headers["accept"]) else {
            throw SandboxFailure(
                status: 406, issueCode: "not-supported", diagnostics: "only \(MediaType.fhirJSON) is served")
        }
        let carriesResource = ["POST", "PUT", "PATCH"].contains(request.method) && !request.path.hasSuffix("_search")
        if carriesResource, !MediaType.isJSON(request.headers["content-type"]) {
            throw SandboxFailure(
                status: 415, issueCode: "not-supported", diagnostics: "only \(MediaType.fhirJSON) is read")
        }
    }
}
