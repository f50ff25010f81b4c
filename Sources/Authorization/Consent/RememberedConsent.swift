public import AccessPolicy
public import FHIRCore

/// For whom a choice was remembered: this person, this app, this patient, this FHIR server.
public struct ConsentKey: Hashable, Sendable {
    public let subject: SubjectID
    public let clientID: ClientID
    /// Whose record it was about; nil for a consent about nobody's.
    public let patient: ResourceID?
    public let fhirBase: String

    public init(subject: SubjectID, clientID: ClientID, patient: ResourceID?, fhirBase: String) {
        self.subject = subject
        self.clientID = clientID
        self.patient = patient
        self.fhirBase = fhirBase
    }
}

/// A choice on the consent page that the person wanted to be remembered.
///
/// It answers a later request only if everything that is asked for was asked for then: when an app wants more, the page
/// is shown again.
public struct RememberedConsent: Hashable, Sendable {
    public let key: ConsentKey
    /// The values of every line and part that was offered.
    public let offered: Set<String>
    /// Those of them that stayed ticked.
    public let chosen: Set<String>
    public let givenAt: Int64
    public let expiresAt: Int64

    public init(key: ConsentKey, offered: Set<String>, chosen: Set<String>, givenAt: Int64, expiresAt: Int64) {
        self.key = key
        self.offered = offered
        self.chosen = chosen
        self.givenAt = givenAt
        self.expiresAt = expiresAt
    }

    /// The ticks that the choice leaves on a new offer; nil when the page must be shown: it has expired, the app wants
    /// something new, or nothing would be left.
    public func answer(to offer: ConsentOffer, at now: Int64) -> Set<String>? {
        let asked = offer.everything
        guard now < expiresAt, asked.isSubset(of: offered) else { return nil }
        let ticked = asked.intersection(chosen)
        return offer.scopes(chosen: ticked) == nil ? nil : ticked
    }
}

/// How the consent of a grant was given.
public enum GivenConsent: Hashable, Sendable {
    /// The person was asked now, and wants the choice to be remembered or not.
    case asked(remembering: RememberedConsent?)
    /// Nobody was asked: the choice was read from what is remembered. It counts only as long as it stands there unchanged,
    /// so that access that was ended meanwhile does not come back without a question.
    case recalled(RememberedConsent)
}
