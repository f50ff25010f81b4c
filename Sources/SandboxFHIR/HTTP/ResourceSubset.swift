internal import FHIRCore

/// The part of each resource that `_summary` or `_elements` asks for (FHIR R4 search §3.1.1.5.8–9).
enum ResourceSubset: Hashable, Sendable {
    case whole
    /// `_summary=true`: what searches look at and what a resource cannot be without. The specification leaves the
    /// choice to the server; the published marks are not among the sandbox's tables.
    case summary
    /// `_summary=text`: the narrative and what a resource cannot be without.
    case text
    /// `_summary=data`: everything but the narrative.
    case data
    /// `_elements`: the named elements.
    case elements(Set<String>)

    /// What a request for one resource asks for.
    init(_ query: QueryString) throws(SandboxFailure) {
        self = .whole
        for pair in query.pairs {
            switch pair.name {
            case "_elements": self = adding(elements: pair.value)
            case "_summary":
                guard let subset = ResourceSubset(summary: pair.value) else {
                    throw .invalid("`_summary` is not one of true, text, data, false")
                }
                self = subset
            default: break
            }
        }
    }

    /// The form that a value of `_summary` names; `nil` for `count` and for what is none.
    init?(summary value: String) {
        switch value {
        case "true": self = .summary
        case "text": self = .text
        case "data": self = .data
        case "false": self = .whole
        default: return nil
        }
    }

    /// With further names of `_elements`, separated by commas.
    func adding(elements text: String) -> ResourceSubset {
        let names = Set(text.split(separator: ",").map(String.init))
        if case .elements(let known) = self { return .elements(known.union(names)) }
        return .elements(names)
    }

    /// The resource with only the asked part, tagged as incomplete when it is not the whole.
    func applied(to tree: JSONValue, registry: ParameterRegistry) -> JSONValue {
        guard self != .whole else { return tree }
        let type = tree["resourceType"]?.string.flatMap(ResourceType.init(rawValue:))
        let mandatory = type.flatMap { MandatoryElements.byType[$0] } ?? []
        let kept: JSONValue
        switch self {
        case .whole: return tree
        case .data: kept = tree.keeping { $0 != "text" }
        case .text: kept = tree.keeping { name in name == "text" || isAny(of: mandatory, name) }
        case .summary:
            let looked = type.map { registry.parameters(for: $0).elements } ?? []
            let names = looked + mandatory + ["status", "active", "implicitRules", "language"]
            kept = tree.keeping { name in name != "text" && isAny(of: names, name) }
        case .elements(let names): kept = tree.keeping { name in isAny(of: names, name) }
        }
        let tag: JSONValue = [
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED",
        ]
        let meta = kept["meta"] ?? .object([])
        return kept.setting("meta", to: meta.setting("tag", to: .array((meta["tag"]?.flattened ?? []) + [tag])))
    }

    /// What is never taken away: what says which resource it is.
    private static let always: Set<String> = ["resourceType", "id", "meta"]

    /// Whether a member is one of the elements, a typed form of one (`valueQuantity`) or the extras of a primitive.
    private func isAny(of elements: some Collection<String>, _ member: String) -> Bool {
        if ResourceSubset.always.contains(member) { return true }
        let name = member.hasPrefix("_") ? member.dropFirst() : member[...]
        return elements.contains { element in
            name == element || (name.hasPrefix(element) && name.dropFirst(element.count).first?.isUppercase == true)
        }
    }
}
