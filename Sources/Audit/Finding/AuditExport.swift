internal import AccessPolicy
internal import Crypto
internal import FHIRCore
public import OAuthCore

/// The form in which entries are exported.
public enum AuditExportFormat: String, CaseIterable, Hashable, Sendable {
    /// One AuditEvent a line.
    case ndjson
    /// One line an entry, for spreadsheets.
    case csv
    /// One Bundle of type collection.
    case bundle
}

/// An export in the making: its text piece by piece, and the digest of all pieces so far.
public struct AuditExport: Sendable {
    private let format: AuditExportFormat
    private let system: AuditSystem
    private var digest = SHA256()
    /// Bytes so far.
    public private(set) var bytes = 0
    /// Entries so far.
    public private(set) var entries = 0

    /// An empty export.
    public init(format: AuditExportFormat, system: AuditSystem) {
        self.format = format
        self.system = system
    }

    /// What stands before the first entry.
    public mutating func open(at milliseconds: Int64) -> String {
        switch format {
        case .ndjson: took("")
        case .csv: took(AuditExportRow.headings.joined(separator: ",") + "\r\n")
        case .bundle:
            took(
                #"{"resourceType":"Bundle","type":"collection","timestamp":"\#(FHIRTime.instant(milliseconds))""#
                    + #","entry":["# + "\n")
        }
    }

    /// The text of more entries; throws when one cannot be read.
    public mutating func add(_ page: [AuditEntry]) throws(AuditFormatError) -> String {
        var text = ""
        for entry in page {
            switch format {
            case .ndjson: text += try AuditEventResource.json(entry, system: system).text + "\n"
            case .csv: text += try AuditExportRow(entry).line + "\r\n"
            case .bundle:
                let resource = try AuditEventResource.json(entry, system: system)
                let member = JSONValue.object([
                    .init("fullUrl", .string("urn:chaperone:audit:\(entry.hash)")), .init("resource", resource),
                ])
                text += (entries > 0 ? ",\n" : "") + member.text
            }
            entries += 1
        }
        return took(text)
    }

    /// What stands behind the last entry.
    public mutating func close() -> String { took(format == .bundle ? "\n]}\n" : "") }

    private mutating func took(_ text: String) -> String {
        let bytes = Array(text.utf8)
        digest.update(data: bytes)
        self.bytes += bytes.count
        return text
    }

    /// The detached signature over everything so far: a compact JWS whose claims have the digest of the file.
    public func signature(by actor: String, asked: String, at milliseconds: Int64, with key: PrivateJWK)
        throws(JOSEError) -> String
    {
        let claims: JSONValue = .object([
            .init("sha256", .string((ChainHash(bytes: Array(digest.finalize())) ?? .origin).description)),
            .init("bytes", .int(Int64(bytes))), .init("entries", .int(Int64(entries))),
            .init("format", .string(format.rawValue)), .init("asked", .string(asked)), .init("by", .string(actor)),
            .init("at", .int(milliseconds)),
        ])
        return try JWS.sign(claims, type: AuditExportSignature.type, with: key)
    }
}

/// The signature that came with an export.
public struct AuditExportSignature: Hashable, Sendable {
    static let type = "audit-export+jwt"

    /// The digest of the file, in hexadecimal.
    public let digest: String
    /// How many entries it has.
    public let entries: Int64
    /// Who exported it.
    public let actor: String

    /// Reads a signature and checks it against the keys.
    public init(verifying compact: String, keys: JWKSet) throws(AuditFormatError) {
        let claims: JSONValue
        do throws(JOSEError) {
            claims = try JWS.verify(
                compact, keys: keys, rules: JWSRules(algorithms: [.es256, .es384], types: [Self.type])
            ).claims
        } catch {
            throw AuditFormatError(detail: "its signature does not hold: \(error)")
        }
        let members = MemberReader(value: claims)
        digest = try members.required("sha256")
        entries = try members.requiredTime("entries")
        actor = try members.required("by")
    }

    /// Whether a file is the one that was signed.
    public func fits(_ file: [UInt8]) -> Bool { ChainHash(of: file).description == digest }

    /// Whether a file is the one that was signed; it is read piece by piece, until there is an empty one.
    public func fits(pieces next: () throws -> [UInt8]) rethrows -> Bool {
        var hash = SHA256()
        while case let piece = try next(), !piece.isEmpty { hash.update(data: piece) }
        return ChainHash(bytes: Array(hash.finalize()))?.description == digest
    }
}

/// One entry as a line of comma-separated values (RFC 4180).
struct AuditExportRow {
    static let headings = [
        "recorded", "node", "sequence", "kind", "decision", "client", "organization", "subject", "fhirUser",
        "patients", "interaction", "resourceType", "request", "asked", "narrowed", "scopes", "outcome", "reason",
        "status", "released", "withheld", "program", "purpose", "legalBasis", "reportingEntity", "grant", "token",
        "source", "trace", "askedOnly", "compartment",
    ]

    let line: String

    init(_ entry: AuditEntry) throws(AuditFormatError) {
        let statement = try entry.statement()
        var cells = [FHIRTime.instant(entry.recordedAt), entry.node, "\(entry.sequence)"]
        switch statement.event {
        case .access(let record):
            cells += [
                statement.phase == .opening ? "access-opened" : "access", record.decisionID.text,
                record.clientID?.text ?? "", record.organization ?? "", record.subject?.text ?? "",
                record.fhirUser ?? "", record.patients.joined(separator: " "), record.interaction.rawValue,
                record.resourceType ?? "", "\(record.method) \(record.path)", record.queryAsked ?? "",
                record.queryNarrowed ?? "", record.scopes.joined(separator: " "), record.outcome.code,
                record.outcome.reason ?? "", record.status.map { "\($0)" } ?? "", "\(record.released)",
                "\(record.withheld.reduce(0) { $0 + $1.count })", record.program ?? "",
                record.purposeOfUse.joined(separator: " "), record.legalBasis ?? "", record.reportingEntity ?? "",
                record.grantID?.text ?? "", record.tokenID?.text ?? "", record.sourceAddress ?? "",
                record.traceID ?? "", record.askedOnly.joined(separator: " "), record.compartment ?? "",
            ]
        case .authorization(let record):
            cells += [
                record.kind.rawValue, record.id.text, record.clientID?.text ?? "", record.organization ?? "",
                record.subject?.text ?? "", record.fhirUser ?? "", record.patient ?? "", "", "", record.detail ?? "",
                "", "",
                record.scopes.joined(separator: " "), record.outcome.code, record.outcome.reason ?? "", "", "", "",
                record.program ?? "", record.purposeOfUse.joined(separator: " "), record.legalBasis ?? "",
                record.reportingEntity ?? "", record.grantID?.text ?? "", record.tokenID?.text ?? "",
                record.sourceAddress ?? "", record.traceID ?? "", "", "",
            ]
        }
        line = cells.map(Self.cell).joined(separator: ",")
    }

    /// Quoted where it must be (RFC 4180 §2). What a spreadsheet would take for a formula gets an apostrophe before it:
    /// much of it came from outside. By bytes, as readers of CSV do: a quotation mark that a combining mark follows is
    /// still one.
    private static func cell(_ text: String) -> String {
        let first = text.unicodeScalars.first { !$0.properties.isDefaultIgnorableCodePoint && $0 != " " }
        let isFormula = first.map { Self.formulaSigns.contains($0) } ?? false
        let safe = isFormula ? "'" + text : text
        guard safe.utf8.contains(where: { [0x22, 0x2C, 0x3B, 0x0A, 0x0D].contains($0) }) else { return safe }
        var quoted: [UInt8] = [0x22]
        for byte in safe.utf8 {
            if byte == 0x22 { quoted.append(0x22) }
            quoted.append(byte)
        }
        quoted.append(0x22)
        return String(decoding: quoted, as: UTF8.self)
    }

    /// What begins a formula, in the widths that East Asian spreadsheets take too.
    private static let formulaSigns: Set<Unicode.Scalar> = [
        "=", "+", "-", "@", "\t", "\r", "\n", "|", "\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}",
    ]
}
