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
    let references: ReferenceTokens
    /// Seals what is kept under the installation's key.
    let sealer: Sealer
    let budget: StepBudget
    /// Nil where proofs need none.
    let proofNonces: ProofNonces?
    /// Who vouches for certificates; nil where nobody does.
    let certificates: CertificateValidator?
    /// Nil where there is nothing to look in; lists then show what the directory knows.
    let lookup: ContextLookup?
    /// The identity providers at which people sign in.
    let federation: Federation
    /// Who is to hear when what sign-ins are judged by has changed.
    let signIns: SignInStandings

    func records(for source: RequestSource) -> RecordMaker {
        RecordMaker(clock: clock, random: random, source: source)
    }
}
