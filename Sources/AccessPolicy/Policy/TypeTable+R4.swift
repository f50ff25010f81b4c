internal import FHIRCore

// The one reviewable list: what each of the 146 types of FHIR R4 is to the policy, and what happens when a resource
// names a patient outside the boundary. Subjects come from the generated narrowing table (strict membership) except
// where a row of `backported` names a parameter: those types joined the Patient compartment in R5.

extension TypeTable {
    /// The rules for FHIR R4; throws only if the lists below do not cover every type once.
    public static func r4() throws(Incomplete) -> TypeTable {
        var rules: [TypeRule] = []
        for (types, multiPatient) in [(keepsText, TypeRule.MultiPatientRule.allow), (masks, .mask), (denies, .deny)] {
            rules += types.map { compartmentRule($0, multiPatient) }
        }
        rules += backported.map { backportedRule($0.type, $0.parameter, $0.multiPatient) }
        rules.append(
            TypeRule(
                type: .binary, typeClass: .compartment, subject: .securityContext, membership: [],
                multiPatient: .deny, bearsPolicy: false))
        rules += shared.map { plainRule($0, .shared) }
        rules += conformance.map { plainRule($0, .conformance) }
        rules += restricted.map { plainRule($0, .restricted) }
        return try TypeTable(rules)
    }

    /// Belong to one patient; a further patient may be named as performer, payee, subscriber and the like, as text.
    private static let keepsText: [ResourceType] = [
        .patient, .bodyStructure, .carePlan, .careTeam, .chargeItem, .claim, .claimResponse, .clinicalImpression,
        .coverage, .coverageEligibilityRequest, .coverageEligibilityResponse, .detectedIssue, .deviceUseStatement,
        .diagnosticReport, .enrollmentRequest, .episodeOfCare, .explanationOfBenefit, .familyMemberHistory, .flag,
        .goal, .imagingStudy, .immunization, .immunizationEvaluation, .immunizationRecommendation, .media,
        .medicationRequest, .medicationStatement, .molecularSequence, .nutritionOrder, .observation, .procedure,
        .relatedPerson, .researchSubject, .riskAssessment, .specimen, .supplyDelivery, .visionPrescription,
    ]

    /// Belong to one patient, but further patients take part in them, and who they are is not the first one's record.
    private static let masks: [ResourceType] = [
        .adverseEvent, .allergyIntolerance, .appointment, .appointmentResponse, .auditEvent, .basic, .communication,
        .communicationRequest, .composition, .condition, .consent, .deviceRequest, .documentManifest,
        .documentReference, .encounter, .invoice, .medicationAdministration, .medicationDispense, .provenance,
        .questionnaireResponse, .requestGroup, .serviceRequest, .supplyRequest,
    ]

    /// Lists of patients by nature: withheld as soon as another patient stands in them.
    private static let denies: [ResourceType] = [.account, .list, .measureReport, .person, .schedule]

    /// Not in the R4 compartment but in that of R5, with the R4 parameter that names the patient.
    private static let backported: [(type: ResourceType, parameter: String, multiPatient: TypeRule.MultiPatientRule)] =
        [
            (.contract, "patient", .deny), (.device, "patient", .allow), (.guidanceResponse, "patient", .allow),
            (.task, "patient", .mask),
        ]

    /// Name no patient: directories, and what products and services there are.
    private static let shared: [ResourceType] = [
        .activityDefinition, .catalogEntry, .chargeItemDefinition, .deviceDefinition, .effectEvidenceSynthesis,
        .endpoint, .eventDefinition, .evidence, .evidenceVariable, .healthcareService, .insurancePlan, .library,
        .location, .measure, .medication, .medicationKnowledge, .medicinalProduct, .medicinalProductAuthorization,
        .medicinalProductContraindication, .medicinalProductIndication, .medicinalProductIngredient,
        .medicinalProductInteraction, .medicinalProductManufactured, .medicinalProductPackaged,
        .medicinalProductPharmaceutical, .medicinalProductUndesirableEffect, .observationDefinition, .organization,
        .organizationAffiliation, .planDefinition, .practitioner, .practitionerRole, .questionnaire,
        .researchDefinition, .researchElementDefinition, .researchStudy, .riskEvidenceSynthesis, .slot,
        .specimenDefinition, .substance, .substanceNucleicAcid, .substancePolymer, .substanceProtein,
        .substanceReferenceInformation, .substanceSourceMaterial, .substanceSpecification,
    ]

    /// Say what FHIR means here; a write could change what a rule means.
    private static let conformance: [ResourceType] = [
        .capabilityStatement, .codeSystem, .compartmentDefinition, .conceptMap, .exampleScenario, .graphDefinition,
        .implementationGuide, .messageDefinition, .namingSystem, .operationDefinition, .searchParameter,
        .structureDefinition, .structureMap, .terminologyCapabilities, .testReport, .testScript, .valueSet,
    ]

    /// Name many patients, wrap anything, or do not say whose they are.
    private static let restricted: [ResourceType] = [
        .biologicallyDerivedProduct, .bundle, .deviceMetric, .enrollmentResponse, .group, .linkage, .messageHeader,
        .operationOutcome, .parameters, .paymentNotice, .paymentReconciliation, .subscription, .verificationResult,
    ]

    /// Decide about access themselves, beside all of ``conformance``.
    private static let policyBearing: Set<ResourceType> = [.consent, .group, .subscription]

    // MARK: - rows

    private static func compartmentRule(
        _ type: ResourceType, _ multiPatient: TypeRule.MultiPatientRule
    ) -> TypeRule {
        let membership = R4.patientMembership(type)
        let subject: TypeRule.Subject? = type == .patient ? .ownID : membership.map { .parameter($0.primary) }
        return TypeRule(
            type: type, typeClass: .compartment, subject: subject, membership: membership?.full ?? [],
            multiPatient: multiPatient, bearsPolicy: policyBearing.contains(type))
    }

    private static func backportedRule(
        _ type: ResourceType, _ parameter: String, _ multiPatient: TypeRule.MultiPatientRule
    ) -> TypeRule {
        let found = R4.searchParameter(parameter, for: type)
        return TypeRule(
            type: type, typeClass: .compartment, subject: found.map { .parameter($0) },
            membership: found.map { [$0] } ?? [], multiPatient: multiPatient,
            bearsPolicy: policyBearing.contains(type))
    }

    private static func plainRule(_ type: ResourceType, _ typeClass: TypeRule.Class) -> TypeRule {
        TypeRule(
            type: type, typeClass: typeClass, subject: nil, membership: [], multiPatient: .deny,
            bearsPolicy: typeClass == .conformance || policyBearing.contains(type))
    }
}
