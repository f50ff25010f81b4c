internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

/// An export under way: who started it, what was asked, and where the protected server keeps it.
///
/// It travels sealed in its own address. Like a page link it is a bookmark and never a right: whenever it comes back the
/// kick-off is decided again, for the token that came with it.
struct BulkJob: Hashable, Sendable {
    let client: String
    /// The kick-off: raw path below our base, and its query.
    let path: String
    let query: String
    /// The request target of the job's state.
    let target: String
    let expiresAt: Int64

    /// How long a job can be looked at, in seconds.
    static let lifetime: Int64 = 86_400

    var json: JSONValue {
        [
            "client": .string(client), "path": .string(path), "query": .string(query), "target": .string(target),
            "expires": .int(expiresAt),
        ]
    }

    init(client: String, path: String, query: String, target: String, expiresAt: Int64) {
        self.client = client
        self.path = path
        self.query = query
        self.target = target
        self.expiresAt = expiresAt
    }

    init?(_ json: JSONValue) {
        guard let client = json["client"]?.string, let path = json["path"]?.string, let query = json["query"]?.string,
            let target = json["target"]?.string, let expiresAt = json["expires"]?.int
        else { return nil }
        self.init(client: client, path: path, query: query, target: target, expiresAt: expiresAt)
    }
}

/// What an address below `/_bulk/` means.
struct BulkPlace: Hashable, Sendable {
    enum Action: Hashable, Sendable {
        case look, delete
        /// The opaque name of a file.
        case fetch(String)
    }

    let action: Action
    /// The opaque name of the job.
    let job: String

    /// Nil for a request that is none of these; such a one is judged like any other.
    init?(_ request: FHIRRequest) {
        let segments = request.path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (3...4).contains(segments.count), segments[0].isEmpty, segments[1] == "_bulk", !segments[2].isEmpty,
            request.query == nil, request.body.isEmpty
        else { return nil }
        job = segments[2]
        switch (request.method, segments.count) {
        case (.get, 3): action = .look
        case (.delete, 3): action = .delete
        case (.get, 4) where !segments[3].isEmpty: action = .fetch(segments[3])
        default: return nil
        }
    }
}

extension PageLinks {
    private static let jobPurpose = "fhir-bulk-job"
    private static let filePurpose = "fhir-bulk-file"

    /// Our address of a job; nil when the protected server keeps it where we do not follow.
    func address(
        ofJobAt location: String, startedBy client: ClientID, path: String, query: String, now: Int64
    ) -> String? {
        guard let target = server.requestTarget(ofLink: location) else { return nil }
        let job = BulkJob(
            client: client.text, path: path, query: query, target: target, expiresAt: now + BulkJob.lifetime)
        guard let sealed = try? sealer.seal(job.json.serialized, context: Self.jobPurpose, random: random),
            sealed.utf8.count <= Self.longestName
        else { return nil }
        return "\(publicBase)/_bulk/\(sealed)"
    }

    /// The job under a name, if this client started it and it still holds.
    func job(_ name: String, for client: ClientID, now: Int64) -> BulkJob? {
        guard name.utf8.count <= Self.longestName, let bytes = sealer.open(name, context: Self.jobPurpose),
            let json = try? JSONValue(parsing: bytes), let job = BulkJob(json),
            job.client == client.text || mutated(.jobsUnbound),
            now < job.expiresAt, server.requestTarget(ofLink: server.origin + job.target) == job.target
        else { return nil }
        return job
    }

    /// Our address of a file of a job; nil when the file stands on a host that we do not fetch from.
    func address(of file: BulkFile, inJob name: String) -> String? {
        guard let target = server.requestTarget(ofLink: file.url) else { return nil }
        let json: JSONValue = [
            "job": .string(PageOrigin.digest(of: name)), "type": .string(file.type.rawValue), "target": .string(target),
        ]
        guard let sealed = try? sealer.seal(json.serialized, context: Self.filePurpose, random: random),
            sealed.utf8.count + name.utf8.count <= Self.longestName
        else { return nil }
        return "\(publicBase)/_bulk/\(name)/\(sealed)"
    }

    /// The file of a job under a name.
    func file(_ name: String, inJob job: String) -> (type: ResourceType, target: String)? {
        guard let bytes = sealer.open(name, context: Self.filePurpose), let json = try? JSONValue(parsing: bytes),
            json["job"]?.string == PageOrigin.digest(of: job) || mutated(.filesOfOtherJobs),
            let target = json["target"]?.string,
            let type = json["type"]?.string.flatMap(ResourceType.init(rawValue:)),
            server.requestTarget(ofLink: server.origin + target) == target
        else { return nil }
        return (type, target)
    }

    /// An address must fit into a request line of 8 KiB.
    private static var longestName: Int { FHIRInteraction.longestPage }
}
