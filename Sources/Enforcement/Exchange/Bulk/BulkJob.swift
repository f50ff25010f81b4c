internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

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
        // Asked of every request, and hardly one is: no path of another kind is taken apart.
        guard request.path.utf8.starts(with: "/_bulk/".utf8) else { return nil }
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

/// Where a file of an export is fetched from.
struct BulkFilePlace: Hashable, Sendable {
    /// The type that every line of it must have.
    let type: ResourceType
    /// The request target.
    let target: String
    /// The base of the storage host; nil for the protected server itself.
    let storage: String?

    init(type: ResourceType, target: String, storage: String?) {
        self.type = type
        self.target = target
        self.storage = storage
    }

    /// Nil for a file on a host that is not ours to fetch from.
    init?(_ file: BulkFile, server: UpstreamFHIRServer, storage: [UpstreamFHIRServer]) {
        if let target = server.requestTarget(ofLink: file.url) {
            self.init(type: file.type, target: target, storage: nil)
            return
        }
        for host in storage {
            guard let target = host.requestTarget(ofLink: file.url) else { continue }
            self.init(type: file.type, target: target, storage: host.base)
            return
        }
        return nil
    }
}

extension PageLinks {
    private static let filePurpose = "fhir-bulk-file"

    /// Our address of a job.
    func address(ofJob id: String) -> String { "\(publicBase)/_bulk/\(id)" }

    /// The job that a client has found under an address of ours, if it is its own and still holds.
    func isOpen(_ job: ExportJob, under name: String, for client: ClientID, now: Int64) -> Bool {
        job.id == name && job.base == publicBase && (job.client == client || mutated(.jobsUnbound)) && job.ending == nil
            && job.isLocated && now < job.expiresAt
            // The configuration may have changed since the job was started.
            && server.requestTarget(ofLink: server.origin + job.target) == job.target
    }

    /// Our address of a file of a job; nil when the file stands on a host that we do not fetch from.
    func address(of file: BulkFile, inJob name: String) -> String? {
        guard let place = BulkFilePlace(file, server: server, storage: storage) else { return nil }
        var members = [
            JSONMemberValue("job", .string(PageOrigin.digest(of: name))),
            JSONMemberValue("type", .string(file.type.rawValue)), JSONMemberValue("target", .string(place.target)),
        ]
        if let base = place.storage { members.append(JSONMemberValue("storage", .string(base))) }
        let json = JSONValue.object(members)
        guard let sealed = try? sealer.seal(json.serialized, context: Self.filePurpose, random: random),
            sealed.utf8.count + name.utf8.count <= Self.longestName
        else { return nil }
        return "\(publicBase)/_bulk/\(name)/\(sealed)"
    }

    /// The file of a job under a name.
    func file(_ name: String, inJob job: String) -> BulkFilePlace? {
        guard let bytes = sealer.open(name, context: Self.filePurpose), let json = try? JSONValue(parsing: bytes),
            json["job"]?.string == PageOrigin.digest(of: job) || mutated(.filesOfOtherJobs),
            let target = json["target"]?.string,
            let type = json["type"]?.string.flatMap(ResourceType.init(rawValue:))
        else { return nil }
        // The configuration may have changed since the address was made.
        let base = json["storage"]?.string
        let host = base.map { base in storage.first { $0.base == base } } ?? server
        guard let host, host.requestTarget(ofLink: host.origin + target) == target else { return nil }
        return BulkFilePlace(type: type, target: target, storage: base)
    }

    /// An address must fit into a request line of 8 KiB.
    private static var longestName: Int { FHIRInteraction.longestPage }
}
