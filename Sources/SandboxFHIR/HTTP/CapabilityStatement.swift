internal import FHIRCore

/// What the sandbox says about itself at `/metadata`: the types, interactions and parameters that really work.
struct CapabilityStatement {
    let registry: ParameterRegistry
    let base: String
    let now: Int64

    var json: JSONValue {
        JSONTree.object([
            ("resourceType", "CapabilityStatement"), ("status", "active"), ("date", .string(FHIRTime.instant(now))),
            ("kind", "instance"), ("software", ["name": "Chaperone sandbox"]),
            (
                "implementation",
                ["description": "Synthetic records for demonstration and tests", "url": .string(base)]
            ),
            ("fhirVersion", "4.0.1"), ("format", ["application/fhir+json", "json"]), ("rest", .array([rest])),
        ])
    }

    private var rest: JSONValue {
        JSONTree.object([
            ("mode", "server"),
            ("documentation", "Not protected: it listens on the loopback interface and stands behind an enforcer."),
            ("resource", .array(ResourceType.allCases.map(resource))),
            (
                "interaction",
                .array(["transaction", "batch", "search-system", "history-system"].map { ["code": .string($0)] })
            ),
            (
                "compartment",
                .array(
                    CompartmentKind.allCases.map {
                        .string("http://hl7.org/fhir/CompartmentDefinition/\($0.rawValue.lowercased())")
                    })
            ),
        ])
    }

    private func resource(_ type: ResourceType) -> JSONValue {
        let interactions = [
            "read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type",
        ]
        let parameters = registry.parameters(for: type).all
        let references = parameters.filter { $0.kind == .reference }
        return JSONTree.object([
            ("type", .string(type.rawValue)), ("interaction", .array(interactions.map { ["code": .string($0)] })),
            ("versioning", "versioned-update"), ("readHistory", true), ("updateCreate", true),
            ("conditionalCreate", true), ("conditionalRead", "full-support"), ("conditionalUpdate", true),
            ("conditionalDelete", "single"), ("referencePolicy", ["literal", "logical", "local"]),
            ("searchInclude", list(references.map { "\(type.rawValue):\($0.code)" })),
            ("searchParam", .array(columns + parameters.map(parameter))),
        ])
    }

    private func list(_ texts: [String]) -> JSONValue? {
        texts.isEmpty ? nil : .array(texts.map { .string($0) })
    }

    private var columns: [JSONValue] {
        [["name": "_id", "type": "token"], ["name": "_lastUpdated", "type": "date"]]
    }

    private func parameter(_ parameter: IndexedParameter) -> JSONValue {
        ["name": .string(parameter.code), "type": .string(parameter.kind.rawValue)]
    }
}
