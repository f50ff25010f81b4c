internal import FHIRCore

/// Renders the answers to the entries of a Bundle (FHIR R4 http §3.1.0.11.3).
enum BundleAnswer {
    /// The Bundle of the answers, in the order of the entries.
    static func bundle(_ type: String, _ answers: [SandboxResponse], prefer: String?) throws -> SandboxResponse {
        let entries = try answers.map { try entry($0, prefer: prefer) }
        return SandboxResponse(
            status: 200,
            body: .tree(
                JSONTree.object([
                    ("resourceType", "Bundle"), ("type", .string("\(type)-response")), ("entry", .array(entries)),
                ])))
    }

    private static func entry(_ answer: SandboxResponse, prefer: String?) throws -> JSONValue {
        var resource: JSONValue?
        var outcome: JSONValue?
        switch answer.body {
        case .none: break
        case .stored(let bytes): resource = try StoreTransaction.parse(bytes)
        case .tree(let tree): if tree["resourceType"] == "OperationOutcome" { outcome = tree } else { resource = tree }
        case .content, .lines: throw SandboxFailure.notSupported("this cannot stand in the entry of a Bundle")
        }
        let response = JSONTree.object([
            ("status", .string("\(answer.status) \(reason(answer.status))".trimmed)),
            ("location", answer.location.map { .string($0) }), ("etag", answer.etag.map { .string($0) }),
            ("lastModified", answer.lastModified.map { .string(FHIRTime.instant($0)) }), ("outcome", outcome),
        ])
        return JSONTree.object([("resource", resource), ("response", response)])
    }

    private static func reason(_ status: Int) -> String {
        let reasons = [
            200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 404: "Not Found",
            405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 412: "Precondition Failed",
            415: "Unsupported Media Type", 422: "Unprocessable Content",
        ]
        return reasons[status] ?? ""
    }
}

/// Performs a batch: each entry for itself, in its own transaction of the store (FHIR R4 http §3.1.0.11.1).
struct BatchInteraction {
    let store: SandboxStore
    let base: String
    let limits: SandboxConfiguration

    func respond(_ bundle: JSONValue, prefer: String?) throws -> SandboxResponse {
        let answers = (bundle["entry"]?.flattened ?? []).map { answer($0, prefer: prefer) }
        return try BundleAnswer.bundle("batch", answers, prefer: prefer)
    }

    private func answer(_ tree: JSONValue, prefer: String?) -> SandboxResponse {
        do {
            guard var request = try BundleEntry(tree, base: base).request else {
                throw SandboxFailure.invalid("an entry of a batch needs a `request`")
            }
            request.headers["prefer"] = prefer
            let route = try SandboxRoute(request)
            func perform(_ transaction: StoreTransaction) throws -> SandboxResponse {
                try Interactions(transaction: transaction, base: base, limits: limits).perform(route, request)
            }
            return try route.isWrite ? store.write(perform) : store.read(perform)
        } catch let failure as SandboxFailure {
            return SandboxResponse(failure)
        } catch {
            return SandboxResponse(.exception(error))
        }
    }
}
