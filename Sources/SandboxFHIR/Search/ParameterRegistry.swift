internal import FHIRCore
internal import Synchronization

/// The search parameters that the sandbox indexes, by type, and those of R4 that it cannot.
///
/// A class because the parameters of a type are read from the table once, when the type is first met.
final class ParameterRegistry: Sendable {
    /// The parameters of one type.
    struct TypeParameters: Sendable {
        let byCode: [String: IndexedParameter]
        /// Codes of R4 parameters that are not indexed: composite and special ones, and expressions not understood.
        let unsupported: [String]
        /// The elements at the top of a resource that the parameters of R4 look at.
        let elements: [String]

        /// In the order of their codes.
        var all: [IndexedParameter] { byCode.values.sorted { $0.code < $1.code } }
    }

    private let known = Mutex<[ResourceType: TypeParameters]>([:])

    /// The parameters of a type.
    func parameters(for type: ResourceType) -> TypeParameters {
        known.withLock { known in
            if let found = known[type] { return found }
            let made = ParameterRegistry.read(type)
            known[type] = made
            return made
        }
    }

    /// The parameter of a type with a code, if it is indexed.
    func parameter(_ code: String, for type: ResourceType) -> IndexedParameter? {
        parameters(for: type).byCode[code]
    }

    /// Those that are columns of the resource table rather than rows of an index.
    static let columns: Set<String> = ["_id", "_lastUpdated"]

    private static func read(_ type: ResourceType) -> TypeParameters {
        var byCode: [String: IndexedParameter] = [:]
        var unsupported: [String] = []
        for parameter in R4.searchParameters(for: type) where !columns.contains(parameter.code) {
            do {
                guard let kind = IndexedParameter.Kind(rawValue: parameter.kind.rawValue),
                    !notIndexed.contains("\(type.rawValue).\(parameter.code)")
                else {
                    unsupported.append(parameter.code)
                    continue
                }
                let expression = try PathExpression(parameter.expressionText, for: type)
                byCode[parameter.code] = IndexedParameter(
                    type: type, code: parameter.code, kind: kind, targets: parameter.targets, expression: expression)
            } catch {
                unsupported.append(parameter.code)
            }
        }
        for definition in ImplementationGuideParameters.byType[type] ?? [] {
            do {
                let expression = try PathExpression(definition.expression, for: type)
                byCode[definition.code] = IndexedParameter(
                    type: type, code: definition.code, kind: definition.kind, targets: [], expression: expression)
            } catch {
                unsupported.append(definition.code)
            }
        }
        return TypeParameters(byCode: byCode, unsupported: unsupported.sorted(), elements: elements(of: type))
    }

    /// The first steps of the expressions that begin with the type.
    private static func elements(of type: ResourceType) -> [String] {
        let start = "\(type.rawValue)."
        var found = Set<String>()
        for parameter in R4.searchParameters(for: type) {
            for part in parameter.expressionText.split(whereSeparator: { "|( ".contains($0) })
            where part.hasPrefix(start) {
                found.insert(String(part.dropFirst(start.count).prefix { $0.isLetter || $0.isNumber }))
            }
        }
        return found.sorted()
    }

    /// References whose expression selects a whole resource inside a Bundle rather than a Reference.
    private static let notIndexed: Set<String> = ["Bundle.composition", "Bundle.message"]
}
