internal import AccessPolicy
public import FHIRCore
internal import OAuthCore
internal import Synchronization

/// Panels that a service of the site's own answers: the organisation's rule as policy input (enforcer digest b.1, b.10.4).
///
/// It is asked who a user's patients are and nothing else; of a client's request nothing is in the question. An answer is
/// believed for a while, a failure never: then nobody is known to be the user's, and the request is answered 503. The
/// service can say no more than a list, so that no answer of it, however wrong, is everybody. A class because all
/// requests share the answers; the lock is `state`.
public final class PanelService: Sendable {
    private struct Known {
        let panel: PatientPanel
        /// Unix seconds.
        let until: Int64
    }

    private struct State {
        var answers: [InstanceKey: Known] = [:]
        var running: [InstanceKey: Task<Void, Never>] = [:]
    }

    /// The types of users whom the service knows.
    private let types: Set<ResourceType>
    private let secondsKept: Int64
    private let ask: @Sendable (InstanceKey) async throws -> [UInt8]
    private let state = Mutex(State())

    /// The most users who are remembered; one more makes room by forgetting all that have ended, or everybody.
    private static let maxRemembered = 10_000
    /// The most questions under way at a time; a user beyond them has no panel for the moment.
    private static let maxRunning = 64
    /// The most patients of one panel.
    static let maxPatients = 5_000

    /// - Parameters:
    ///   - types: of users about whom the service is asked.
    ///   - secondsKept: how long an answer is believed.
    ///   - ask: the body of the service's answer about a user; throws when there is none within a time and size that its
    ///     owner sets.
    public init(
        types: Set<ResourceType>, secondsKept: Int64 = 60,
        ask: @escaping @Sendable (InstanceKey) async throws -> [UInt8]
    ) {
        self.types = types
        self.secondsKept = max(1, secondsKept)
        self.ask = ask
    }

    /// Whether users of a type are the service's.
    func isAsked(about user: InstanceKey) -> Bool { types.contains(user.type) }

    /// The panel as it was answered lately; nil when it has to be asked for.
    func panel(of user: InstanceKey, at now: Int64) -> PatientPanel? {
        state.withLock { state in
            guard let known = state.answers[user], now < known.until else { return nil }
            return known.panel
        }
    }

    /// Asks about a user, or waits for the answer to the same question.
    func learn(_ user: InstanceKey, at now: Int64) async {
        let task = state.withLock { state -> Task<Void, Never>? in
            if let running = state.running[user] { return running }
            guard state.running.count < Self.maxRunning else { return nil }
            let task = Task { await self.askOnce(user, at: now) }
            state.running[user] = task
            return task
        }
        await task?.value
    }

    private func askOnce(_ user: InstanceKey, at now: Int64) async {
        var panel: PatientPanel?
        if let body = try? await ask(user) { panel = Self.panel(in: body) }
        state.withLock { state in
            state.running[user] = nil
            guard let panel else { return }
            if state.answers.count >= Self.maxRemembered {
                state.answers = state.answers.filter { now < $0.value.until }
            }
            if state.answers.count >= Self.maxRemembered { state.answers = [:] }
            state.answers[user] = Known(panel: panel, until: now + secondsKept)
        }
    }

    /// Reads `{"patients": ["id", …]}`; nil for anything else. One id that is none spoils the whole: a list that is read in
    /// part is another list.
    static func panel(in body: [UInt8]) -> PatientPanel? {
        guard let json = try? JSONValue(parsing: body), let members = json.object, members.count == 1,
            let list = json["patients"]?.array, list.count <= maxPatients
        else { return nil }
        let patients = list.compactMap { $0.string.flatMap { ResourceID($0) } }
        guard patients.count == list.count else { return nil }
        return .patients(Set(patients))
    }
}

/// A user's panel is not known now.
struct PanelUnknown: Error {}
