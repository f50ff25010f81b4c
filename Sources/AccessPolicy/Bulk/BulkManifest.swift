public import FHIRCore

/// One file of a finished export, as the upstream names it.
public struct BulkFile: Hashable, Sendable {
    /// The type that every line of it must have.
    public let type: ResourceType
    /// The upstream's own address of it.
    public let url: String
}

/// The manifest of a finished export, rewritten: our addresses, and nothing but files of the types that may come out.
public struct BulkManifest: Sendable {
    private let transactionTime: JSONValue
    private let files: [BulkFile]
    private let permit: BulkPermit

    /// Reads the upstream's manifest; nil when it is none.
    public init?(_ answer: UpstreamAnswer, under permit: BulkPermit) {
        guard answer.status == 200, let json = try? JSONValue(parsing: answer.body),
            let time = json["transactionTime"]?.string, let output = json["output"]?.array
        else { return nil }
        self.permit = permit
        transactionTime = .string(time)
        var files: [BulkFile] = []
        // `deleted` is left out: a deletion has no lines that say whose it was.
        for item in output {
            guard let name = item["type"]?.string, let url = item["url"]?.string else { return nil }
            guard let type = ResourceType(rawValue: name), permit.types.contains(type) else { continue }
            files.append(BulkFile(type: type, url: url))
        }
        self.files = files
    }

    /// The manifest as it is answered; nil when a file cannot be given an address of ours, because it would then be
    /// passed over in silence.
    ///
    /// - Parameter link: our address of a file.
    public func admitted(request: String, link: (BulkFile) -> String?) -> ReleasedAnswer? {
        var output: [JSONValue] = []
        for file in files {
            guard let url = link(file) else { return nil }
            output.append(["type": .string(file.type.rawValue), "url": .string(url)])
        }
        let manifest: JSONValue = [
            "transactionTime": transactionTime, "request": .string(request), "requiresAccessToken": true,
            "output": .array(output), "error": [],
        ]
        var answer = ReleasedAnswer(status: 200, body: Released(bytes: manifest.serialized))
        answer.plainContentType = "application/json"
        return answer
    }
}

/// The lines of one file of an export, each judged by itself.
public struct BulkLines: Sendable {
    private let permit: BulkPermit
    private let type: ResourceType
    private var builder: ReleaseBuilder
    private var bytes: [UInt8] = []

    /// The lines of a file of this type.
    public init(of type: ResourceType, under permit: BulkPermit) {
        self.permit = permit
        self.type = type
        builder = ReleaseBuilder(permit.kickOff, document: nil)
    }

    /// Judges one line, without its line end. A line that is no resource of the file's type is withheld.
    public mutating func take(_ line: some BidirectionalCollection<UInt8>) {
        let line = line.last == 0x0D ? Array(line.dropLast()) : Array(line)
        guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) else { return }
        guard let document = try? JSONDocument(line), let view = try? ResourceView(document.root), view.type == type,
            view.id != nil
        else {
            builder.withhold(.unreadable)
            builder.note("a line of an export is no resource of its file's type")
            return
        }
        let judge = Judge(
            grants: permit.rule.deciding.filter {
                $0.grants(.read, on: type, types: permit.rule.policy.types)
                    && $0.grants(.search, on: type, types: permit.rule.policy.types)
            }, policy: permit.rule.policy)
        switch judge.judge(view, letters: [.read, .search]) {
        case .fails where mutated(.exportLinesUnjudged): bytes += Array(view.node.bytes) + [0x0A]
        case .fails(let reason): builder.withhold(reason)
        case .passes(let redaction, let scopes):
            builder.turn(to: document)
            let text = builder.release(view, redaction, by: scopes, isProjected: false)
            // Whatever stands between the values of a resource, a line of ours is one line.
            bytes += text.hasLineEnds ? text.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 } : text
            bytes.append(0x0A)
        }
    }

    /// The media type of such a file.
    static let contentType = "application/fhir+ndjson"

    /// The lines that passed, with what was counted.
    public func finished() -> ReleasedAnswer {
        var answer = builder.answer(bytes: bytes)
        answer.plainContentType = Self.contentType
        return answer
    }

    // MARK: - piece by piece

    /// What was counted, without the lines.
    var summary: ReleasedAnswer { builder.answer(bytes: []) }

    var patientCount: Int { builder.patients.count }

    var releasedBytes: Int { bytes.count }

    /// The lines that have passed since the last time.
    mutating func drain() -> Released {
        var drained: [UInt8] = []
        swap(&drained, &bytes)
        return Released(bytes: drained)
    }

    mutating func takePatients() -> [ResourceID] { builder.takePatients() }
}

extension [UInt8] {
    /// Whether a line feed or a carriage return stands in it.
    fileprivate var hasLineEnds: Bool {
        withUnsafeBytes { bytes in
            for byte in bytes where byte == 0x0A || byte == 0x0D { return true }
            return false
        }
    }
}

extension BulkPermit {
    /// The answer to a kick-off: where the job can be looked at.
    public func started(at address: String) -> ReleasedAnswer {
        var answer = ReleasedAnswer(status: 202)
        answer.contentLocation = address
        return answer
    }

    /// The answer while a job is under way.
    public func waiting(seconds: Int) -> ReleasedAnswer {
        var answer = ReleasedAnswer(status: 202)
        answer.retryAfter = seconds
        return answer
    }

    /// The answer to the deletion of a job.
    public var deleted: ReleasedAnswer { ReleasedAnswer(status: 202) }
}
