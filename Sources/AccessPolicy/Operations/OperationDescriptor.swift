public import FHIRCore

/// What an operation of the protected server needs, may be asked and answers (enforcer digest b.9).
///
/// An operation that no descriptor describes is refused; there is no default for anything in one that would widen it.
public struct OperationDescriptor: Hashable, Sendable {
    /// Where an operation is called.
    public enum Level: String, Hashable, Sendable, CaseIterable {
        case system, type, instance
    }

    /// How a request is tied to the patients whom the token reaches.
    public enum PatientBinding: Hashable, Sendable {
        /// It is about nobody; for operations on types that belong to nobody.
        case nobody
        /// It is called on one patient, who must be inside the boundary. A call on the type becomes one on the only
        /// patient that there is.
        case patient
        /// It is called on a resource, which must be readable by this token.
        case instance
        /// A parameter names the patient; it is added where it is absent and there is only one.
        case parameter(String)
        /// It is a search of its type and is narrowed like one; what it has beyond are its own parameters.
        case search
        /// Each resource that is handed in must be of a patient inside the boundary.
        case submission
        /// It asks about people beyond any boundary; for clients of the whole server, whose descriptor says so.
        case population
    }

    /// What a parameter may hold.
    public enum ParameterKind: String, Hashable, Sendable, CaseIterable {
        /// A plain text: code, uri, string, date, identifier token. Never a reference and never a search.
        case text
        /// `true` or `false`.
        case boolean
        /// A whole number.
        case integer
        /// A page size, cut to the house's.
        case count
        /// A list of types, each of which must be granted for reading or searching.
        case types
        /// A patient, by id or reference.
        case patient
        /// A Coding or a CodeableConcept, in a body only.
        case coding
        /// A resource, in a body only.
        case resource
    }

    /// One parameter that may be given.
    public struct Parameter: Hashable, Sendable {
        /// What it may hold.
        public let kind: ParameterKind
        /// Whether it may stand several times.
        public let repeats: Bool
        /// For a resource, the types that it may be.
        public let types: Set<ResourceType>

        /// A parameter.
        public init(_ kind: ParameterKind, repeats: Bool = false, types: Set<ResourceType> = []) {
            self.kind = kind
            self.repeats = repeats
            self.types = types
        }
    }

    /// A letter that the token must have on a type.
    public struct Requirement: Hashable, Sendable {
        /// The letter.
        public let letter: Permissions
        /// The type.
        public let type: ResourceType
        /// Whether the scope must be without a constraint.
        public let isWhole: Bool

        /// A requirement.
        public init(_ letter: Permissions, _ type: ResourceType, whole: Bool = false) {
            self.letter = letter
            self.type = type
            isWhole = whole
        }
    }

    /// The kinds of answer that are looked into; any other is not passed on.
    public enum AnswerKind: String, Hashable, Sendable, CaseIterable {
        /// A Bundle whose entries are each judged, in pages.
        case pages
        /// A Bundle whose entries are each judged.
        case bundle
        /// Parameters; every resource inside is judged.
        case parameters
        /// A single resource, judged.
        case resource
    }

    /// The name without its `$`.
    public let name: String
    /// Where it may be called.
    public let levels: Set<Level>
    /// The types on which it may be called; empty for the system level alone.
    public let types: Set<ResourceType>
    /// The levels of scopes that may carry it.
    public let contexts: Set<ScopeLevel>
    /// All of these must be held.
    public let requirements: [Requirement]
    /// How it is tied to patients.
    public let binding: PatientBinding
    /// What may be asked; anything else is refused.
    public let parameters: [String: Parameter]
    /// What may be answered.
    public let answers: Set<AnswerKind>
    /// Whether it can change what is stored. Such a one is never called by GET.
    public let changesState: Bool

    /// A descriptor; see ``fault`` for what is wrong with it.
    public init(
        _ name: String, levels: Set<Level>, types: Set<ResourceType> = [], contexts: Set<ScopeLevel>,
        requirements: [Requirement], binding: PatientBinding, parameters: [String: Parameter] = [:],
        answers: Set<AnswerKind>, changesState: Bool = false
    ) {
        self.name = name
        self.levels = levels
        self.types = types
        self.contexts = contexts
        self.requirements = requirements
        self.binding = binding
        self.parameters = parameters
        self.answers = answers
        self.changesState = changesState
    }

    /// Whether it describes a call of this name at this place.
    func describes(_ name: String, _ level: OperationLevel) -> Bool {
        guard name == self.name else { return false }
        switch level {
        case .system: return levels.contains(.system)
        case .type(let type): return levels.contains(.type) && types.contains(type)
        case .instance(let key): return levels.contains(.instance) && types.contains(key.type)
        }
    }

    /// Why it cannot be used, for whoever wrote it; nil when it can.
    public var fault: String? {
        let letters = name.utf8
        let isName =
            letters.first.map { (0x61...0x7A).contains($0) } == true && letters.count <= 64
            && letters.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard isName else { return "`\(name)` is not the name of an operation" }
        guard !OperationDescriptor.neverDescribed.contains(name) else {
            return "`\(name)` cannot be opened by a descriptor"
        }
        guard !levels.isEmpty, !contexts.isEmpty, !answers.isEmpty, !requirements.isEmpty else {
            return "levels, contexts, scopes and answers must each name something"
        }
        guard levels == [.system] || !types.isEmpty else { return "an operation on a type must name its types" }
        // Pages are asked for again and again, and nobody opens a record for what they change.
        guard !changesState || answers != [.pages] else { return "an operation that answers in pages changes nothing" }
        return bindingFault ?? instanceFault
    }

    /// An instance that is called on and that nothing holds against the boundary could be anybody's.
    private var instanceFault: String? {
        levels.contains(.instance) && ![.patient, .instance, .nobody].contains(binding)
            ? "an operation on an instance is tied to that instance" : nil
    }

    private var bindingFault: String? {
        let loose = parameters.filter { $0.value.kind == .patient && binding != .parameter($0.key) }.keys.min()
        if let loose { return "the parameter `\(loose)` names a patient whom nothing holds against the boundary" }
        switch binding {
        case .nobody:
            let named = types.union(requirements.map(\.type))
            return named.isSubset(of: OperationDescriptor.nobodys)
                ? nil : "an operation on patients' records or with scopes on them must say how it is tied to a patient"
        case .patient:
            return types == [.patient] && !levels.contains(.system)
                ? nil : "an operation that is called on a patient has the type `Patient`"
        case .instance: return levels == [.instance] ? nil : "an operation on a resource has the level `instance`"
        case .parameter(let name):
            guard let parameter = parameters[name], parameter.kind == .patient, !parameter.repeats else {
                return "the parameter `\(name)` that names the patient must be a single one of the kind `patient`"
            }
            return nil
        case .search:
            guard levels == [.type], types.count == 1, let type = types.first, !changesState else {
                return "an operation that is a search has the level `type`, one type, and changes nothing"
            }
            let taken = parameters.keys.filter { R4.searchParameter($0, for: type) != nil }.min()
            return taken.map { "the parameter `\($0)` is a search parameter of its type" }
        case .submission:
            return parameters.values.contains { $0.kind == .resource }
                ? nil : "an operation that is handed resources needs a parameter of the kind `resource`"
        case .population:
            return contexts == [.system] ? nil : "an operation on everybody is for the context `system` only"
        }
    }

    /// The types that belong to nobody; none where the table of types cannot be made.
    private static let nobodys: Set<ResourceType> = {
        guard let table = try? TypeTable.r4() else { return [] }
        return Set(ResourceType.allCases.filter { [.shared, .conformance].contains(table[$0].typeClass) })
    }()

    /// Second query languages, and operations that change what rules and records mean (b.9, last row).
    private static let neverDescribed: Set<String> = [
        "graphql", "graph", "process-message", "convert", "closure", "reindex", "expunge", "purge", "import", "merge",
        "meta-add", "meta-delete", "export",
    ]
}
