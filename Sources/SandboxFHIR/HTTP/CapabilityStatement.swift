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
            ("fhirVersion", "4.0.1"), ("format", ["application/fhir+json", "json"]),
            ("patchFormat", .array([.string(JSONPatch.mediaType)])), ("rest", .array([rest])),
        ])
    }

    private var rest: JSONValue {
        JSONTree.object([
            ("mode", "server"),
            ("documentation", "Not protected: it listens on the loopback interface and stands behind an enforcer."),
            ("resource", .array(resources)),
            (
                "interaction",
                .array(["transaction", "batch", "search-system", "history-system"].map { ["code": .string($0)] })
            ),
            (
                "operation",
                .array([operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export")])
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

    private var resources: [JSONValue] {
        var reverse: [ResourceType: [String]] = [:]
        for type in ResourceType.allCases {
            for parameter in registry.parameters(for: type).all where parameter.kind == .reference {
                for target in parameter.targets {
                    reverse[target, default: []].append("\(type.rawValue):\(parameter.code)")
                }
            }
        }
        return ResourceType.allCases.map { resource($0, referredToBy: reverse[$0] ?? []) }
    }

    private func resource(_ type: ResourceType, referredToBy reverse: [String]) -> JSONValue {
        let interactions = [
            "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
        ]
        let parameters = registry.parameters(for: type).all
        let references = parameters.filter { $0.kind == .reference }
        return JSONTree.object([
            ("type", .string(type.rawValue)), ("interaction", .array(interactions.map { ["code": .string($0)] })),
            ("versioning", "versioned-update"), ("readHistory", true), ("updateCreate", true),
            ("conditionalCreate", true), ("conditionalRead", "full-support"), ("conditionalUpdate", true),
            ("conditionalDelete", "single"), ("referencePolicy", ["literal", "logical", "local"]),
            ("searchInclude", list(references.map { "\(type.rawValue):\($0.code)" })),
            ("searchRevInclude", list(reverse)),
            ("searchParam", .array(columns + parameters.map(parameter))), ("operation", operations(type)),
        ])
    }

    /// The operations on a type and its instances, by the definitions that they follow.
    private func operations(_ type: ResourceType) -> JSONValue? {
        let core = "http://hl7.org/fhir/OperationDefinition"
        let bulk = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
        switch type {
        case .patient:
            return .array([
                operation("everything", "\(core)/Patient-everything"), operation("export", "\(bulk)/patient-export"),
            ])
        case .group: return .array([operation("export", "\(bulk)/group-export")])
        case .observation: return .array([operation("lastn", "\(core)/Observation-lastn")])
        case .documentReference:
            return .array([operation("docref", "http://hl7.org/fhir/us/core/OperationDefinition/docref")])
        case .valueSet:
            return .array([
                operation("expand", "\(core)/ValueSet-expand"),
                operation("validate-code", "\(core)/ValueSet-validate-code"),
            ])
        case .codeSystem: return .array([operation("lookup", "\(core)/CodeSystem-lookup")])
        default: return nil
        }
    }

    private func operation(_ name: String, _ definition: String) -> JSONValue {
        ["name": .string(name), "definition": .string(definition)]
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
