internal import AccessPolicy
internal import FHIRCore

/// Why stored bytes are no audit statement.
public struct AuditFormatError: Error, Hashable, Sendable {
    /// What is wrong with them, for the log.
    public let detail: String
}

extension AuditStatement {
    /// The version of the body format, first member of every body.
    static let formatVersion: Int64 = 1

    /// The canonical bytes: compact JSON, members in a fixed order, absent ones left out.
    public var encoded: [UInt8] {
        var writer = MemberWriter()
        writer.add("v", Self.formatVersion)
        writer.add("phase", phase.rawValue)
        writer.add("closes", closes)
        switch event {
        case .access(let record):
            writer.open("access")
            record.write(to: &writer)
            writer.close()
        case .authorization(let record): writer.add("authorization", record.json)
        }
        return writer.finished()
    }

    /// The statement with these bytes.
    public init(decoding bytes: [UInt8]) throws(AuditFormatError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw AuditFormatError(detail: "not JSON: \(error)")
        }
        guard value["v"]?.int == Self.formatVersion else { throw AuditFormatError(detail: "unknown version") }
        guard let phase = value["phase"]?.string.flatMap(AuditPhase.init(rawValue:)) else {
            throw AuditFormatError(detail: "unknown phase")
        }
        let event: Event
        if let access = value["access"] {
            event = .access(try AccessRecord(access))
        } else if let authorization = value["authorization"] {
            event = .authorization(try AuthorizationRecord(authorization))
        } else {
            throw AuditFormatError(detail: "no event")
        }
        self.init(event: event, phase: phase, closes: value["closes"]?.int)
    }
}

extension AuthorizationRecord {
    /// The bytes under which a store keeps the record in its outbox.
    public var encoded: [UInt8] { bounded().json.serialized }

    /// The record that an outbox kept.
    public init(decoding bytes: [UInt8]) throws(AuditFormatError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw AuditFormatError(detail: "not JSON: \(error)")
        }
        try self.init(value)
    }
}

/// The members of an object in the making; what is nil or empty is left out.
struct MemberList {
    private(set) var members: [JSONMemberValue] = []

    var object: JSONValue { .object(members) }

    mutating func add(_ name: String, _ value: JSONValue?) {
        if let value { members.append(JSONMemberValue(name, value)) }
    }

    /// An empty text says nothing, and FHIR forbids it (R4 datatypes.html#string).
    mutating func add(_ name: String, _ text: String?) {
        if let text, !text.isEmpty { add(name, JSONValue.string(text)) }
    }

    mutating func add(_ name: String, _ texts: [String]) {
        let said = texts.filter { !$0.isEmpty }
        if !said.isEmpty { add(name, .array(said.map { .string($0) })) }
    }
}

/// Reads the members of a stored record.
struct MemberReader {
    let value: JSONValue

    func text(_ name: String) -> String? { value[name]?.string }

    func texts(_ name: String) -> [String] { value[name]?.array?.compactMap(\.string) ?? [] }

    func required(_ name: String) throws(AuditFormatError) -> String {
        guard let text = text(name) else { throw AuditFormatError(detail: "`\(name)` missing") }
        return text
    }

    func requiredTime(_ name: String) throws(AuditFormatError) -> Int64 {
        guard let time = value[name]?.int else { throw AuditFormatError(detail: "`\(name)` missing") }
        return time
    }

    func known<Known>(_ name: String, _ parse: (String) -> Known?) throws(AuditFormatError) -> Known {
        let text = try required(name)
        guard let known = parse(text) else { throw AuditFormatError(detail: "`\(name)` unknown") }
        return known
    }
}
