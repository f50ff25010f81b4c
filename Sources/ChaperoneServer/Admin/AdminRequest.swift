public import Authorization
public import FHIRCore

/// Who asks on the admin side, and what they may do.
public struct AdminActor: Hashable, Sendable {
    /// The account's name, or `local` for the owner of this machine's credential.
    public let name: String
    public let roles: Set<UserRole>

    /// The command line on the same machine, with the credential that only the server's owner can read.
    public static let local = AdminActor(name: "local", roles: [.admin, .auditor])

    public init(name: String, roles: Set<UserRole>) {
        self.name = name
        self.roles = roles
    }
}

/// One question to the admin side, however it came.
public struct AdminRequest: Sendable {
    public enum Method: String, Hashable, Sendable { case get = "GET", post = "POST" }

    public let method: Method
    /// The parts of the path below `/admin/v1`, decoded.
    public let path: [String]
    public let query: [String: String]
    public let body: JSONValue?
    public let actor: AdminActor
    public let sourceAddress: String
    /// The trace that the request belongs to.
    public let traceID: String?

    /// Where it came from, for the records of what it brings about.
    var source: RequestSource { RequestSource(address: sourceAddress, traceID: traceID) }

    public init(
        _ method: Method, _ path: [String], query: [String: String] = [:], body: JSONValue? = nil, actor: AdminActor,
        sourceAddress: String, traceID: String? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.actor = actor
        self.sourceAddress = sourceAddress
        self.traceID = traceID
    }
}
