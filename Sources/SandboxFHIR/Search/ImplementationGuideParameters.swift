internal import FHIRCore

/// Search parameters that US Core 6.1.0 and CARIN Blue Button 2.0.0 define beside those of R4.
///
/// Servers under the CMS rules have them, so an upstream that stands in for one has them too.
enum ImplementationGuideParameters {
    struct Definition: Sendable {
        let code: String
        let kind: IndexedParameter.Kind
        let expression: String
    }

    static let byType: [ResourceType: [Definition]] = [
        .explanationOfBenefit: [
            Definition(code: "type", kind: .token, expression: "ExplanationOfBenefit.type"),
            Definition(code: "insurer", kind: .reference, expression: "ExplanationOfBenefit.insurer"),
            Definition(
                code: "service-date", kind: .date,
                expression: "ExplanationOfBenefit.billablePeriod | ExplanationOfBenefit.item.serviced"),
            Definition(
                code: "service-start-date", kind: .date,
                expression: """
                    ExplanationOfBenefit.billablePeriod.start | ExplanationOfBenefit.item.servicedDate \
                    | ExplanationOfBenefit.item.servicedPeriod.start
                    """),
            Definition(
                code: "billable-period-start", kind: .date, expression: "ExplanationOfBenefit.billablePeriod.start"),
        ],
        .patient: [
            Definition(code: "race", kind: .token, expression: extensionCode("us-core-race")),
            Definition(code: "ethnicity", kind: .token, expression: extensionCode("us-core-ethnicity")),
        ],
        .condition: [
            Definition(
                code: "asserted-date", kind: .date,
                expression: """
                    Condition.extension.where(url = \
                    'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').valueDateTime
                    """)
        ],
        .careTeam: [Definition(code: "role", kind: .token, expression: "CareTeam.participant.role")],
        .encounter: [
            Definition(
                code: "discharge-disposition", kind: .token,
                expression: "Encounter.hospitalization.dischargeDisposition")
        ],
        .goal: [Definition(code: "description", kind: .token, expression: "Goal.description")],
    ]

    private static func extensionCode(_ name: String) -> String {
        "Patient.extension.where(url = 'http://hl7.org/fhir/us/core/StructureDefinition/\(name)').extension.value.code"
    }
}
