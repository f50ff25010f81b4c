internal import AccessPolicy
internal import FHIRCore

/// The patients whom one page of a panel's answer gives to a user. Nothing is taken on the server's word: a row counts
/// only when it names the user itself, and has not ended.
struct PanelRows {
    let patients: Set<ResourceID>
    /// The server's address of the next page.
    let next: String?

    /// Nil when the answer cannot be read as one to the question.
    init?(_ answer: UpstreamAnswer, to question: PanelQuestion, policy: ServerPolicy, now: Int64) {
        guard answer.status == 200, let document = try? JSONDocument(answer.body),
            let view = try? ResourceView(document.root), let bundle = BundleView(view), bundle.type == "searchset"
        else { return nil }
        let links = bundle.links.filter { $0.relation == "next" }
        guard links.count <= 1 else { return nil }
        next = links.first?.url
        var patients: Set<ResourceID> = []
        for entry in bundle.entries {
            guard let node = entry.resource, let row = try? ResourceView(node) else { return nil }
            guard row.type == question.rule.type,
                Self.names(question, row, policy, now: now) || mutated(.panelRowsBelieved),
                Self.holds(row, now: now) || mutated(.endedPanelRows)
            else {
                continue
            }
            patients.formUnion(policy.patients(of: row))
        }
        self.patients = patients
    }

    private static func names(
        _ question: PanelQuestion, _ row: ResourceView, _ policy: ServerPolicy, now: Int64
    ) -> Bool {
        guard let parameter = question.rule.parameter else { return row.key == question.user }
        return (row.references(parameter) ?? []).contains { value in
            guard part(of: row, around: value).allSatisfy({ lasts($0["period"], now: now) }) else { return false }
            return switch value.literal {
            case .relative(let key, nil): key == question.user
            case .absolute(let base, let key, nil):
                key == question.user && (base == policy.upstreamBase || base == policy.publicBase)
            case .relative, .absolute, .fragment, .urn, .conditional, .other, nil: false
            }
        }
    }

    /// Whether a row does not say of itself that it is over, void or not yet.
    private static func holds(_ row: ResourceView, now: Int64) -> Bool {
        if row.node["active"]?.bool == false { return false }
        // Only what says that it holds: codes that nobody thought of here open nothing.
        let holding: Set<String> = ["active", "current", "in-progress", "arrived", "triaged", "booked", "final"]
        if let status = row.node["status"] {
            guard let code = status.string, holding.contains(code) else { return false }
        }
        return lasts(row.node["period"], now: now)
    }

    /// The element of a list in which a reference stands, such as one `participant` of a care team, if it stands in one.
    private static func part(of row: ResourceView, around value: ReferenceValue) -> [JSONNode] {
        row.node.members.flatMap { $0.value.kind == .array ? $0.value.elements : [] }
            .filter { $0.kind == .object && $0.range.lowerBound < value.range.lowerBound }
            .filter { value.range.upperBound < $0.range.upperBound }
    }

    /// Whether a `Period` has begun and has not ended; none at all lasts.
    private static func lasts(_ period: JSONNode?, now: Int64) -> Bool {
        guard let period else { return true }
        let today = CivilDate(unixSeconds: now).text
        // FHIR R4 dateTime: the date is the beginning of the text, perhaps only a part of it.
        if let end = period["end"]?.string, end.prefix(10) < today.prefix(min(10, end.utf8.count)) { return false }
        if let start = period["start"]?.string, start.prefix(10) > today.prefix(min(10, start.utf8.count)) {
            return false
        }
        return true
    }
}

/// A day of the calendar in UTC, as FHIR writes it.
struct CivilDate {
    let text: String

    /// The day of a moment after 1970 (days to civil date, proleptic Gregorian).
    init(unixSeconds: Int64) {
        let days = unixSeconds / 86_400 + 719_468
        let era = days / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func padded(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        text = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }
}
