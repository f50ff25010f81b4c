/// The generated tables, read once at first use.
enum R4Tables {
    static let searchParameters = readSearchParameters()
    static let compartments = readCompartments()
    static let patientMembership = readPatientMembership()

    struct SearchParameters: Sendable {
        var common: [String: SearchParameter] = [:]
        var byType: [ResourceType: [String: SearchParameter]] = [:]
    }

    private static func rows(_ table: StaticString) -> [Substring] {
        table.description.split(separator: "\n").map { Substring($0) }
    }

    private static func readSearchParameters() -> SearchParameters {
        var result = SearchParameters()
        var type: ResourceType?
        var parameters: [String: SearchParameter] = [:]
        func finish() {
            if let type { result.byType[type] = parameters } else { result.common = parameters }
            parameters = [:]
        }
        for row in rows(R4.searchParameterTable) {
            if row.first == "@" {
                finish()
                type = ResourceType(rawValue: String(row.dropFirst()))
            } else if let parameter = readSearchParameter(row) {
                parameters[parameter.code] = parameter
            }
        }
        finish()
        return result
    }

    private static func readSearchParameter(_ row: Substring) -> SearchParameter? {
        let fields = row.split(separator: ";", maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, let kind = SearchParameter.Kind(rawValue: String(fields[1])) else { return nil }
        let targets =
            fields[2] == "*"
            ? ResourceType.allCases
            : fields[2].split(separator: ",").compactMap { ResourceType(rawValue: String($0)) }
        let text = String(fields[3])
        return SearchParameter(
            code: String(fields[0]), kind: kind, targets: targets, expressionText: text,
            expression: ElementExpression(text))
    }

    private static func readCompartments() -> [CompartmentKind: [ResourceType: [String]]] {
        let letters: [Substring: CompartmentKind] = [
            "P": .patient, "E": .encounter, "R": .relatedPerson, "C": .practitioner, "D": .device,
        ]
        var result: [CompartmentKind: [ResourceType: [String]]] = [:]
        for row in rows(R4.compartmentTable) {
            let fields = row.split(separator: ";")
            guard fields.count == 3, let type = ResourceType(rawValue: String(fields[0])),
                let kind = letters[fields[1]]
            else { continue }
            result[kind, default: [:]][type] = fields[2].split(separator: ",").map(String.init)
        }
        return result
    }

    private static func readPatientMembership() -> [ResourceType: PatientMembership] {
        var result: [ResourceType: PatientMembership] = [:]
        for row in rows(R4.patientNarrowingTable) {
            let fields = row.split(separator: ";", omittingEmptySubsequences: false)
            guard fields.count == 3, let type = ResourceType(rawValue: String(fields[0])),
                let primary = R4.searchParameter(String(fields[1]), for: type)
            else { continue }
            let codes = fields[2].split(separator: ",").map(String.init)
            let full = codes.compactMap { R4.searchParameter($0, for: type) }
            // A type with a parameter that the table does not know has no membership at all: nobody is a member.
            guard full.count == codes.count else { continue }
            result[type] = PatientMembership(primary: primary, full: full)
        }
        return result
    }
}
