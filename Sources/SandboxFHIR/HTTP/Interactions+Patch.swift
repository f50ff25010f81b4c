internal import FHIRCore
internal import Foundation

/// PATCH by JSON Patch (FHIR R4 http §3.1.0.6).
extension Interactions {
    /// Patches the one resource that criteria find.
    func conditionalPatch(_ type: ResourceType, _ request: SandboxRequest) throws -> SandboxResponse {
        let matches = try search.matches(type, request.query)
        if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match") }
        guard let match = matches.first else { throw SandboxFailure.notFound("nothing matches the criteria") }
        return try patch(match.key, request)
    }

    /// Applies a patch to the current version and stores what comes out as the next one.
    func patch(_ key: InstanceKey, _ request: SandboxRequest) throws -> SandboxResponse {
        guard let current = try transaction.current(key) else {
            throw SandboxFailure.notFound("\(key) is not known")
        }
        guard !current.isDeleted else { throw SandboxFailure.gone("\(key) was deleted") }
        try checkPreconditions(key, request)
        let patch = try JSONPatch(try patchDocument(request))
        let patched = try patch.applied(to: try StoreTransaction.parse(current.body))
        guard patched["resourceType"]?.string == key.type.rawValue, patched["id"]?.string == key.id.text else {
            throw SandboxFailure(
                status: 422, issueCode: "processing", diagnostics: "a patch cannot change what resource it is")
        }
        if let meta = patched["meta"], meta.object == nil {
            throw SandboxFailure(status: 422, issueCode: "processing", diagnostics: "`meta` must stay an object")
        }
        return written(try transaction.put(patched, at: key, method: "PATCH"), request)
    }

    /// The patch of a body, or the one that a Bundle carries as a Binary (FHIR R4 http §3.1.0.11.1).
    private func patchDocument(_ request: SandboxRequest) throws -> JSONValue {
        guard let resource = request.resource else { return try StoreTransaction.parse(request.body) }
        guard resource["resourceType"] == "Binary",
            MediaType(resource["contentType"]?.string)?.name == JSONPatch.mediaType
        else {
            throw SandboxFailure(
                status: 415, issueCode: "not-supported",
                diagnostics: "a Bundle carries a patch as a Binary of type \(JSONPatch.mediaType)")
        }
        guard let data = resource["data"]?.string.flatMap({ Data(base64Encoded: $0) }) else {
            throw SandboxFailure.invalid("the `data` of the Binary is not base64")
        }
        return try StoreTransaction.parse(Array(data))
    }
}
