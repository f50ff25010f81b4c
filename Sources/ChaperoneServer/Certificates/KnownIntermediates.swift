internal import CertificateTrust
internal import Synchronization

/// The certificates of authorities between clients and the operator's authorities, for a client that shows its own alone:
/// those that the operator has named, and those over which a path has been found.
///
/// A class because the requests of both sides share what was learnt; the lock is `state`.
final class KnownIntermediates: Sendable {
    private struct State {
        var learnt: [String: [UInt8]] = [:]
        /// The thumbprints in the order in which they were learnt.
        var order: [String] = []
        var generation = 0
    }

    /// What the operator has named, in DER; never forgotten.
    let configured: [[UInt8]]
    private let state = Mutex(State())

    /// How many are learnt; for one more the first is forgotten. Only who is vouched for by an authority that counts can
    /// have anything learnt.
    static let most = 256

    init(_ configured: [[UInt8]] = []) { self.configured = configured }

    /// Grows when something was learnt.
    var generation: Int { state.withLock { $0.generation } }

    /// All of them, in DER.
    var all: [[UInt8]] { state.withLock { state in configured + state.order.compactMap { state.learnt[$0] } } }

    /// Learns what stands between the first certificate of a path and its authority.
    func learn(from path: CertificatePath) {
        let between = path.links.dropFirst()
        guard state.withLock({ state in between.contains { state.learnt[$0.thumbprint] == nil } }) else { return }
        let certificates = path.certificates
        state.withLock { state in
            for link in between where state.learnt[link.thumbprint] == nil {
                if state.order.count >= Self.most { state.learnt[state.order.removeFirst()] = nil }
                state.order.append(link.thumbprint)
                state.learnt[link.thumbprint] = certificates[link.index]
                state.generation += 1
            }
        }
    }
}
