public import AccessPolicy
internal import OAuthCore
internal import Synchronization

/// Says to the enforcer in this process whether the sign-in behind an access token is enough today.
///
/// The enforcer asks once for each token and remembers the answer with the token, so whatever an answer rests on and can
/// change while the server runs has to be followed by `changed()`: it then asks anew. What the configuration demands
/// changes by a start, which remembers nothing. A class because those who change and those who ask share it; the lock is
/// `observers`.
public final class SignInStandings: Sendable {
    private let grants: any GrantStore
    private let policy: AssurancePolicy
    private let clock: Clock
    private let observers = Mutex<[@Sendable () -> Void]>([])

    init(grants: any GrantStore, policy: AssurancePolicy, clock: Clock) {
        self.grants = grants
        self.policy = policy
        self.clock = clock
    }

    /// Whether the sign-in of an access is enough. Of a grant that is not there nothing is known, so it is not. Does not
    /// suspend, because the enforcer asks on its event loop. Throws when the store cannot say.
    public func isEnough(for access: GrantedAccess) throws -> Bool {
        guard access.subject != nil else { return true }
        guard var footing = try grants.footing(of: access.grantID) else { return false }
        footing.client = footing.client?.asOf(clock.now())
        return policy.isEnough(footing)
    }

    /// Calls `work` whenever an answer may be another one from now on.
    public func observe(_ work: @escaping @Sendable () -> Void) { observers.withLock { $0.append(work) } }

    /// To be called after a change of what an account is, or of who it is in FHIR.
    public func changed() {
        for observer in observers.withLock({ $0 }) { observer() }
    }
}
