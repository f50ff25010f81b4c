internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

/// The pages that ask for context: whose record, and which encounter.
extension InteractionEndpoint {
    /// Staff choose among people whom they do not know by heart; everybody else among those whom they act for.
    private static func looksUp(_ member: SignedInMember) -> Bool {
        switch member.fhirUser?.type {
        case .practitioner?, .practitionerRole?: true
        default: false
        }
    }

    private func reader(for member: SignedInMember, _ step: Step) -> ContextLookup.Reader? {
        member.fhirUser.map { user in
            ContextLookup.Reader(
                subject: member.subject, fhirUser: user, launch: step.transaction.id.hash.text,
                clientID: step.client.id, program: step.client.program, fhirBase: step.transaction.request.fhirBase,
                sourceAddress: step.maker.source.address)
        }
    }

    func page(
        for member: SignedInMember, _ step: Step, search: PatientSearch, hasProblem: Bool
    ) async throws -> PatientPage {
        let listed: ContextLookup.Patients
        if let lookup = parts.lookup, Self.looksUp(member), let reader = reader(for: member, step) {
            var panel: [ResourceID]?
            if case .among(let all) = member.selection { panel = all.map(\.id) }
            let found = try await lookup.patients(search.text, search.page, panel, reader)
            // The enforcer has listed nobody else; this asks the directory's own word once more.
            listed = ContextLookup.Patients(
                patients: found.patients.filter { member.selection.allows($0.id) }, next: found.next)
        } else if case .among(let all) = member.selection {
            listed = search.page(of: all)
        } else {
            listed = ContextLookup.Patients(patients: [], next: nil)
        }
        let isShort: Bool
        if case .among(let all) = member.selection {
            isShort = all.count <= PatientSearch.pageSize
        } else {
            isShort = false
        }
        return PatientPage(
            transaction: step.handle, clientName: step.client.name, redirectURI: step.redirect.uri,
            patients: listed.patients, search: search, next: listed.next, canSearch: !isShort || !search.text.isEmpty,
            acceptsAnyPatient: member.selection == .anyPatient, isStaff: Self.looksUp(member), hasProblem: hasProblem,
            uiLocales: step.transaction.request.uiLocales)
    }

    /// Whether a patient who was chosen from everybody is there at all. Whether the person may choose it is the
    /// machine's question.
    func isThere(_ patient: ResourceID, _ step: Step) async throws -> Bool {
        guard case .awaitingContext(let member) = step.transaction.state, member.selection == .anyPatient,
            let lookup = parts.lookup, let reader = reader(for: member, step)
        else { return true }
        return try await lookup.patient(patient, reader) != nil
    }

    /// The name of the patient in context, as far as somebody knows it.
    func patient(of launch: LaunchContext, _ member: SignedInMember, _ step: Step) async throws -> LinkedPatient? {
        guard let id = launch.patient else { return nil }
        if let lookup = parts.lookup, Self.looksUp(member), let reader = reader(for: member, step),
            let found = try await lookup.patient(id, reader)
        {
            return found
        }
        if case .among(let patients) = member.selection, let known = patients.first(where: { $0.id == id }) {
            return known
        }
        return LinkedPatient(id: id, label: "Patient \(id.text)")
    }

    /// The page with the patient's encounters; nil when there is nothing to choose from.
    func encounterPage(
        for member: SignedInMember, _ launch: LaunchContext, _ step: Step, hasProblem: Bool
    ) async throws -> EncounterPage? {
        guard let lookup = parts.lookup, let patient = launch.patient, let reader = reader(for: member, step) else {
            return nil
        }
        let encounters = try await lookup.encounters(patient, reader)
        guard !encounters.isEmpty else { return nil }
        return EncounterPage(
            transaction: step.handle, clientName: step.client.name, redirectURI: step.redirect.uri,
            patient: try await self.patient(of: launch, member, step), encounters: encounters, hasProblem: hasProblem,
            uiLocales: step.transaction.request.uiLocales)
    }

    /// Whether a chosen encounter is one of the patient's; asked of the FHIR server again and not of the form.
    func isThere(encounter id: ResourceID, _ step: Step) async throws -> Bool {
        guard case .awaitingEncounter(let member, let launch) = step.transaction.state, let patient = launch.patient,
            let lookup = parts.lookup, let reader = reader(for: member, step)
        else { return false }
        return try await lookup.encounter(id, patient, reader) != nil
    }
}
