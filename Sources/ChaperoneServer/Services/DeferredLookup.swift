internal import Authorization
internal import Synchronization

/// The look-ups of the context pages before the enforcer is there to make them.
///
/// The enforcer asks the authorization server for keys and revocations, and the authorization server's pages ask the
/// enforcer; this is the knot between them, tied once by the composition. A class because both sides hold it; the lock
/// is `target`.
final class DeferredLookup: Sendable {
    /// Nothing was tied: the pages of a server that has no gateway were asked for.
    struct NotReady: Error {}

    private let target = Mutex<ContextLookup?>(nil)

    /// From now on the look-ups go there.
    func follow(_ lookup: ContextLookup) { target.withLock { $0 = lookup } }

    private func current() throws -> ContextLookup {
        guard let lookup = target.withLock({ $0 }) else { throw NotReady() }
        return lookup
    }

    var lookup: ContextLookup {
        ContextLookup(
            patients: { try await self.current().patients($0, $1, $2, $3) },
            patient: { try await self.current().patient($0, $1) },
            encounters: { try await self.current().encounters($0, $1) },
            encounter: { try await self.current().encounter($0, $1, $2) })
    }
}
