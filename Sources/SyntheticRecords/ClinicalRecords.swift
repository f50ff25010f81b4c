import FHIRCore

/// US Core clinical data of one member.
extension MemberRecords {
    mutating func addClinicalRecords() {
        let encounters = (1...3).map { addEncounter($0) }
        for (position, index) in member.conditions.enumerated() {
            addCondition(index, position: position, encounter: encounters[position % encounters.count])
        }
        addCondition(
            concern: ("160903007", "Full-time employment"),
            category: (CodeSystem.usCoreConditionCategory, "health-concern"))
        for year in 0..<5 { addYearOfObservations(year, encounter: encounters[year % encounters.count]) }
        addAllergy()
        addImmunizations()
        addProcedure(encounter: encounters[0])
        addDocument(encounter: encounters[1])
        addCare()
        addProvenance()
    }

    private mutating func addEncounter(_ number: Int) -> String {
        let date = day(margin: 30)
        return add(
            "Encounter", "encounter-\(number)",
            [
                ("status", "finished"),
                ("class", coding(CodeSystem.actCode, "AMB", "ambulatory")),
                ("type", .array([concept(CodeSystem.snomed, "185349003", "Check up")])),
                ("subject", subject),
                ("participant", .array([["individual": clinician]])),
                ("period", period(date, date)),
                ("serviceProvider", reference("Organization", "clinic-oak")),
                ("location", .array([["location": reference("Location", "oak-street")]])),
            ])
    }

    private mutating func addCondition(_ index: Int, position: Int, encounter: String) {
        let entry = ConditionCatalogue.all[index]
        let onset = day(margin: 400)
        let category =
            position % 2 == 0
            ? coding(CodeSystem.conditionCategory, "problem-list-item", "Problem List Item")
            : coding(CodeSystem.conditionCategory, "encounter-diagnosis", "Encounter Diagnosis")
        let condition = add(
            "Condition", "condition-\(position + 1)",
            [
                ("clinicalStatus", concept(CodeSystem.conditionClinical, "active", "Active")),
                ("verificationStatus", concept(CodeSystem.conditionVerification, "confirmed", "Confirmed")),
                ("category", .array([["coding": .array([category])]])),
                (
                    "code",
                    [
                        "coding": .array([
                            coding(CodeSystem.snomed, entry.snomed, entry.display),
                            coding(CodeSystem.icd10, entry.icd10, entry.display),
                        ]), "text": .string(entry.display),
                    ]
                ),
                ("subject", subject),
                ("encounter", reference("Encounter", encounter)),
                ("onsetDateTime", .string(onset.text)),
                ("recordedDate", .string(onset.text)),
                ("recorder", clinician),
            ])
        addMedication(index, position: position, condition: condition, from: onset, encounter: encounter)
    }

    private mutating func addCondition(concern: (code: String, display: String), category: (String, String)) {
        _ = add(
            "Condition", "concern-1",
            [
                ("clinicalStatus", concept(CodeSystem.conditionClinical, "active", "Active")),
                ("verificationStatus", concept(CodeSystem.conditionVerification, "confirmed", "Confirmed")),
                ("category", .array([concept(category.0, category.1, "Health Concern")])),
                ("code", concept(CodeSystem.snomed, concern.code, concern.display)),
                ("subject", subject),
                ("onsetDateTime", .string(day(margin: 100).text)),
            ])
    }

    private mutating func addMedication(
        _ index: Int, position: Int, condition: String, from: CalendarDay, encounter: String
    ) {
        let medicine = MedicineCatalogue.all[index]
        let request = add(
            "MedicationRequest", "prescription-\(position + 1)",
            [
                ("status", "active"), ("intent", "order"),
                ("medicationReference", reference("Medication", medicine.id, display: medicine.display)),
                ("subject", subject),
                ("encounter", reference("Encounter", encounter)),
                ("authoredOn", .string(from.text)),
                ("requester", clinician),
                ("reasonReference", .array([reference("Condition", condition)])),
                ("dosageInstruction", .array([["text": .string(medicine.dosage)]])),
            ])
        _ = add(
            "MedicationDispense", "dispense-\(position + 1)",
            [
                ("status", "completed"),
                ("medicationReference", reference("Medication", medicine.id, display: medicine.display)),
                ("subject", subject),
                ("authorizingPrescription", .array([reference("MedicationRequest", request)])),
                ("quantity", ["value": 90, "unit": "tablet"]),
                ("whenHandedOver", .string((from + 2).at(hour: 14))),
            ])
    }

    private mutating func addAllergy() {
        _ = add(
            "AllergyIntolerance", "allergy-1",
            [
                ("clinicalStatus", concept(CodeSystem.allergyClinical, "active", "Active")),
                ("verificationStatus", concept(CodeSystem.allergyVerification, "confirmed", "Confirmed")),
                ("type", "allergy"), ("category", ["medication"]), ("criticality", "high"),
                ("code", concept(CodeSystem.rxnorm, "7980", "Penicillin G")),
                ("patient", subject),
                ("recorder", clinician),
                (
                    "reaction",
                    .array([["manifestation": .array([concept(CodeSystem.snomed, "126485001", "Urticaria")])]])
                ),
            ])
    }

    private mutating func addImmunizations() {
        for (number, vaccine) in [("140", "Influenza"), ("208", "COVID-19"), ("115", "Tdap")].enumerated() {
            _ = add(
                "Immunization", "immunization-\(number + 1)",
                [
                    ("status", "completed"),
                    ("vaccineCode", concept(CodeSystem.cvx, vaccine.0, vaccine.1)),
                    ("patient", subject),
                    ("occurrenceDateTime", .string(day().text)),
                    ("primarySource", .bool(true)),
                    ("location", reference("Location", "oak-street")),
                ])
        }
    }

    private mutating func addProcedure(encounter: String) {
        let date = day(margin: 60)
        let order = add(
            "ServiceRequest", "order-1",
            [
                ("status", "completed"), ("intent", "order"),
                ("category", .array([concept(CodeSystem.snomed, "387713003", "Surgical procedure")])),
                ("code", concept(CodeSystem.cpt, "45378", "Colonoscopy")),
                ("subject", subject), ("authoredOn", .string(date.text)), ("requester", clinician),
            ])
        _ = add(
            "Procedure", "procedure-1",
            [
                ("basedOn", .array([reference("ServiceRequest", order)])),
                ("status", "completed"),
                ("code", concept(CodeSystem.cpt, "45378", "Colonoscopy")),
                ("subject", subject),
                ("encounter", reference("Encounter", encounter)),
                ("performedDateTime", .string((date + 20).text)),
                ("performer", .array([["actor": clinician]])),
            ])
        _ = add(
            "Device", "device-1",
            [
                ("status", "active"),
                ("type", concept(CodeSystem.snomed, "43770009", "Blood pressure monitor")),
                ("patient", subject),
            ])
    }

    private mutating func addCare() {
        let goal = add(
            "Goal", "goal-1",
            [
                ("lifecycleStatus", "active"),
                ("description", ["text": "Walk half an hour on five days a week"]),
                ("subject", subject),
                ("startDate", .string(day(margin: 200).text)),
            ])
        let team = add(
            "CareTeam", "team-1",
            [
                ("status", "active"), ("subject", subject),
                (
                    "participant",
                    .array([
                        [
                            "role": .array([concept(CodeSystem.snomed, "446050000", "Primary care physician")]),
                            "member": clinician,
                        ]
                    ])
                ),
            ])
        _ = add(
            "CarePlan", "plan-1",
            [
                (
                    "text",
                    [
                        "status": "generated",
                        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Move more, smoke less.</div>",
                    ]
                ),
                ("status", "active"), ("intent", "plan"),
                (
                    "category",
                    .array([
                        concept(
                            "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan",
                            "Assessment and Plan")
                    ])
                ),
                ("subject", subject),
                ("careTeam", .array([reference("CareTeam", team)])),
                ("goal", .array([reference("Goal", goal)])),
            ])
    }

    private mutating func addProvenance() {
        let targets = resources.compactMap { value -> JSONValue? in
            guard let type = value["resourceType"]?.string, type == "Condition" || type == "DocumentReference",
                let id = value["id"]?.string
            else { return nil }
            return reference(type, id)
        }
        _ = add(
            "Provenance", "provenance-1",
            [
                ("target", .array(targets)),
                ("recorded", .string(Self.lastDay.at(hour: 9))),
                (
                    "agent",
                    .array([
                        [
                            "type": concept(CodeSystem.provenanceAgent, "author", "Author"), "who": clinician,
                            "onBehalfOf": reference("Organization", "clinic-oak"),
                        ]
                    ])
                ),
            ])
    }
}
