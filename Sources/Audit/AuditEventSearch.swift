public import FHIRCore

/// A FHIR search for AuditEvents: its parameters, and the searchset that answers it. Pure; whoever mounts it reads the
/// log in between.
///
/// Parameters: `date` (with prefix), `patient`, `entity` (a patient), `agent:identifier` and `client` (the client),
/// `user` (the subject), `outcome`, `action`, `type`, `subtype`, `grant`, `_count`, `_after`, `_format`. Everything
/// else is refused: an auditor must not take a filter that was ignored for an answer.
public struct AuditEventSearch: Hashable, Sendable {
    /// What to ask the log for.
    public let query: AuditQuery
    /// The terms as given, for links, without the paging ones.
    private let terms: [FormTerm]
    private let counted: Int

    /// Why a search is refused, as an answer.
    public struct Refusal: Error, Hashable, Sendable {
        /// 400.
        public let status: Int
        /// What was wrong, for the client.
        public let diagnostics: String
        /// The OperationOutcome to answer with.
        public var outcome: [UInt8] { OperationOutcome.json(code: "invalid", diagnostics: diagnostics) }

        init(_ diagnostics: String) {
            status = 400
            self.diagnostics = diagnostics
        }
    }

    /// Reads the raw query of a request.
    public init(parsing raw: String) throws(Refusal) {
        let terms = try FormTerm.parse(raw)
        var filter = AuditEventFilter()
        for term in terms { try filter.take(term) }
        query = filter.query
        counted = filter.query.limit
        self.terms = terms.filter { $0.name != "_after" && $0.name != "_count" && $0.name != "_format" }
    }

    /// The searchset of a page.
    ///
    /// - Parameter base: the URL at which the search is mounted, such as `https://…/audit/fhir/AuditEvent`.
    public func bundle(_ page: AuditPage, base: String, system: AuditSystem) throws(AuditFormatError) -> JSONValue {
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
        members.add("link", .array(links))
        // FHIR forbids an empty array.
        if !entries.isEmpty { members.add("entry", .array(entries)) }
        return members.object
    }

    private func link(_ relation: String, _ base: String, after: AuditCursor?) -> JSONValue {
        let paging =
            [FormTerm(name: "_count", value: "\(counted)")]
            + (after.map { [FormTerm(name: "_after", value: $0.text)] } ?? [])
        let query = (terms + paging).map(\.encoded).joined(separator: "&")
        return .object([
            JSONMemberValue("relation", .string(relation)), JSONMemberValue("url", .string("\(base)?\(query)")),
        ])
    }
}
