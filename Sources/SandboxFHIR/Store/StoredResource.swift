public import FHIRCore

/// One version of a resource as the sandbox keeps it.
public struct StoredResource: Hashable, Sendable {
    /// Which resource it is a version of.
    public let key: InstanceKey
    /// The number of the version, counted from 1.
    public let version: Int
    /// When it was written, in milliseconds since 1970.
    public let lastUpdated: Int64
    /// Whether this version is a deletion; its body is empty then.
    public let isDeleted: Bool
    /// The resource as JSON, with its id, version and time of writing.
    public let body: [UInt8]
    /// The method that wrote it: `POST`, `PUT` or `DELETE`.
    public let method: String

    /// The version as a weak entity tag (FHIR R4 http §3.1.0.2).
    var entityTag: String { "W/\"\(version)\"" }
}

/// A version that has been written, and whether it brought the resource into being.
struct WrittenResource {
    let resource: StoredResource
    let isNew: Bool
}
