import AccessPolicy
import ChaperoneServer
import FHIRCore
import RequirementTraits
import Testing

/// The site's own operations, read as strictly as the configuration itself.
@Suite struct OperationsFileTests {
    private static let good = """
        operations:
          - name: questionnaire-package
            levels: [type, instance]
            types: [Questionnaire]
            contexts: [user, system]
            scopes: [Questionnaire.r]
            patient: none
            parameters:
              canonical: {kind: text, repeats: true}
              coverage: {kind: resource, types: [Coverage]}
            answers: [parameters, bundle]
        """

    @Test func `a descriptor is added to the built-in ones`() throws {
        let table = try Configuration.operations(yaml: Self.good)

        let found = try #require(table.descriptors.first { $0.name == "questionnaire-package" })
        #expect(found.contexts == [.user, .system] && found.types == [.questionnaire])
        #expect(found.parameters["canonical"] == .init(.text, repeats: true))
        #expect(found.parameters["coverage"] == .init(.resource, types: [.coverage]))
        #expect(!found.changesState)
        #expect(table.descriptors.contains { $0.name == "everything" })
    }

    @Test(
        .verifies("house@operation-descriptors"),
        arguments: [
            ("operations:\n  - nam: x", "unknown key, did you mean `name`?"),
            ("operation: []", "line 1: operation: unknown key"),
            (good.replacing("levels: [type, instance]", with: "levels: [typ]"), "line 3: operations[0].levels"),
            (good.replacing("types: [Questionnaire]", with: "types: [Form]"), "line 4: operations[0].types"),
            (good.replacing("Questionnaire.r]", with: "Questionnaire.x]"), "line 6: operations[0].scopes"),
            (good.replacing("patient: none", with: "patient: anyone"), "line 7: operations[0].patient"),
            (good.replacing("kind: text", with: "kind: free"), "line 9: operations[0].parameters.canonical.kind"),
            (good.replacing(", types: [Coverage]", with: ""), "is required for a resource"),
            (
                good.replacing("answers: [parameters, bundle]", with: "answers: [html]"),
                "line 11: operations[0].answers"
            ),
            (
                good.replacing("questionnaire-package", with: "graphql"),
                "line 2: operations[0]: `graphql` cannot be opened"
            ),
            (good.replacing("patient: none", with: "patient: everybody"), "for the context `system` only"),
            (
                good.replacing("types: [Questionnaire]", with: "types: [Patient]"),
                "must say how it is tied to a patient"
            ),
            (good.replacing("types: [Questionnaire]", with: "types: [Task]"), "must say how it is tied to a patient"),
            (good.replacing("kind: text", with: "kind: patient"), "`canonical` names a patient whom nothing holds"),
            (
                good.replacing("patient: none", with: "patient: submission"),
                "an operation on an instance is tied to that instance"
            ),
            (good + "\n    changes-state: perhaps", "line 12: operations[0].changes-state"),
        ])
    func `a mistake is named with its line`(yaml: String, expected: String) throws {
        let error = try #require(throws: ConfigurationError.self) { try Configuration.operations(yaml: yaml) }

        #expect(error.description.contains(expected), "\(error)")
    }

    @Test func `types of the policy are chosen in the configuration, and only where they fit`() throws {
        func read(_ more: String) throws -> Configuration {
            let yaml = "issuer: https://auth.example.org\nfhir-server:\n  upstream: https://fhir.example.org\n\(more)"
            return try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
        }
        let table = try read("  formal-members: [Coverage]\n  other-patients: {Encounter: deny}\n").typeTable()

        #expect(table[.coverage].countsFormalMembers && !table[.claim].countsFormalMembers)
        #expect(table[.encounter].multiPatient == .deny)
        #expect(table[.careTeam].panelRule == .none && table[.relatedPerson].panelRule == .none)
        let byTeam = try read("  practitioner-patients: CareTeam.participant\n  related-persons: true\n").typeTable()
        #expect(byTeam[.careTeam].panelRule == .resource && byTeam[.relatedPerson].panelRule == .resource)
        let byDoctor = try read("  practitioner-patients: Patient.general-practitioner\n").typeTable()
        #expect(
            byDoctor[.patient].panelRule
                == .elements([try #require(R4.searchParameter("general-practitioner", for: .patient))]))
        for wrong in [
            "  formal-members: [Organization]\n", "  formal-members: [Form]\n",
            "  other-patients: {Organization: deny}\n",
            "  other-patients: {Encounter: hide}\n", "  operations-file: [a]\n",
        ] {
            #expect(throws: ConfigurationError.self) { try read(wrong) }
        }
    }
}
