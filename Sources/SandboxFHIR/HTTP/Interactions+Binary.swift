internal import FHIRCore
internal import Foundation

/// Binary resources as their content (FHIR R4 binary §2.37.3).
extension Interactions {
    /// The content of a Binary in its own type, unless the request names a format of FHIR.
    func content(of resource: StoredResource, _ request: SandboxRequest) throws -> SandboxResponse? {
        let format = request.query.values("_format").last
        guard resource.key.type == .binary,
            !MediaType.namesFHIR(format: format, accept: request.headers["accept"])
        else { return nil }
        let tree = try StoreTransaction.parse(resource.body)
        guard let type = tree["contentType"]?.string, BinaryContent.isSafe(type),
            let data = Data(base64Encoded: tree["data"]?.string ?? "")
        else { return nil }
        var response = SandboxResponse(status: 200, resource: resource)
        response.body = .content(Array(data), type: type)
        return response
    }

    /// A Binary made of the body when that is not one itself; `nil` when it is JSON of FHIR.
    func binary(from request: SandboxRequest, id: ResourceID?) throws -> JSONValue? {
        guard request.resource == nil, !MediaType.isJSON(request.headers["content-type"]) else { return nil }
        guard let type = request.headers["content-type"], MediaType(type) != nil, BinaryContent.isSafe(type) else {
            throw SandboxFailure(status: 415, issueCode: "not-supported", diagnostics: "the content has no type")
        }
        return JSONTree.object([
            ("resourceType", "Binary"), ("id", id.map { .string($0.text) }), ("contentType", .string(type)),
            ("securityContext", request.headers["x-security-context"].map { ["reference": .string($0)] }),
            ("data", .string(Data(request.body).base64EncodedString())),
        ])
    }
}

private enum BinaryContent {
    /// Whether a stored type can stand in a header.
    static func isSafe(_ type: String) -> Bool {
        type.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    }
}
