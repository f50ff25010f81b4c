internal import FHIRCore

/// What kind of JSON a `value[x]` of Parameters holds (FHIR R4 parameters.html, json.html).
///
/// The name of the member decides, never the text: a value is written onward as what its name says that it is.
enum ParameterValue: Hashable, Sendable {
    case text
    case boolean
    /// A number, and the least that it may be; nil for one with decimal places and without bounds.
    case number(least: Int32?)
    /// An object; of these alone anything is understood here.
    case structure

    /// What a member holds; nil for one that no operation of ours can be given.
    init?(member: String) {
        switch member {
        case "valueBase64Binary", "valueCanonical", "valueCode", "valueDate", "valueDateTime", "valueId",
            "valueInstant", "valueMarkdown", "valueOid", "valueString", "valueTime", "valueUri", "valueUrl",
            "valueUuid":
            self = .text
        case "valueBoolean": self = .boolean
        case "valueDecimal": self = .number(least: nil)
        case "valueInteger": self = .number(least: .min)
        case "valueUnsignedInt": self = .number(least: 0)
        case "valuePositiveInt": self = .number(least: 1)
        case "valueReference", "valueCoding", "valueCodeableConcept": self = .structure
        default: return nil
        }
    }

    /// Whether a value is of this kind.
    func holds(_ node: JSONNode) -> Bool {
        switch self {
        case .text: node.kind == .string
        case .boolean: node.kind == .bool
        case .structure: node.kind == .object
        case .number(nil): node.kind == .number
        case .number(let least?):
            // FHIR R4 datatypes.html#integer: 32 bits, no point, no exponent, one way to write each.
            node.numberText.map { text in
                Int32(text).map { $0 >= least && String($0) == text } ?? false
            } ?? false
        }
    }

    /// A text as the JSON that it stands for here; nil when it does not stand for any.
    func json(_ text: String) -> JSONValue? {
        switch self {
        case .text: .string(text)
        case .boolean: ["true": true, "false": false][text].map(JSONValue.bool)
        case .number: JSONNumber(text).map(JSONValue.number)
        case .structure: nil
        }
    }
}
