internal import FHIRCore
internal import GRDB

/// Whose records an export is about.
enum ExportLevel: Hashable, Sendable {
    case system, patients, group(ResourceID)
}

/// The kick-off of a bulk export, read (Bulk Data Access 2.0, export).
struct ExportRequest: Sendable {
    let level: ExportLevel
    let types: Set<ResourceType>?
    /// Only what was written later than this, in milliseconds since 1970.
    let since: Int64?
    /// By type, the searches of which one must match.
    let filters: [ResourceType: [QueryString]]
    /// The patients asked for by name; `nil` for all of the level.
    let patients: [ResourceID]?
    /// The address of the kick-off, which the manifest repeats.
    let url: String

    private static let known: Set<String> = ["_outputFormat", "_since", "_type", "_typeFilter", "patient"]
    private static let formats: Set<String> = [MediaType.ndjson, "application/ndjson", "ndjson"]

    init(_ level: ExportLevel, _ request: SandboxRequest, base: String) throws {
        guard request.headers["prefer"]?.contains("respond-async") == true else {
            throw SandboxFailure.invalid("an export needs `Prefer: respond-async`")
        }
        let parameters = try OperationParameters(request)
        if request.preferences["handling"] != "lenient" { try parameters.accept(only: Self.known) }
        if let format = try parameters.text("_outputFormat"),
            !Self.formats.contains(format.replacing(" ", with: "+"))
        {
            throw SandboxFailure.notSupported("only \(MediaType.ndjson) is written")
        }
        self.level = level
        types = try parameters.types("_type")
        since = try parameters.instant("_since")?.lowerBound
        filters = try Self.filters(parameters)
        patients = try Self.patients(parameters, level, method: request.method)
        if let types, let other = filters.keys.first(where: { !types.contains($0) }) {
            throw SandboxFailure.invalid("`_typeFilter` speaks of \(other.rawValue), which `_type` leaves out")
        }
        url =
            request.query.pairs.isEmpty ? "\(base)/\(request.path)" : "\(base)/\(request.path)?\(request.query.encoded)"
    }

    private static func filters(_ parameters: OperationParameters) throws -> [ResourceType: [QueryString]] {
        var filters: [ResourceType: [QueryString]] = [:]
        for text in parameters.values.filter({ $0.name == "_typeFilter" }).compactMap(\.value.string) {
            // Version 1 separated several filters by commas; a comma before `Type?` can be nothing else.
            for filter in Self.separated(text) {
                let sides = filter.split(separator: "?", maxSplits: 1).map(String.init)
                guard sides.count == 2, let type = ResourceType(rawValue: sides[0]) else {
                    throw SandboxFailure.invalid("`_typeFilter` is written `Type?search`")
                }
                let query = try QueryString(parsing: sides[1])
                if let control = query.pairs.first(where: { SearchControls.names.contains(Criterion($0).code) }) {
                    throw SandboxFailure.invalid("`\(control.name)` cannot stand in a `_typeFilter`")
                }
                filters[type, default: []].append(query)
            }
        }
        return filters
    }

    private static func separated(_ text: String) -> [String] {
        var parts: [String] = []
        for piece in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            let head = piece.split(separator: "?", maxSplits: 1).first.map(String.init) ?? ""
            if !parts.isEmpty, !(piece.contains("?") && ResourceType(rawValue: head) != nil) {
                parts[parts.count - 1] += ",\(piece)"
            } else {
                parts.append(piece)
            }
        }
        return parts
    }

    private static func patients(_ parameters: OperationParameters, _ level: ExportLevel, method: String) throws
        -> [ResourceID]?
    {
        let given = parameters.values.filter { $0.name == "patient" }.map(\.value)
        guard !given.isEmpty else { return nil }
        guard method == "POST", level != .system else {
            throw SandboxFailure.invalid("`patient` is for a POST to the patients' or a group's export")
        }
        return try given.map { value in
            guard let target = (value.string ?? value["reference"]?.string).flatMap({ ReferenceTarget($0) }),
                target.type == ResourceType.patient.rawValue, let id = target.id.flatMap({ ResourceID($0) })
            else { throw SandboxFailure.invalid("`patient` is not a reference to a Patient") }
            return id
        }
    }
}

extension ExportRequest {
    /// The versions to write, by type, as they stand in this state of the store.
    func sequences(_ transaction: StoreTransaction, base: String, limits: SandboxConfiguration) throws
        -> [(type: ResourceType, sequences: [Int64])]
    {
        let rows = try rows(transaction, base: base)
        let search = SearchEngine(transaction: transaction, ownBase: base, limits: limits)
        return try Dictionary(grouping: rows, by: \.type).sorted { $0.key < $1.key }.compactMap { type, rows in
            if let types, !types.contains(type) { return nil }
            var chosen = rows.filter { row in since.map { row.updated > $0 } ?? true }.map(\.pk)
            if let filters = filters[type] {
                let matching = try filters.reduce(into: Set<Int64>()) { $0.formUnion(try search.rows(type, $1)) }
                chosen = chosen.filter { matching.contains($0) }
            }
            guard !chosen.isEmpty else { return nil }
            let sequences = try Int64.fetchAll(
                transaction.db,
                sql: """
                    SELECT v.seq FROM json_each(?) j CROSS JOIN resource r ON r.pk = j.value
                    CROSS JOIN version v ON v.resource = r.pk AND v.version = r.version ORDER BY v.seq
                    """, arguments: [JSONValue.array(chosen.map { .int($0) }).text])
            return (type, sequences)
        }
    }

    private func rows(_ transaction: StoreTransaction, base: String) throws -> [PatientRecord.Row] {
        let record = PatientRecord(transaction: transaction, ownBase: base)
        let whose: PatientRecord.Whose
        switch level {
        case .system:
            return try GRDB.Row.fetchAll(
                transaction.db, sql: "SELECT pk, type, updated FROM resource WHERE deleted = 0 ORDER BY pk"
            ).map { PatientRecord.Row(pk: $0[0], type: try StoreTransaction.type($0[1]), updated: $0[2]) }
        case .patients: whose = patients.map { .some($0) } ?? .everyone
        case .group(let id):
            whose = .some(try chosenMembers(of: id, transaction))
        }
        let members = try record.members(of: whose)
        return members + (try record.companions(of: members))
    }

    /// The patients that are members of a group now.
    private static func members(of id: ResourceID, _ transaction: StoreTransaction) throws -> [ResourceID] {
        let key = InstanceKey(type: .group, id: id)
        guard let group = try transaction.current(key) else { throw SandboxFailure.notFound("\(key) is not known") }
        guard !group.isDeleted else { throw SandboxFailure.gone("\(key) was deleted") }
        return try (StoreTransaction.parse(group.body)["member"]?.flattened ?? []).compactMap { member in
            guard member["inactive"]?.bool != true,
                let target = member["entity"]?["reference"]?.string.flatMap({ ReferenceTarget($0) }),
                target.type == ResourceType.patient.rawValue
            else { return nil }
            return target.id.flatMap { ResourceID($0) }
        }
    }
}

extension ExportRequest {
    /// Whether the group is there and the filters can be searched by; throws when not.
    func check(_ transaction: StoreTransaction, base: String, limits: SandboxConfiguration) throws {
        if case .group(let id) = level { _ = try chosenMembers(of: id, transaction) }
        let search = SearchEngine(transaction: transaction, ownBase: base, limits: limits)
        for (type, queries) in filters {
            for query in queries { _ = try search.rows(type, query) }
        }
    }

    /// The members of a group that are asked for; each patient named must be one.
    private func chosenMembers(of id: ResourceID, _ transaction: StoreTransaction) throws -> [ResourceID] {
        let members = try ExportRequest.members(of: id, transaction)
        if let other = patients?.first(where: { !members.contains($0) }) {
            throw SandboxFailure.invalid("Patient/\(other.text) is not a member of the group")
        }
        return patients ?? members
    }
}
