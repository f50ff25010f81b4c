import FHIRCore

/// The code systems that the synthetic records use, by short names.
enum CodeSystem {
    static let conditionCategory = "http://terminology.hl7.org/CodeSystem/condition-category"
    static let usCoreConditionCategory = "http://hl7.org/fhir/us/core/CodeSystem/condition-category"
    static let observationCategory = "http://terminology.hl7.org/CodeSystem/observation-category"
    static let usCoreCategory = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
    static let conditionClinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    static let conditionVerification = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    static let allergyClinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    static let allergyVerification = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    static let actCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    static let adjudication = "http://terminology.hl7.org/CodeSystem/adjudication"
    static let carinAdjudication = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication"
    static let claimType = "http://terminology.hl7.org/CodeSystem/claim-type"
    static let relationship = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
    static let provenanceAgent = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    static let identifierType = "http://terminology.hl7.org/CodeSystem/v2-0203"
    static let snomed = "http://snomed.info/sct"
    static let loinc = "http://loinc.org"
    static let icd10 = "http://hl7.org/fhir/sid/icd-10-cm"
    static let rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
    static let cvx = "http://hl7.org/fhir/sid/cvx"
    static let cpt = "http://www.ama-assn.org/go/cpt"
    static let units = "http://unitsofmeasure.org"
    static let npi = "http://hl7.org/fhir/sid/us-npi"
    static let memberNumber = "https://meadow.example/member-number"
    static let recordNumber = "https://clinic.example/record-number"
}

// The data types of FHIR that occur often enough to deserve a word.

func coding(_ system: String, _ code: String, _ display: String) -> JSONValue {
    ["system": .string(system), "code": .string(code), "display": .string(display)]
}

func concept(_ system: String, _ code: String, _ display: String) -> JSONValue {
    ["coding": .array([coding(system, code, display)]), "text": .string(display)]
}

func reference(_ type: String, _ id: String, display: String? = nil) -> JSONValue {
    let target = JSONValue.string("\(type)/\(id)")
    guard let display else { return ["reference": target] }
    return ["reference": target, "display": .string(display)]
}

/// A decimal from figures of our own making.
func decimal(_ figures: String) -> JSONValue {
    guard let number = JSONNumber(figures) else { preconditionFailure("`\(figures)` is no number") }
    return .number(number)
}

func quantity(_ value: String, _ unit: String) -> JSONValue {
    ["value": decimal(value), "unit": .string(unit), "system": .string(CodeSystem.units), "code": .string(unit)]
}

/// An amount in dollars, from cents, so that no binary fraction ever shows.
func money(cents: Int) -> JSONValue {
    let fraction = cents % 100
    let text = "\(cents / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    return ["value": decimal(text), "currency": "USD"]
}

func period(_ start: CalendarDay, _ end: CalendarDay) -> JSONValue {
    ["start": .string(start.text), "end": .string(end.text)]
}

func identifier(_ system: String, _ value: String) -> JSONValue {
    ["system": .string(system), "value": .string(value)]
}

/// A resource: its type and id, then its elements in the order given.
func resource(_ type: String, _ id: String, _ elements: [(String, JSONValue)]) -> JSONValue {
    .object(
        [JSONMemberValue("resourceType", .string(type)), JSONMemberValue("id", .string(id))]
            + elements.map { JSONMemberValue($0.0, $0.1) })
}
