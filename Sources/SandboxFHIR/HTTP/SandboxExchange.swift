internal import FHIRCore

/// A request to the sandbox without its transport: what HTTP and the entries of a Bundle have in common.
struct SandboxRequest {
    var method: String
    /// Below the FHIR base, percent-encoded, without a slash in front.
    var path: String
    var query = QueryString()
    /// By lower-case name.
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    /// The resource when it is already a tree, as in a Bundle's entry.
    var resource: JSONValue?

    /// The preferences of the `Prefer` header (RFC 7240), by lower-case name.
    var preferences: [String: String] {
        var found: [String: String] = [:]
        for part in (headers["prefer"] ?? "").split(whereSeparator: { $0 == "," || $0 == ";" }) {
            let sides = part.split(separator: "=", maxSplits: 1).map { String($0).trimmed }
            if sides.count == 2 { found[sides[0].lowercased()] = sides[1] }
        }
        return found
    }
}

/// The answer to a `SandboxRequest`.
struct SandboxResponse {
    var status: Int
    var etag: String?
    var lastModified: Int64?
    var location: String?
    /// Further headers.
    var headers: [(name: String, value: String)] = []
    /// The media type when it is not the body's own.
    var mediaType: String?
    var body: Body = .none

    enum Body {
        case none
        /// A resource as it is stored.
        case stored([UInt8])
        case tree(JSONValue)
        /// The content of a Binary in its own type.
        case content([UInt8], type: String)
        /// The lines of an export file, read from the store as they are sent.
        case lines(ExportLines)

        /// The media type; `nil` when there is no body.
        var mediaType: String? {
            switch self {
            case .none: nil
            case .stored, .tree: MediaType.fhirJSON
            case .content(_, let type): type
            case .lines: MediaType.ndjson
            }
        }

        /// The whole body.
        var bytes: [UInt8] {
            get throws {
                switch self {
                case .none: []
                case .stored(let bytes): bytes
                case .tree(let tree): tree.serialized
                case .content(let bytes, _): bytes
                case .lines(let lines): try lines.all
                }
            }
        }
    }

    /// The OperationOutcome of a failure.
    init(_ failure: SandboxFailure) {
        status = failure.status
        body = .tree(failure.outcome)
    }

    init(status: Int, body: Body = .none) {
        self.status = status
        self.body = body
    }

    /// A version of a resource, with its tags.
    init(status: Int, resource: StoredResource) {
        self.status = status
        etag = resource.entityTag
        lastModified = resource.lastUpdated
        body = resource.isDeleted ? .none : .stored(resource.body)
    }
}
