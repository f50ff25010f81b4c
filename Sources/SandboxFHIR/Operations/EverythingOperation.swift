internal import FHIRCore

/// `Patient/$everything`: the record of one patient or of all, in pages (FHIR R4 patient-operation-everything).
struct EverythingOperation {
    let interactions: Interactions

    private static let parameters: Set<String> = ["_type", "_since", "start", "end", "_count", "_cursor"]

    func respond(_ patient: ResourceID?, _ request: SandboxRequest) throws -> SandboxResponse {
        let parameters = try OperationParameters(request)
        try parameters.accept(only: Self.parameters)
        let record = PatientRecord(transaction: interactions.transaction, ownBase: interactions.base)
        var whose = PatientRecord.Whose.everyone
        if let patient {
            let key = InstanceKey(type: .patient, id: patient)
            guard let current = try interactions.transaction.current(key) else {
                throw SandboxFailure.notFound("\(key) is not known")
            }
            guard !current.isDeleted else { throw SandboxFailure.gone("\(key) was deleted") }
            whose = .some([patient])
        }
        let members = try chosen(try record.members(of: whose), record, parameters)
        let companions = try chosen(try record.companions(of: members), record, parameters)
        let path = patient.map { "Patient/\($0.text)/$everything" } ?? "Patient/$everything"
        return try page(members, companions, record, parameters, path: path)
    }

    /// The rows that `_type`, `_since`, `start` and `end` leave.
    private func chosen(_ rows: [PatientRecord.Row], _ record: PatientRecord, _ parameters: OperationParameters)
        throws -> [PatientRecord.Row]
    {
        var rows = rows
        if let types = try parameters.types("_type") { rows = rows.filter { types.contains($0.type) } }
        if let since = try parameters.instant("_since") { rows = rows.filter { $0.updated >= since.lowerBound } }
        let start = try parameters.instant("start")?.lowerBound ?? FHIRTime.distantPast
        let end = try parameters.instant("end")?.upperBound ?? FHIRTime.distantFuture
        guard start < end else { throw SandboxFailure.invalid("`start` lies behind `end`") }
        guard start > FHIRTime.distantPast || end < FHIRTime.distantFuture else { return rows }
        return try record.overlapping(start..<end, rows)
    }

    /// Patients come first, then their records, then what those refer to.
    private func page(
        _ members: [PatientRecord.Row], _ companions: [PatientRecord.Row], _ record: PatientRecord,
        _ parameters: OperationParameters, path: String
    ) throws -> SandboxResponse {
        let limits = interactions.limits
        let count = min(try parameters.count("_count") ?? limits.maximumPageSize, limits.maximumPageSize)
        let ordered =
            members.filter { $0.type == .patient }.map { (phase: 0, row: $0) }
            + members.filter { $0.type != .patient }.map { (phase: 1, row: $0) }
            + companions.map { (phase: 2, row: $0) }
        var rest = ordered[...]
        if let text = try parameters.text("_cursor") {
            let place = text.split(separator: "-").compactMap { Int64($0) }
            guard place.count == 2 else { throw SandboxFailure.invalid("`_cursor` is not this server's") }
            rest = rest.drop { ($0.phase, $0.row.pk) <= (Int(place[0]), place[1]) }
        }
        let shown = rest.prefix(count)
        var page = SearchsetBundle.Page(
            matches: try record.resources(shown.filter { $0.phase < 2 }.map(\.row)),
            included: try record.resources(shown.filter { $0.phase == 2 }.map(\.row)), total: ordered.count)
        page.applied = parameters.query
        if rest.count > count, let last = shown.last { page.nextCursor = "\(last.phase)-\(last.row.pk)" }
        let bundle = SearchsetBundle(base: interactions.base, path: path, registry: interactions.transaction.registry)
        return SandboxResponse(status: 200, body: .tree(try bundle.bundle(page)))
    }
}
