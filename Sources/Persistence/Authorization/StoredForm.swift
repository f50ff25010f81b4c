internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

/// A row that does not hold what our own schema and code would have put there. Nothing is guessed from it.
struct CorruptRow: Error, CustomStringConvertible {
    let what: String
    init(_ what: String) { self.what = what }
    var description: String { "the database holds an unreadable \(what)" }
}

extension Optional {
    /// The value, or the finding that a row is corrupt.
    func orCorrupt(_ what: String) throws(CorruptRow) -> Wrapped {
        guard let self else { throw CorruptRow(what) }
        return self
    }
}

extension SecretHash {
    var blob: Data { Data(bytes) }
    init(blob: Data) throws(CorruptRow) { self = try SecretHash(text: Base64URL.encode(blob)).orCorrupt("hash") }
}

extension JSONValue {
    var blob: Data { Data(serialized) }
    init(blob: Data) throws { try self.init(parsing: Array(blob)) }

    /// An object of the members that have a value.
    static func record(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { JSONMemberValue(name, $0) } })
    }
}

extension ScopeSet {
    /// The text to be stored. A set that could not be read back is refused here, before it is anybody's.
    func writable() throws(CorruptRow) -> String {
        guard isWithinLimits else { throw CorruptRow("scope list") }
        return text
    }

    init(stored text: String) throws(CorruptRow) {
        do { try self.init(parsing: text) } catch { throw CorruptRow("scope list") }
    }
}

extension InstanceKey {
    init(stored text: String) throws(CorruptRow) { self = try InstanceKey(text).orCorrupt("reference") }
}

extension LaunchContext {
    var stored: JSONValue {
        .record([
            ("patient", patient.map { .string($0.text) }), ("encounter", encounter.map { .string($0.text) }),
            ("fhirUser", fhirUser.map { .string($0.description) }), ("intent", intent.map { .string($0) }),
            ("banner", needPatientBanner.map { .bool($0) }),
            ("fhirContext", fhirContext.isEmpty ? nil : .array(fhirContext)),
            ("style", smartStyleURL.map { .string($0) }), ("tenant", tenant.map { .string($0) }),
        ])
    }

    init(stored json: JSONValue) throws(CorruptRow) {
        self.init()
        if let text = json["patient"]?.string { patient = try ResourceID(text).orCorrupt("patient") }
        if let text = json["encounter"]?.string { encounter = try ResourceID(text).orCorrupt("encounter") }
        if let text = json["fhirUser"]?.string { fhirUser = try InstanceKey(stored: text) }
        intent = json["intent"]?.string
        needPatientBanner = json["banner"]?.bool
        fhirContext = json["fhirContext"]?.array ?? []
        smartStyleURL = json["style"]?.string
        tenant = json["tenant"]?.string
    }
}

extension LinkedPatient {
    var stored: JSONValue { ["id": .string(id.text), "label": .string(label)] }

    init(stored json: JSONValue) throws(CorruptRow) {
        let id = try json["id"]?.string.flatMap { ResourceID($0) }.orCorrupt("patient")
        self.init(id: try id.orCorrupt("patient"), label: try (json["label"]?.string).orCorrupt("label"))
    }
}

extension AuthenticationContext {
    var stored: JSONValue {
        let issuer: String?
        if case .provider(let named) = witness { issuer = named } else { issuer = nil }
        return .record([
            ("acr", classReference.map { .string($0) }), ("amr", .array(methods.map { .string($0) })),
            ("issuer", issuer.map { .string($0) }), ("local", witness == .local ? true : nil),
        ])
    }

    /// Nil for a row without one.
    init?(stored text: String?) throws {
        guard let text else { return nil }
        try self.init(stored: JSONValue(parsing: Array(text.utf8)))
    }

    init(stored json: JSONValue) throws(CorruptRow) {
        var methods: [String] = []
        for value in try (json["amr"]?.array).orCorrupt("authentication") {
            methods.append(try value.string.orCorrupt("authentication"))
        }
        let issuer = json["issuer"]?.string
        self.init(
            classReference: json["acr"]?.string, methods: methods,
            // Older releases did not note whose word it is.
            witness: issuer.map { .provider(issuer: $0) } ?? (json["local"]?.bool == true ? .local : .unknown))
    }
}
