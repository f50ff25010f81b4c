import FHIRCore

/// The records that belong to no member: organisations, practitioners, places and medicines.
enum SharedRecords {
    static func all() -> [JSONValue] {
        organizations() + practitioners() + [location()] + MedicineCatalogue.all.map(medication)
    }

    private static func organizations() -> [JSONValue] {
        [
            ("payer-meadow", "Meadow Health Plan", "pay"), ("payer-harbor", "Harbor Mutual", "pay"),
            ("clinic-oak", "Oak Street Clinic", "prov"),
        ].map { id, name, kind in
            resource(
                "Organization", id,
                [
                    (
                        "identifier",
                        .array([identifier(CodeSystem.npi, id == "clinic-oak" ? "1999999984" : "1999999992")])
                    ),
                    ("active", .bool(true)),
                    ("type", .array([concept("http://terminology.hl7.org/CodeSystem/organization-type", kind, name)])),
                    ("name", .string(name)),
                ])
        }
    }

    private static func practitioners() -> [JSONValue] {
        [("clinician-a", "Okafor", "Adaeze", "1999999976"), ("clinician-b", "Brandt", "Bruno", "1999999968")]
            .flatMap { id, family, given, npi in
                [
                    resource(
                        "Practitioner", id,
                        [
                            ("identifier", .array([identifier(CodeSystem.npi, npi)])),
                            ("active", .bool(true)),
                            ("name", .array([["family": .string(family), "given": .array([.string(given)])]])),
                        ]),
                    resource(
                        "PractitionerRole", "role-\(id)",
                        [
                            ("active", .bool(true)),
                            ("practitioner", reference("Practitioner", id)),
                            ("organization", reference("Organization", "clinic-oak")),
                            ("specialty", .array([concept(CodeSystem.snomed, "419772000", "Family practice")])),
                        ]),
                ]
            }
    }

    private static func location() -> JSONValue {
        resource(
            "Location", "oak-street",
            [
                ("status", "active"), ("name", "Oak Street Clinic, first floor"),
                ("managingOrganization", reference("Organization", "clinic-oak")),
            ])
    }

    private static func medication(_ medicine: MedicineCatalogue.Medicine) -> JSONValue {
        resource(
            "Medication", medicine.id,
            [
                ("code", concept(CodeSystem.rxnorm, medicine.code, medicine.display)), ("status", "active"),
            ])
    }
}

/// The medicines that the synthetic members take.
enum MedicineCatalogue {
    struct Medicine {
        let id: String
        let code: String
        let display: String
        let dosage: String
    }

    static let all = [
        Medicine(
            id: "medication-metformin", code: "860975", display: "Metformin 500 MG", dosage: "One tablet twice a day"),
        Medicine(id: "medication-lisinopril", code: "314076", display: "Lisinopril 10 MG", dosage: "One tablet a day"),
        Medicine(
            id: "medication-atorvastatin", code: "259255", display: "Atorvastatin 40 MG", dosage: "One tablet at night"),
        Medicine(
            id: "medication-albuterol", code: "745679", display: "Albuterol 0.09 MG/ACTUAT",
            dosage: "Two puffs as needed"),
        Medicine(id: "medication-sertraline", code: "312938", display: "Sertraline 100 MG", dosage: "One tablet a day"),
        Medicine(
            id: "medication-ibuprofen", code: "197805", display: "Ibuprofen 400 MG", dosage: "One tablet when in pain"),
    ]
}

/// The conditions that the synthetic members have, each with the medicine of the same index.
enum ConditionCatalogue {
    struct Entry {
        let snomed: String
        let icd10: String
        let display: String
    }

    static let all = [
        Entry(snomed: "44054006", icd10: "E11.9", display: "Type 2 diabetes mellitus"),
        Entry(snomed: "59621000", icd10: "I10", display: "Essential hypertension"),
        Entry(snomed: "55822004", icd10: "E78.5", display: "Hyperlipidaemia"),
        Entry(snomed: "195967001", icd10: "J45.909", display: "Asthma"),
        Entry(snomed: "35489007", icd10: "F32.9", display: "Depressive disorder"),
        Entry(snomed: "239873007", icd10: "M17.9", display: "Osteoarthritis of knee"),
    ]
}
