internal import OAuthCore

/// What every endpoint works with. Made once, by `AuthorizationServer.start`.
struct ServerParts: Sendable {
    let configuration: AuthorizationConfiguration
    let stores: AuthorizationStores
    let directory: any MemberDirectory
    let clock: Clock
    let random: RandomSource
    let hasher: PasswordHasher
    let audit: AuditTrail
    let access: AccessRevoker
    let keys: ServerKeys
    let budget: StepBudget

    func records(for source: RequestSource) -> RecordMaker {
        RecordMaker(clock: clock, random: random, source: source)
    }
}
