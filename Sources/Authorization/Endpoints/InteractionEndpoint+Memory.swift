internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

/// Choices on the consent page that are remembered.
extension InteractionEndpoint {
    /// What is remembered of the person for an offer, and the ticks that follow; nil when the page is to be shown.
    func remembered(
        for offer: ConsentOffer, _ member: SignedInMember, _ launch: LaunchContext, _ step: Step
    ) async throws -> (memory: RememberedConsent, chosen: Set<String>)? {
        let request = step.transaction.request
        guard !request.asksConsent, Self.isProven(step) else { return nil }
        let key = ConsentKey(
            subject: member.subject, clientID: request.clientID, patient: launch.patient, fhirBase: request.fhirBase)
        guard let memory = try await parts.stores.consents.remembered(key),
            memory.offered.contains(Self.marker(step)), let chosen = memory.answer(to: offer, at: parts.clock.now())
        else { return nil }
        return (memory, chosen)
    }

    /// Whether who gets the code is who it was given to before: the client proves itself, or the place does. Any
    /// program on a device can say that it is an installed app (RFC 8252 §8.6).
    private static func isProven(_ step: Step) -> Bool {
        step.client.isConfidential || step.redirect.uri.hasPrefix("https://")
    }

    /// Binds a memory to what the person saw of the app beside its scopes: its name, whether somebody vouches for it, and
    /// where the code goes. What else changes in a registration was on no page. No scope looks like it.
    private static func marker(_ step: Step) -> String {
        let seen: JSONValue = [
            .string(step.client.name), .bool(step.client.isTrusted), .string(step.redirect.uri),
        ]
        return "#" + Base64URL.encode(SHA256Hash.of(seen.serialized))
    }

    /// The ticks of a consent that is being given, as they are to be remembered; nil where nothing may be.
    func memory(_ chosen: Set<String>, of offer: ConsentOffer, _ step: Step) -> RememberedConsent? {
        guard case .awaitingConsent(let member, let launch) = step.transaction.state, Self.isProven(step) else {
            return nil
        }
        let now = parts.clock.now()
        let key = ConsentKey(
            subject: member.subject, clientID: step.client.id, patient: launch.patient,
            fhirBase: step.transaction.request.fhirBase)
        return RememberedConsent(
            key: key, offered: offer.everything.union([Self.marker(step)]), chosen: chosen, givenAt: now,
            expiresAt: now + parts.configuration.consentMemory)
    }
}
