internal import AccessPolicy
internal import FHIRCore

/// The sentences in Spanish.
extension ConsentCatalogue {
    static func sentence(for scope: Scope, language: ScopeSentences.Language) -> String? {
        switch language {
        case .english: sentence(for: scope)
        case .spanish: spanishSentence(for: scope)
        }
    }

    private static func spanishSentence(for scope: Scope) -> String? {
        switch scope {
        case .resource(let resource): spanishSentence(for: resource)
        case .openid: "Saber que es usted quien ha iniciado sesión"
        case .fhirUser, .profile: "Saber qué persona es usted en los datos de salud"
        case .offlineAccess: "Conservar este acceso mientras no usa la aplicación, hasta que usted lo retire"
        case .onlineAccess: "Renovar este acceso mientras tiene la sesión abierta"
        case .extension(let text): "Usar el permiso adicional «\(text)»"
        case .launch, .launchContext, .unrecognised, .malformed: nil
        }
    }

    private static func spanishSentence(for scope: ResourceScope) -> String {
        let what: String
        switch scope.target {
        case .all: what = "todo tipo de datos de salud, también los que se añadan más adelante"
        case .type(let type): what = spanishNouns[type] ?? "registros de tipo \(type.rawValue)"
        }
        var verbs: [String] = []
        let letters = scope.permissions
        switch (letters.contains(.read), letters.contains(.search)) {
        case (true, true): verbs.append("ver")
        case (true, false): verbs.append("abrir entradas sueltas de")
        case (false, true): verbs.append("buscar")
        case (false, false): break
        }
        if letters.contains(.create) { verbs.append("añadir") }
        if letters.contains(.update) { verbs.append("cambiar") }
        if letters.contains(.delete) { verbs.append("borrar") }
        let verb =
            verbs.count < 2 ? verbs.joined() : verbs.dropLast().joined(separator: ", ") + " y " + (verbs.last ?? "")
        let reach: String
        switch scope.level {
        case .patient: reach = ""
        case .user: reach = " de cada persona cuyos datos usted puede usar"
        case .system: reach = " sin que nadie esté presente"
        }
        let sentence = "\(verb.prefix(1).uppercased())\(verb.dropFirst()) \(what)\(reach)"
        guard let constraint = scope.constraint else { return sentence }
        return "\(sentence), solo " + spanishLimit(constraint)
    }

    private static func spanishLimit(_ constraint: SearchConstraint) -> String {
        constraint.terms.map { term in
            let values = term.alternatives.map { value in
                label(ofCategory: value, language: .spanish) ?? "«\(value)»"
            }
            let listed = values.joined(separator: " o ")
            return term.name == "category" ? listed : "donde \(term.name) es \(listed)"
        }.joined(separator: " y ")
    }

    /// The name of a category in plain words; nil for one that is not in the catalogue.
    static func label(ofCategory token: String, language: ScopeSentences.Language) -> String? {
        guard let category = allCategories.first(where: { $0.token == token }) else { return nil }
        switch language {
        case .english: return category.label
        case .spanish: return spanishCategories.first { token.hasSuffix("|\($0.code)") }?.label
        }
    }

    private static let spanishCategories: [(code: String, label: String)] = [
        ("encounter-diagnosis", "diagnósticos hechos en visitas"),
        ("problem-list-item", "la lista de problemas de salud"), ("health-concern", "preocupaciones de salud"),
        ("laboratory", "resultados de laboratorio"), ("social-history", "hábitos como fumar"),
        ("survey", "respuestas a cuestionarios"), ("vital-signs", "constantes vitales como la tensión"),
        ("sdoh", "condiciones de vida como vivienda y alimentación"),
        ("procedure", "resultados de pruebas clínicas"),
    ]

    static let spanishNouns: [ResourceType: String] = [
        .allergyIntolerance: "alergias e intolerancias", .appointment: "citas", .binary: "archivos adjuntos",
        .carePlan: "planes de cuidados", .careTeam: "el equipo de cuidados",
        .claim: "reclamaciones y solicitudes a la aseguradora",
        .claimResponse: "respuestas de la aseguradora", .condition: "problemas de salud y diagnósticos",
        .consent: "consentimientos registrados", .coverage: "cobertura del seguro",
        .device: "dispositivos médicos e implantes", .diagnosticReport: "informes de pruebas",
        .documentReference: "documentos y notas", .encounter: "visitas y estancias",
        .explanationOfBenefit: "reclamaciones y lo que se pagó por ellas",
        .familyMemberHistory: "antecedentes familiares", .goal: "objetivos de salud",
        .imagingStudy: "estudios de imagen", .immunization: "vacunas", .location: "lugares de atención",
        .medication: "medicamentos", .medicationAdministration: "medicamentos administrados",
        .medicationDispense: "medicamentos dispensados", .medicationRequest: "recetas",
        .medicationStatement: "medicamentos que se toman", .observation: "mediciones, resultados y observaciones",
        .organization: "organizaciones que atienden o pagan",
        .patient: "nombre, fecha de nacimiento, dirección y otros datos personales",
        .practitioner: "médicos y otros profesionales", .practitionerRole: "funciones de médicos y otros profesionales",
        .procedure: "operaciones y otros procedimientos", .provenance: "notas sobre el origen de cada registro",
        .questionnaireResponse: "respuestas a cuestionarios", .relatedPerson: "familiares y representantes",
        .serviceRequest: "pedidos y derivaciones", .specimen: "muestras tomadas",
    ]
}
