internal import AccessPolicy
internal import FHIRCore

/// The patients whom a request names, whether it gets anything of theirs or not: for the record, so that a patient can be
/// told who tried.
///
/// It looks at what was written and nothing that is stored. What it passes over is only not filed under the patient; it
/// still stands in the record's path and query.
struct AskedPatients: Sendable {
    /// More are not named: a client chooses them, and each is an entry of an index.
    static let most = 200

    /// In the order in which they were named, each once.
    private(set) var ids: [String] = []
    private var known: Set<String> = []
    private var beyond: Set<String> = []
    /// How many more there were.
    var left: Int { beyond.count }

    /// Everybody, those too who are not named.
    var everybody: Set<String> { known.union(beyond) }

    /// Whether one is among those who are named.
    func contains(_ id: String) -> Bool { known.contains(id) }

    mutating func add(_ patient: ResourceID) { add(patient.text) }

    /// Adds all of others.
    mutating func add(_ others: AskedPatients) {
        for id in others.ids { add(id) }
        for id in others.beyond { add(id) }
    }

    private mutating func add(_ id: String) {
        guard !known.contains(id) else { return }
        guard ids.count < Self.most else {
            beyond.insert(id)
            return
        }
        known.insert(id)
        ids.append(id)
    }

    // MARK: - requests

    /// Adds whom a request names: the patient at its address, the compartment, what its parameters say.
    mutating func add(from request: CanonicalRequest, _ policy: ServerPolicy) {
        switch request.interaction {
        case .searchCompartment(.patient, let id, _): add(id)
        case .operation(_, .instance(let key)): add(key)
        default: if let key = request.interaction.instance { add(key) }
        }
        add(from: request.query, of: request.interaction.type, policy)
        if case .resource(let body) = request.body, body.type == .parameters { add(fromParameters: body, policy) }
    }

    /// Adds whom the terms of a query on a type name.
    mutating func add(from query: SearchQuery, of type: ResourceType?, _ policy: ServerPolicy) {
        for term in query.terms {
            let isOfPatients = Self.names(term, of: type)
            for value in term.values { add(value, isID: isOfPatients, policy) }
        }
    }

    private mutating func add(_ key: InstanceKey) {
        if key.type == .patient { add(key.id) }
    }

    /// Adds the patient whom a text refers to, if it does.
    ///
    /// - Parameter isID: whether an id alone is one of a patient here.
    private mutating func add(_ text: String, isID: Bool, _ policy: ServerPolicy) {
        switch LiteralReference(text) {
        case .relative(let key, _): add(key)
        case .absolute(let base, let key, _):
            if base == policy.publicBase || base == policy.upstreamBase { add(key) }
        case .fragment, .urn, .conditional, .other:
            if isID, let id = ResourceID(text) { add(id) }
        }
    }

    /// Whether an id alone in the value of a term is that of a patient.
    private static func names(_ term: SearchTerm, of type: ResourceType?) -> Bool {
        switch term.chain.last {
        case nil:
            if term.modifier == ResourceType.patient.rawValue || term.name == "patient" { return true }
            guard term.modifier == nil || term.modifier == "not", let type else { return false }
            if term.name == "_id" { return type == .patient }
            // Where several types may stand an id alone is anybody's, but for whom the record is about.
            return term.name == "subject" || R4.searchParameter(term.name, for: type)?.targets == [.patient]
        case .forward(let target, let parameter):
            guard parameter == "_id", term.chain.count == 1 else { return parameter == "patient" }
            return target == .patient || target == nil && ["patient", "subject"].contains(term.name)
        case .reverse(_, _, let parameter): return parameter == "patient"
        }
    }

    /// Adds whom the plain parameters of a call name. What is handed in is not looked at: it need not be anybody here.
    private mutating func add(fromParameters body: ResourceView, _ policy: ServerPolicy) {
        for parameter in body.node["parameter"]?.elements ?? [] {
            let isOfPatients = parameter["name"]?.equals("patient") ?? false
            for member in parameter.members where member.name.hasPrefix("value") {
                guard let text = member.value.string ?? member.value["reference"]?.string else { continue }
                add(text, isID: isOfPatients, policy)
            }
        }
    }
}
