internal import AccessPolicy
internal import OAuthCore
internal import Synchronization

/// The facts of a token that was found good, and what it is bound to.
struct VerifiedToken: Hashable, Sendable {
    let access: GrantedAccess
    let confirmation: TokenConfirmation?
    /// Whether the sign-in of the person behind it met the demands when that was asked.
    let isSignInEnough: Bool
}

/// Tokens found good, by their SHA-256. Lifetime: until two half-generations of newer ones have come.
///
/// Two tables: when the newer is half full it becomes the older, and the older is forgotten. What is used moves over, so
/// the table holds the recently used, is bounded, and never needs a sweep. A class because it is shared; the lock is
/// `tables`.
final class VerifiedTokenCache: Sendable {
    private struct Tables {
        var newer: [[UInt8]: VerifiedToken] = [:]
        var older: [[UInt8]: VerifiedToken] = [:]
        /// How often everything was forgotten.
        var epoch = 0
    }

    private let half: Int
    private let tables = Mutex(Tables())

    init(limit: Int) { half = max(1, limit / 2) }

    var count: Int { tables.withLock { $0.newer.count + $0.older.count } }

    /// What is remembered of a token, which counts as a use of it.
    func token(for digest: [UInt8]) -> VerifiedToken? {
        tables.withLock { tables in
            if let token = tables.newer[digest] { return token }
            guard let token = tables.older[digest] else { return nil }
            keep(token, for: digest, in: &tables)
            return token
        }
    }

    /// Names the time before anything is forgotten the next time; to be taken before a token is examined.
    var epoch: Int { tables.withLock { $0.epoch } }

    /// Remembers a token that was examined in an epoch. If everything was forgotten since, it was perhaps found good by
    /// a key that is gone, and is not remembered.
    func remember(_ token: VerifiedToken, for digest: [UInt8], examinedIn epoch: Int) {
        tables.withLock { tables in
            guard epoch == tables.epoch, tables.newer[digest] == nil else { return }
            keep(token, for: digest, in: &tables)
        }
    }

    private func keep(_ token: VerifiedToken, for digest: [UInt8], in tables: inout Tables) {
        if tables.newer.count >= half {
            tables.older = tables.newer
            tables.newer = [:]
        }
        tables.older[digest] = nil
        tables.newer[digest] = token
    }

    func removeAll() {
        tables.withLock { tables in
            let epoch = tables.epoch
            tables = Tables(epoch: epoch + 1)
        }
    }
}
