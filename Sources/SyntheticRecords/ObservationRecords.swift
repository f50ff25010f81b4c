import FHIRCore

/// Measurements, laboratory results, documents and what a person tells about their life.
extension MemberRecords {
    /// One year: a visit with vital signs, a laboratory panel with its report, and answers to a questionnaire.
    mutating func addYearOfObservations(_ year: Int, encounter: String) {
        let date = Self.firstDay + (year + 2) * 365 + random.number(in: 0...200)
        addVitalSigns(year, on: date, encounter: encounter)
        addLaboratory(year, on: date + 1, encounter: encounter)
        addSocialHistory(year, on: date)
    }

    private mutating func addObservation(
        _ suffix: String, category: JSONValue, code: JSONValue, on date: CalendarDay, encounter: String? = nil,
        _ value: [(String, JSONValue)]
    ) -> String {
        var elements: [(String, JSONValue)] = [
            ("status", "final"), ("category", .array([category])), ("code", code), ("subject", subject),
        ]
        if let encounter { elements.append(("encounter", reference("Encounter", encounter))) }
        elements.append(("effectiveDateTime", .string(date.at(hour: 10, minute: 30))))
        elements.append(("performer", .array([clinician])))
        return add("Observation", suffix, elements + value)
    }

    private mutating func addVitalSigns(_ year: Int, on date: CalendarDay, encounter: String) {
        let category = concept(CodeSystem.observationCategory, "vital-signs", "Vital Signs")
        let systolic = quantity(String(random.number(in: 104...148)), "mm[Hg]")
        let diastolic = quantity(String(random.number(in: 62...94)), "mm[Hg]")
        _ = addObservation(
            "pressure-\(year)", category: category, code: concept(CodeSystem.loinc, "85354-9", "Blood pressure panel"),
            on: date, encounter: encounter,
            [
                (
                    "component",
                    .array([
                        [
                            "code": concept(CodeSystem.loinc, "8480-6", "Systolic blood pressure"),
                            "valueQuantity": systolic,
                        ],
                        [
                            "code": concept(CodeSystem.loinc, "8462-4", "Diastolic blood pressure"),
                            "valueQuantity": diastolic,
                        ],
                    ])
                )
            ])
        let measured: [(String, String, String, String)] = [
            ("weight", "29463-7", "Body weight", "\(random.number(in: 52...104)).\(random.number(in: 0...9))"),
            ("heartrate", "8867-4", "Heart rate", String(random.number(in: 54...96))),
        ]
        for (name, code, display, value) in measured {
            _ = addObservation(
                "\(name)-\(year)", category: category, code: concept(CodeSystem.loinc, code, display), on: date,
                encounter: encounter, [("valueQuantity", quantity(value, name == "weight" ? "kg" : "/min"))])
        }
    }

    private mutating func addLaboratory(_ year: Int, on date: CalendarDay, encounter: String) {
        let category = concept(CodeSystem.observationCategory, "laboratory", "Laboratory")
        let panel: [(String, String, String, String, String)] = [
            ("glucose", "2345-7", "Glucose", String(random.number(in: 78...162)), "mg/dL"),
            ("hba1c", "4548-4", "Hemoglobin A1c", "\(random.number(in: 4...8)).\(random.number(in: 0...9))", "%"),
            ("ldl", "13457-7", "LDL cholesterol", String(random.number(in: 66...190)), "mg/dL"),
        ]
        let results = panel.map { name, code, display, value, unit in
            addObservation(
                "\(name)-\(year)", category: category, code: concept(CodeSystem.loinc, code, display), on: date,
                encounter: encounter, [("valueQuantity", quantity(value, unit))])
        }
        _ = add(
            "DiagnosticReport", "report-\(year)",
            [
                ("status", "final"),
                (
                    "category",
                    .array([
                        concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")
                    ])
                ),
                ("code", concept(CodeSystem.loinc, "51990-0", "Basic metabolic panel")),
                ("subject", subject),
                ("encounter", reference("Encounter", encounter)),
                ("effectiveDateTime", .string(date.at(hour: 10, minute: 30))),
                ("issued", .string(date.at(hour: 16))),
                ("performer", .array([reference("Organization", "clinic-oak")])),
                ("result", .array(results.map { reference("Observation", $0) })),
            ])
    }

    private mutating func addSocialHistory(_ year: Int, on date: CalendarDay) {
        _ = addObservation(
            "smoking-\(year)", category: concept(CodeSystem.observationCategory, "social-history", "Social History"),
            code: concept(CodeSystem.loinc, "72166-2", "Tobacco smoking status"), on: date,
            [("valueCodeableConcept", concept(CodeSystem.snomed, "266919005", "Never smoked tobacco"))])
        _ = addObservation(
            "food-\(year)", category: concept(CodeSystem.usCoreCategory, "sdoh", "SDOH"),
            code: concept(CodeSystem.loinc, "88122-7", "Food insecurity risk"), on: date,
            [("valueCodeableConcept", concept(CodeSystem.loinc, "LA28398-4", "Never true"))])
        _ = addObservation(
            "mood-\(year)", category: concept(CodeSystem.observationCategory, "survey", "Survey"),
            code: concept(CodeSystem.loinc, "44261-6", "PHQ-9 total score"), on: date,
            [("valueInteger", .int(Int64(random.number(in: 0...14))))])
    }

    /// A visit summary as DocumentReference, with its text in a Binary.
    mutating func addDocument(encounter: String) {
        let note = "Visit of \(member.given) \(member.family). No complaints. Next visit in a year."
        let binary = add(
            "Binary", "note-text",
            [
                ("contentType", "text/plain"),
                ("securityContext", reference("Patient", member.id)),
                ("data", .string(Base64Text.encode(Array(note.utf8)))),
            ])
        _ = add(
            "DocumentReference", "note-1",
            [
                ("status", "current"),
                ("type", concept(CodeSystem.loinc, "34133-9", "Summary of episode note")),
                (
                    "category",
                    .array([
                        concept(
                            "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                            "clinical-note",
                            "Clinical Note")
                    ])
                ),
                ("subject", subject),
                ("date", .string(Self.lastDay.at(hour: 8))),
                ("author", .array([clinician])),
                (
                    "content",
                    .array([
                        [
                            "attachment": [
                                "contentType": "text/plain", "url": .string("Binary/\(binary)"),
                                "title": "Visit summary",
                            ]
                        ]
                    ])
                ),
                ("context", ["encounter": .array([reference("Encounter", encounter)])]),
            ])
    }
}

/// Base64 with padding (RFC 4648 §4), for the data of a Binary.
enum Base64Text {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let joined = group.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << UInt32(16 - 8 * $1.offset) }
            for place in 0..<4 {
                text.append(
                    place <= group.count ? alphabet[Int(joined >> UInt32(18 - 6 * place)) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
