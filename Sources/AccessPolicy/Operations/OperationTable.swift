internal import FHIRCore

/// The operations that are let through, each by its descriptor.
public struct OperationTable: Hashable, Sendable {
    private var list: [OperationDescriptor]

    /// No operation at all.
    public static let none = OperationTable(list: [])

    private init(list: [OperationDescriptor]) { self.list = list }

    /// Why a list of descriptors is no table.
    public struct Fault: Error, Hashable, Sendable {
        /// The place of the descriptor at fault.
        public let place: Int
        /// What is wrong with it.
        public let summary: String
    }

    /// This table with a site's own descriptors, which take the place of built-in ones of the same name and types.
    public func adding(_ descriptors: [OperationDescriptor]) throws(Fault) -> OperationTable {
        for (place, descriptor) in descriptors.enumerated() {
            if let fault = descriptor.fault { throw Fault(place: place, summary: fault) }
            let isDouble = descriptors[..<place].contains { other in
                other.name == descriptor.name && !other.levels.isDisjoint(with: descriptor.levels)
                    && (other.types.isEmpty && descriptor.types.isEmpty
                        || !other.types.isDisjoint(with: descriptor.types))
            }
            guard !isDouble else { throw Fault(place: place, summary: "`\(descriptor.name)` is described twice") }
        }
        return OperationTable(list: descriptors + list)
    }

    /// The descriptor of a call; nil when it is not let through.
    func descriptor(_ name: String, _ level: OperationLevel) -> OperationDescriptor? {
        list.first { $0.describes(name, level) } ?? (mutated(.undescribedOperations) ? list.first : nil)
    }

    /// The names and places that are let through, for the CapabilityStatement.
    public var descriptors: [OperationDescriptor] { list }
}

extension OperationTable {
    /// What is let through without being asked for (enforcer digest b.9).
    public static let builtIn = OperationTable(
        list: [everything, allEverything, docref, lastn] + terminology + [memberMatch, submit, inquire])

    private typealias Parameter = OperationDescriptor.Parameter

    private static let everyContext: Set<ScopeLevel> = [.patient, .user, .system]

    private static let everythingParameters: [String: OperationDescriptor.Parameter] = [
        "start": Parameter(.text), "end": Parameter(.text), "_since": Parameter(.text),
        "_type": Parameter(.types, repeats: true), "_count": Parameter(.count),
    ]

    private static let everything = OperationDescriptor(
        "everything", levels: [.instance], types: [.patient], contexts: everyContext,
        requirements: [.init(.read, .patient)], binding: .patient, parameters: everythingParameters,
        answers: [.pages])

    /// On the type it means every patient; with one patient in context it means that one.
    private static let allEverything = OperationDescriptor(
        "everything", levels: [.type], types: [.patient], contexts: [.patient, .system],
        requirements: [.init(.read, .patient)], binding: .patient, parameters: everythingParameters,
        answers: [.pages])

    /// US Core, `$docref`.
    private static let docref = OperationDescriptor(
        "docref", levels: [.type], types: [.documentReference], contexts: everyContext,
        requirements: [.init(.search, .documentReference)], binding: .parameter("patient"),
        parameters: [
            "patient": Parameter(.patient), "start": Parameter(.text), "end": Parameter(.text),
            "type": Parameter(.text), "on-demand": Parameter(.boolean), "profile": Parameter(.text, repeats: true),
        ], answers: [.pages])

    private static let lastn = OperationDescriptor(
        "lastn", levels: [.type], types: [.observation], contexts: everyContext,
        requirements: [.init(.search, .observation)], binding: .search, parameters: ["max": Parameter(.integer)],
        answers: [.pages])

    // MARK: - terminology

    private static let terminology: [OperationDescriptor] = [
        term(
            "expand", .valueSet, [.resource],
            text: [
                "url", "valueSetVersion", "context", "contextDirection", "filter", "date", "designation",
                "displayLanguage", "exclude-system", "system-version", "check-system-version", "force-system-version",
            ],
            booleans: [
                "includeDesignations", "activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated",
            ],
            integers: ["offset", "count"]),
        term(
            "validate-code", .valueSet, [.parameters],
            text: [
                "url", "context", "valueSetVersion", "code", "system", "systemVersion", "display", "date",
                "displayLanguage",
            ], booleans: ["abstract"], codings: ["coding", "codeableConcept"]),
        term(
            "lookup", .codeSystem, [.parameters],
            text: ["code", "system", "version", "date", "displayLanguage", "property"], codings: ["coding"]),
        term(
            "validate-code", .codeSystem, [.parameters],
            text: ["url", "code", "version", "display", "date", "displayLanguage"], booleans: ["abstract"],
            codings: ["coding", "codeableConcept"]),
        term(
            "subsumes", .codeSystem, [.parameters], text: ["codeA", "codeB", "system", "version"],
            codings: ["codingA", "codingB"]),
        term(
            "translate", .conceptMap, [.parameters],
            text: ["url", "conceptMapVersion", "code", "system", "version", "source", "target", "targetsystem"],
            booleans: ["reverse"], codings: ["coding", "codeableConcept"]),
    ]

    private static func term(
        _ name: String, _ type: ResourceType, _ answers: Set<OperationDescriptor.AnswerKind>, text: [String],
        booleans: [String] = [], integers: [String] = [], codings: [String] = []
    ) -> OperationDescriptor {
        var parameters: [String: Parameter] = [:]
        for name in text { parameters[name] = Parameter(.text, repeats: ["designation", "property"].contains(name)) }
        for name in booleans { parameters[name] = Parameter(.boolean) }
        for name in integers { parameters[name] = Parameter(.integer) }
        for name in codings { parameters[name] = Parameter(.coding) }
        return OperationDescriptor(
            name, levels: [.type, .instance], types: [type], contexts: everyContext,
            requirements: [.init(.read, type)], binding: .nobody, parameters: parameters, answers: answers)
    }

    // MARK: - payers

    /// HL7 HRex, `$member-match`: who a member of another payer is here. Its answer is an identifier.
    private static let memberMatch = OperationDescriptor(
        "member-match", levels: [.type], types: [.patient], contexts: [.system],
        requirements: [.init(.search, .patient, whole: true), .init(.search, .coverage, whole: true)],
        binding: .population,
        parameters: [
            "MemberPatient": Parameter(.resource, types: [.patient]),
            "OldCoverage": Parameter(.resource, types: [.coverage]),
            "NewCoverage": Parameter(.resource, types: [.coverage]),
            "CoverageToMatch": Parameter(.resource, types: [.coverage]),
            "CoverageToLink": Parameter(.resource, types: [.coverage]),
            "Consent": Parameter(.resource, types: [.consent]),
        ], answers: [.parameters])

    /// Da Vinci PAS, `$submit`.
    private static let submit = OperationDescriptor(
        "submit", levels: [.type], types: [.claim], contexts: [.user, .system],
        requirements: [.init(.create, .claim), .init(.read, .claimResponse)], binding: .submission,
        parameters: ["resource": Parameter(.resource, types: [.bundle])], answers: [.bundle, .parameters],
        changesState: true)

    /// Da Vinci PAS, `$inquire`.
    private static let inquire = OperationDescriptor(
        "inquire", levels: [.type], types: [.claim], contexts: [.user, .system],
        requirements: [.init(.search, .claim), .init(.search, .claimResponse)], binding: .submission,
        parameters: ["resource": Parameter(.resource, types: [.bundle])], answers: [.bundle, .parameters])
}
