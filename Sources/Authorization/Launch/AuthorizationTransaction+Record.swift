internal import AccessPolicy
internal import Audit
internal import FHIRCore
internal import OAuthCore

extension AuthorizationRecord {
    /// The record with what a launch knew when it was ended: who, for which patient, and the scopes that were asked for
    /// and not given.
    func about(_ transaction: AuthorizationTransaction) -> AuthorizationRecord {
        var record = self
        record.scopes = transaction.request.scopes.scopes.map(\.text)
        switch transaction.state {
        case .awaitingContext(let member): record.fhirUser = member.fhirUser?.description
        case .awaitingEncounter(let member, let launch), .awaitingConsent(let member, let launch):
            record.fhirUser = member.fhirUser?.description
            record.patient = launch.patient?.text
        case .awaitingLogin, .closed: break
        }
        return record
    }
}
