internal import AccessPolicy
internal import Synchronization

/// How many answers may be on their way piece by piece at one time: for each client, and in all.
///
/// Each holds a connection to the protected server and some memory for as long as its client cares to read. A class so
/// that every connection of a listener counts on the same one; its counts stand behind one `Mutex`.
final class StreamSlots: Sendable {
    private struct Counts {
        var ofClients: [ClientID: Int] = [:]
        var all = 0
    }

    private let mostOfClient: Int
    private let most: Int
    private let counts = Mutex(Counts())

    /// - Parameters:
    ///   - mostOfClient: how many one client may have.
    ///   - most: how many there may be.
    init(mostOfClient: Int, most: Int) {
        self.mostOfClient = mostOfClient
        self.most = most
    }

    /// Takes a place for an answer to a client, to be given back by letting go of it.
    func take(_ client: ClientID) throws(StreamRefusal) -> StreamSlot {
        let refusal: StreamRefusal? = counts.withLock { counts in
            guard counts.ofClients[client, default: 0] < mostOfClient else { return .tooManyOfClient }
            guard counts.all < most else { return .tooMany }
            counts.ofClients[client, default: 0] += 1
            counts.all += 1
            return nil
        }
        if let refusal { throw refusal }
        return StreamSlot(of: client, in: self)
    }

    fileprivate func giveBack(_ client: ClientID) {
        counts.withLock { counts in
            counts.all -= 1
            let left = counts.ofClients[client, default: 1] - 1
            counts.ofClients[client] = left > 0 ? left : nil
        }
    }
}

/// The place of one answer that streams. A class because letting go of it gives the place back, whatever ends the answer.
final class StreamSlot: Sendable {
    private let client: ClientID
    private let slots: StreamSlots

    fileprivate init(of client: ClientID, in slots: StreamSlots) {
        self.client = client
        self.slots = slots
    }

    deinit { slots.giveBack(client) }
}

/// Why an answer that is too large to be judged whole cannot begin to stream now.
public enum StreamRefusal: Error, Hashable, Sendable, CaseIterable {
    /// Its client has as many under way as it may have.
    case tooManyOfClient
    /// All of them together are as many as there may be.
    case tooMany
}
