public import FHIRCore

/// A FHIR search for AuditEvents: its parameters, and the searchset that answers it. Pure; whoever mounts it reads the
/// log in between.
///
/// `parameters` lists what events can be found by, those of FHIR R4 and those of ours; beside them stand `_sort` (`date`,
/// `-date`), `_count`, `_total`, `_summary` (`count`), `_format` and `_after`, which the links have. Everything else is
/// refused: an auditor must not take a filter that was ignored for an answer.
public struct AuditEventSearch: Hashable, Sendable {
    /// What to ask the log for.
    public let query: AuditQuery
    /// What the entries must say beyond that.
    public let content: AuditContentFilter
    /// Whether the number of all matches was asked for.
    public let total: Total
    /// Whether nothing but their number was asked for.
    public let onlyCount: Bool
    /// Whether no event of this system can fit, so that none has to be looked for.
    public let findsNothing: Bool

    /// How exactly the number of all matches was asked for (FHIR R4 §3.1.1.5.5). An estimate of ours is exact.
    public enum Total: String, Hashable, Sendable {
        case none
        case estimate
        case accurate
    }

    /// What was asked for, in words for the record of the reading: every term, decoded.
    public let asked: String

    /// The terms as given, for links, without the paging ones.
    private let terms: [FormTerm]
    private let pageSize: Int

    /// Why a search is refused, as an answer.
    public struct Refusal: Error, Hashable, Sendable {
        /// 400, or 406 for a format that is not given.
        public let status: Int
        /// The code of the issue (FHIR R4 issue-type).
        public let code: String
        /// What was wrong, for the client.
        public let diagnostics: String
        /// The OperationOutcome to answer with.
        public var outcome: [UInt8] { OperationOutcome.json(code: code, diagnostics: diagnostics) }

        init(_ diagnostics: String, code: String = "invalid", status: Int = 400) {
            self.status = status
            self.code = code
            self.diagnostics = diagnostics
        }

        /// Only JSON is given here.
        public static let format = Refusal(
            "answers are given as application/fhir+json", code: "not-supported", status: 406)
    }

    /// Reads the raw query of a request to a system.
    public init(parsing raw: String, of system: AuditSystem) throws(Refusal) {
        let terms = try FormTerm.parse(raw)
        var filter = AuditEventFilter(system: system)
        for term in terms { try filter.take(term) }
        asked = terms.map { "\($0.name)=\($0.value)" }.sorted().joined(separator: "&")
        query = filter.query
        content = filter.content
        total = filter.total
        onlyCount = filter.onlyCount
        findsNothing = filter.findsNothing
        pageSize = filter.query.limit
        self.terms = terms.filter { !["_after", "_count", "_format"].contains($0.name) }
    }

    /// The searchset of a page.
    ///
    /// Bundle.total counts all matches (FHIR R4 Bundle): it stands there when it was counted, or when the first page has
    /// them all, and is left out otherwise; it is never the size of a page.
    ///
    /// - Parameter counted: how many matches there are, if somebody counted.
    /// - Parameter base: the URL at which the search is mounted, such as `https://…/audit/fhir/AuditEvent`.
    public func bundle(_ page: AuditPage, total counted: Int? = nil, base: String, system: AuditSystem)
        throws(AuditFormatError) -> JSONValue
    {
        var entries: [JSONValue] = []
        for entry in page.entries {
            let resource = try AuditEventResource.json(entry, system: system)
            entries.append(
                .object([
                    JSONMemberValue("fullUrl", .string("\(base)/\(entry.hash)")),
                    JSONMemberValue("resource", resource),
                    JSONMemberValue("search", .object([JSONMemberValue("mode", "match")])),
                ]))
        }
        var links = [link("self", base, after: query.after)]
        if let next = page.next { links.append(link("next", base, after: next)) }
        var members = MemberList()
        members.add("resourceType", "Bundle")
        members.add("type", "searchset")
        let isComplete = query.after == nil && page.next == nil && !onlyCount
        members.add("total", (counted ?? (isComplete ? page.entries.count : nil)).map { .int(Int64($0)) })
        members.add("link", .array(links))
        if total != .none, counted == nil, !isComplete { entries.append(Self.uncounted) }
        // FHIR forbids an empty array.
        if !entries.isEmpty { members.add("entry", .array(entries)) }
        return members.object
    }

    /// What is said where a total was asked for that would take too long (FHIR R4 §3.1.1.4.7).
    private static let uncounted = JSONValue.object([
        JSONMemberValue(
            "resource",
            OperationOutcome.value(
                severity: "warning", code: "too-costly",
                diagnostics: "there are too many to count; a narrower date can be counted")),
        JSONMemberValue("search", .object([JSONMemberValue("mode", "outcome")])),
    ])

    private func link(_ relation: String, _ base: String, after: AuditCursor?) -> JSONValue {
        let paging =
            [FormTerm(name: "_count", value: onlyCount ? "0" : "\(pageSize)")]
            + (after.map { [FormTerm(name: "_after", value: $0.text)] } ?? [])
        let query = (terms + paging).map(\.encoded).joined(separator: "&")
        return .object([
            JSONMemberValue("relation", .string(relation)), JSONMemberValue("url", .string("\(base)?\(query)")),
        ])
    }
}
