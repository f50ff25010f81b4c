internal import AccessPolicy
internal import FHIRCore

/// The parameters whose values are codes of AuditEvent. The index knows kinds and interactions; where one of those can
/// show several codes, the entries' contents decide.
extension AuditEventFilter {
    func outcomes(_ term: FormTerm) throws(Refusal) -> Set<String> {
        var words: Set<String> = []
        for code in try codes(term, of: ["http://hl7.org/fhir/audit-event-outcome"]) {
            switch code {
            case "0": words.formUnion(["permitted", "succeeded", "decision-given"])
            case "4": words.insert("refused")
            case "8": words.formUnion(["failed", "interrupted"])
            default: throw Refusal("`outcome` can be 0, 4 or 8")
            }
        }
        return words
    }

    func actions(_ term: FormTerm) throws(Refusal) -> Set<String> {
        let codes = Set(try codes(term, of: ["http://hl7.org/fhir/audit-event-action"]))
        guard codes.isSubset(of: ["C", "R", "U", "D", "E"]) else { throw Refusal("`action` can be C, R, U, D or E") }
        return codes
    }

    mutating func types(_ term: FormTerm) throws(Refusal) {
        var kinds: Set<String> = []
        var wanted: Set<String> = []
        let ofAccesses = [AuditCode.rest, .export]
        for token in try tokens(term) {
            let isAccess = ofAccesses.contains { Self.names(token, $0) }
            let steps = AuthorizationRecord.Kind.allCases.filter { kind in
                AuthorizationEventRendering.types(kind).contains { Self.names(token, $0) }
            }
            guard isAccess || !steps.isEmpty else { throw Refusal("`type` has a code that no event of ours has") }
            if isAccess { kinds.insert(AuditIndex.accessKind) }
            kinds.formUnion(steps.map(\.rawValue))
            wanted.insert(token.code)
        }
        let possible = AuthorizationRecord.Kind.allCases.filter { kinds.contains($0.rawValue) }
            .flatMap { AuthorizationEventRendering.types($0) }
        let codes = (kinds.contains(AuditIndex.accessKind) ? ofAccesses : []) + possible
        if !codes.allSatisfy({ wanted.contains($0.code) }) { content.types = wanted }
        try narrowKinds(to: kinds, "type")
    }

    mutating func subtypes(_ term: FormTerm) throws(Refusal) {
        var kinds: Set<String> = []
        var interactions: Set<String> = []
        var wanted: Set<String> = []
        var needsContent = false
        for token in try tokens(term) {
            wanted.insert(token.code)
            if let interaction = AccessInteraction(rawValue: token.code),
                Self.names(token, AuditCode.interaction(interaction))
            {
                interactions.insert(token.code)
            } else if let kind = AuthorizationRecord.Kind(rawValue: token.code), Self.names(token, AuditCode.step(kind))
            {
                kinds.insert(token.code)
            } else if let shown = Self.shownBy.first(where: { Self.names(token, $0.code) }) {
                kinds.formUnion(shown.kinds)
                needsContent = true
            } else {
                throw Refusal("`subtype` has a code that no event of ours has")
            }
        }
        if !interactions.isEmpty {
            // An index entry has an interaction or is of a step, so both together are for the contents to tell apart.
            if kinds.isEmpty { query.interactions = interactions } else { needsContent = true }
            kinds.insert(AuditIndex.accessKind)
        }
        if needsContent { content.subtypes = wanted }
        try narrowKinds(to: kinds, "subtype")
    }

    /// Codes that some events of several kinds show.
    private static let shownBy: [(code: AuditCode, kinds: [String])] = [
        (.disclose, [AuditIndex.accessKind]),
        (.consentDecision, [AuthorizationRecord.Kind.consent, .consentDenied].map(\.rawValue)),
        (.accessTokenRequest, [AuthorizationRecord.Kind.token, .refresh].map(\.rawValue)),
    ]

    private static func names(_ token: SearchValue.Token, _ code: AuditCode) -> Bool {
        token.code == code.code && (token.system ?? code.system) == code.system
    }

    /// `type` and `subtype` narrow each other; where no event can have both, that is said.
    private mutating func narrowKinds(to kinds: Set<String>, _ name: String) throws(Refusal) {
        guard !query.kinds.isEmpty else {
            query.kinds = kinds
            return
        }
        let both = query.kinds.intersection(kinds)
        guard !both.isEmpty else { throw Refusal("`\(name)`: no event has this type and this subtype") }
        query.kinds = both
    }
}
