internal import AccessPolicy
internal import FHIRCore

/// The sentences in which scopes are explained to people: kind of record × what may be done × whose × which part.
enum ConsentCatalogue {
    /// What a scope means to the person who is asked; nil for scopes that are not asked about.
    static func sentence(for scope: Scope) -> String? {
        switch scope {
        case .resource(let resource): sentence(for: resource)
        case .openid: "Know that it is you who signed in"
        case .fhirUser, .profile: "Know which person in the health records you are"
        case .offlineAccess: "Keep this access while you are not using the app, until you withdraw it"
        case .onlineAccess: "Renew this access while you are signed in"
        case .extension(let text): "Use the additional permission “\(text)”"
        case .launch, .launchContext, .unrecognised, .malformed: nil
        }
    }

    private static func sentence(for scope: ResourceScope) -> String {
        let what: String
        switch scope.target {
        case .all: what = "all kinds of health records, also kinds that are added later"
        case .type(let type): what = noun(for: type)
        }
        let subject = "\(verbs(scope.permissions)) \(what)\(reach(scope.level))"
        guard let constraint = scope.constraint else { return subject }
        return "\(subject), only \(limit(constraint))"
    }

    /// What may be done, in words; looking comes first.
    private static func verbs(_ letters: Permissions) -> String {
        var words: [String] = []
        switch (letters.contains(.read), letters.contains(.search)) {
        case (true, true): words.append("see")
        case (true, false): words.append("open single entries of")
        case (false, true): words.append("search")
        case (false, false): break
        }
        if letters.contains(.create) { words.append("add to") }
        if letters.contains(.update) { words.append("change") }
        if letters.contains(.delete) { words.append("delete") }
        let last = words.removeLast()
        let text = words.isEmpty ? last : words.joined(separator: ", ") + " and " + last
        return text.prefix(1).uppercased() + text.dropFirst()
    }

    /// Whose records. At patient level the page names the one person above all items.
    private static func reach(_ level: ScopeLevel) -> String {
        switch level {
        case .patient: ""
        case .user: " of every person whose records you may use"
        case .system: " without anybody present"
        }
    }

    private static func limit(_ constraint: SearchConstraint) -> String {
        constraint.terms.map { term in
            let values = term.alternatives.map { value in
                allCategories.first { $0.token == value }?.label ?? "“\(value)”"
            }
            let listed = values.joined(separator: " or ")
            return term.name == "category" ? listed : "where \(term.name) is \(listed)"
        }.joined(separator: " and ")
    }

    // MARK: - categories

    /// A kind of record within a type, told apart by `category`.
    struct Category: Hashable {
        let type: ResourceType
        /// The token value, `system|code`.
        let token: String
        let label: String
    }

    /// The kinds that may be left out one by one: the eight of US Core, and the clinical tests that certification adds.
    static func categories(of type: ResourceType) -> [Category] { allCategories.filter { $0.type == type } }

    /// The scopes of the categories, for discovery.
    static var categoryScopes: [String] {
        ["patient", "user"].flatMap { level in
            allCategories.map { "\(level)/\($0.type.rawValue).rs?category=\($0.token)" }
        }
    }

    static let allCategories: [Category] = {
        let condition = "http://terminology.hl7.org/CodeSystem/condition-category|"
        let observation = "http://terminology.hl7.org/CodeSystem/observation-category|"
        let core = "http://hl7.org/fhir/us/core/CodeSystem/"
        return [
            .init(type: .condition, token: condition + "encounter-diagnosis", label: "diagnoses made at visits"),
            .init(type: .condition, token: condition + "problem-list-item", label: "the list of health problems"),
            .init(type: .condition, token: core + "condition-category|health-concern", label: "health concerns"),
            .init(type: .observation, token: observation + "laboratory", label: "laboratory results"),
            .init(type: .observation, token: observation + "social-history", label: "habits such as smoking"),
            .init(type: .observation, token: observation + "survey", label: "answers to questionnaires"),
            .init(type: .observation, token: observation + "vital-signs", label: "vital signs such as blood pressure"),
            .init(
                type: .observation, token: core + "us-core-category|sdoh",
                label: "living conditions such as housing and food"),
            .init(type: .observation, token: observation + "procedure", label: "results of clinical tests"),
        ]
    }()

    // MARK: - what people keep to themselves

    /// The types whose records are free text, family matters or answers about a person's life.
    private static let sensitiveTypes: Set<ResourceType> = [
        .documentReference, .familyMemberHistory, .questionnaireResponse, .consent, .communication, .media,
        .diagnosticReport,
    ]
    /// The categories of habits, answers to questionnaires and living conditions.
    private static let sensitiveCodes = ["social-history", "survey", "sdoh", "health-concern"]

    /// Whether a scope is set apart on the consent page: it reaches, by its type or by the category that it names, what
    /// people keep to themselves.
    static func isSensitive(_ scope: ResourceScope) -> Bool {
        if case .type(let type) = scope.target, sensitiveTypes.contains(type) { return true }
        guard let constraint = scope.constraint else { return false }
        return constraint.terms.contains { term in
            term.name == "category" && term.alternatives.contains { value in hasSensitiveCode(value) }
        }
    }

    static func isSensitive(_ category: Category) -> Bool { hasSensitiveCode(category.token) }

    private static func hasSensitiveCode(_ token: String) -> Bool {
        sensitiveCodes.contains { token == $0 || token.hasSuffix("|\($0)") }
    }

    // MARK: - nouns

    /// The kind of record in plain words.
    static func noun(for type: ResourceType) -> String { nouns[type] ?? spaced(type.rawValue) + " records" }

    static let nouns: [ResourceType: String] = [
        .allergyIntolerance: "allergies and intolerances",
        .appointment: "appointments",
        .binary: "attached files",
        .carePlan: "care plans",
        .careTeam: "care team",
        .claim: "claims and requests sent to the insurer",
        .claimResponse: "answers of the insurer to claims and requests",
        .condition: "health problems and diagnoses",
        .consent: "recorded consents",
        .coverage: "insurance coverage",
        .device: "medical devices and implants",
        .diagnosticReport: "test reports",
        .documentReference: "documents and notes",
        .encounter: "visits and stays",
        .explanationOfBenefit: "claims, and what was paid for them",
        .familyMemberHistory: "family health history",
        .goal: "health goals",
        .imagingStudy: "imaging studies",
        .immunization: "vaccinations",
        .location: "places of care",
        .medication: "medicines",
        .medicationAdministration: "medicines that were given",
        .medicationDispense: "medicines that were handed out",
        .medicationRequest: "prescriptions",
        .medicationStatement: "medicines that are taken",
        .observation: "measurements, results and observations",
        .organization: "organisations that give care or pay for it",
        .patient: "name, date of birth, address and other personal details",
        .practitioner: "doctors and other professionals",
        .practitionerRole: "roles of doctors and other professionals",
        .procedure: "operations and other procedures",
        .provenance: "notes on where each record comes from",
        .questionnaireResponse: "answers to questionnaires",
        .relatedPerson: "relatives and representatives",
        .serviceRequest: "orders and referrals",
        .specimen: "samples that were taken",
    ]

    /// `MedicationKnowledge` becomes `medication knowledge`.
    private static func spaced(_ name: String) -> String {
        name.reduce(into: "") { text, letter in
            if letter.isUppercase, !text.isEmpty { text += " " }
            text += letter.lowercased()
        }
    }
}
