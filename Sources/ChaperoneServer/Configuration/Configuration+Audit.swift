internal import AccessPolicy
internal import Audit

extension Configuration {
    /// How the audit trail is kept, proved and passed on.
    public struct AuditSettings: Hashable, Sendable {
        /// The name of this process's chain; entries, checkpoints and events bear it.
        public var node: String
        /// Seconds between signed checkpoints, where anything was written.
        public var checkpointInterval: Int
        /// Under whose obligation to report accesses to the protected server count.
        public var reportingEntity: String?
        /// The organisations for which clients act, by client id.
        public var organizations: [String: String]
        /// Why clients ask, by client id, as HL7 v3 ActReason codes, where it is not what their program stands for.
        public var purposes: [String: [String]] = [:]
        /// For how long records are kept, beside the ten years of everything else.
        public var retention: [RetentionSettings]
        /// Where records and checkpoints are sent.
        public var feeds: [FeedSettings]

        /// What holds when nothing is said.
        public static let standard = AuditSettings(
            node: "local", checkpointInterval: 60, reportingEntity: nil, organizations: [:], retention: [], feeds: [])

        /// The rules as retention wants them.
        var policy: AuditRetentionPolicy {
            AuditRetentionPolicy(
                rules: retention.map {
                    .init(
                        recordClass: $0.recordClass.flatMap { AuditRecordClass(rawValue: $0) },
                        reportingEntity: $0.reportingEntity, days: $0.days)
                })
        }
    }

    /// What records say about clients and the protected server, whoever writes them.
    var recordFacts: RecordFacts {
        RecordFacts(
            reportingEntity: audit.reportingEntity,
            organization: { [organizations = audit.organizations] in organizations[$0.text] },
            purposes: { [purposes = audit.purposes] in purposes[$0.text] })
    }

    /// One rule of retention; what is nil fits everything.
    public struct RetentionSettings: Hashable, Sendable {
        /// `access`, `anonymous`, `authorization` or `administration`.
        public var recordClass: String?
        public var reportingEntity: String?
        public var days: Int
    }

    /// One feed out.
    public struct FeedSettings: Hashable, Sendable {
        /// Where it goes.
        public enum Destination: Hashable, Sendable {
            /// A FHIR base that takes a batch of AuditEvents (IHE ITI-20).
            case fhir(url: String)
            /// An address that takes lines.
            case http(url: String)
            /// A syslog receiver over TLS (RFC 5425).
            case syslog(host: String, port: Int)
            /// A file that only grows.
            case file(path: String)
        }
        /// What its cursor is kept under; a feed that is renamed begins anew.
        public var name: String
        /// `records` or `checkpoints`.
        public var carries: String
        public var destination: Destination
        /// Items of one batch, at most.
        public var batch: Int
        /// A PEM file of authorities to trust for the receiver instead of the system's.
        public var certificateAuthorityFile: String?
        /// A file whose first line is the value of `Authorization`.
        public var authorizationFile: String?

        var source: AuditFeedSource { AuditFeedSource(rawValue: carries) ?? .records }
    }

    static func audit(_ top: inout SettingReader) -> AuditSettings {
        var map = top.map("audit")
        var settings = AuditSettings.standard
        settings.node = map.text("node", default: settings.node)
        if !(1...64).contains(settings.node.utf8.count) || !settings.node.utf8.allSatisfy(isNodeByte) {
            map.fail("node", "must be 1 to 64 letters, digits, points and hyphens, not `\(settings.node)`")
        }
        settings.checkpointInterval = map.integer(
            "checkpoint-interval", default: settings.checkpointInterval, in: 1...86_400)
        settings.reportingEntity = map.text("reporting-entity")
        var organizations = map.map("organizations")
        for client in organizations.keys { settings.organizations[client] = organizations.text(client) }
        organizations.finish()
        var purposes = map.map("purposes")
        for client in purposes.keys {
            settings.purposes[client] = purposes.texts(client)
            for code in settings.purposes[client] ?? [] where !isPurpose(code) {
                purposes.fail(client, "must be codes of HL7 v3 ActReason such as `PUBHLTH`, not `\(code)`")
            }
        }
        purposes.finish()
        settings.retention = map.maps("retention").map(retention)
        settings.feeds = map.maps("feeds").map(feed)
        if Set(settings.feeds.map(\.name)).count != settings.feeds.count {
            map.fail("feeds", "two feeds have one name")
        }
        map.finish()
        return settings
    }

    private static func retention(_ reader: SettingReader) -> RetentionSettings {
        var reader = reader
        let recordClass: AuditRecordClass? = reader.choice("class")
        if !reader.has("days") { reader.fail("days", "is required") }
        let rule = RetentionSettings(
            recordClass: recordClass?.rawValue, reportingEntity: reader.text("reporting-entity"),
            days: reader.integer("days", default: AuditRetentionPolicy.defaultDays, in: 1...36_525))
        reader.finish()
        return rule
    }

    private static func feed(_ reader: SettingReader) -> FeedSettings {
        var reader = reader
        let name = reader.requiredText("name")
        let carries: AuditFeedSource? = reader.choice("carries")
        let feed = FeedSettings(
            name: name, carries: (carries ?? .records).rawValue, destination: destination(&reader, carries ?? .records),
            batch: reader.integer("batch", default: 100, in: 1...1000),
            certificateAuthorityFile: reader.text("ca-file"), authorizationFile: reader.text("authorization-file"))
        reader.finish()
        return feed
    }

    private static func destination(_ reader: inout SettingReader, _ source: AuditFeedSource)
        -> FeedSettings.Destination
    {
        let ways = ["fhir", "http", "syslog", "file"].filter { reader.has($0) }
        guard ways.count == 1 else {
            reader.fail("name", "a feed has one of `fhir`, `http`, `syslog` and `file`")
            for way in ways { _ = reader.text(way) }
            return .file(path: "")
        }
        let text = reader.requiredText(ways[0])
        switch ways[0] {
        case "file": return .file(path: text)
        case "syslog":
            guard let (host, port) = ListenAddress.split(text) else {
                reader.fail("syslog", "must be `host:port`, not `\(text)`")
                return .file(path: "")
            }
            return .syslog(host: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host, port: port ?? 6514)
        default:
            if !text.hasPrefix("https://"), !isLoopbackAddress(text) {
                reader.fail(ways[0], "must be an https address (http on loopback only), not `\(text)`")
            }
            if ways[0] == "fhir", source == .checkpoints {
                reader.fail("fhir", "checkpoints are no FHIR resources; send them by `http`, `syslog` or `file`")
            }
            let url = text.hasSuffix("/") ? String(text.dropLast()) : text
            return ways[0] == "fhir" ? .fhir(url: url) : .http(url: url)
        }
    }

    /// `http://` to this machine.
    private static func isLoopbackAddress(_ text: String) -> Bool {
        guard text.hasPrefix("http://") else { return false }
        let authority = text.dropFirst(7).prefix { $0 != "/" }
        return ListenAddress.split(String(authority)).map { ListenAddress.isLoopback($0.host) } ?? false
    }

    private static func isPurpose(_ code: String) -> Bool {
        (2...16).contains(code.utf8.count) && code.utf8.allSatisfy { (0x41...0x5A).contains($0) }
    }

    private static func isNodeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
        default: false
        }
    }
}
