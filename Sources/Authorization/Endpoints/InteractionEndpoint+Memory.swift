internal import AccessPolicy
internal import OAuthCore

/// Choices on the consent page that are remembered.
extension InteractionEndpoint {
    /// The person's remembered ticks for an offer; nil when the page is to be shown.
    func remembered(
        for offer: ConsentOffer, _ member: SignedInMember, _ launch: LaunchContext, _ step: Step
    ) async throws -> Set<String>? {
        let request = step.transaction.request
        guard !request.asksConsent else { return nil }
        let key = ConsentKey(
            subject: member.subject, clientID: request.clientID, patient: launch.patient, fhirBase: request.fhirBase)
        return try await parts.stores.consents.remembered(key)?.answer(to: offer, at: parts.clock.now())
    }

    /// Keeps the ticks of a consent that was just given.
    func remember(_ chosen: Set<String>, of offer: ConsentOffer, _ step: Step) async throws {
        guard case .awaitingConsent(let member, let launch) = step.transaction.state else { return }
        let now = parts.clock.now()
        let key = ConsentKey(
            subject: member.subject, clientID: step.client.id, patient: launch.patient,
            fhirBase: step.transaction.request.fhirBase)
        try await parts.stores.consents.remember(
            RememberedConsent(
                key: key, offered: offer.everything, chosen: chosen, givenAt: now,
                expiresAt: now + parts.configuration.consentMemory))
    }
}
