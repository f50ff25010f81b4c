public import OAuthCore
internal import Synchronization

/// The roster that is in force, and what is wrong with the latest one if it is not that.
///
/// A feed is taken whole or not at all; one that cannot be taken leaves the old one in force. A class because the
/// directory reads it and the file's watcher writes it; the lock is `state`.
public final class MemberRosterFeed: Sendable {
    private struct State {
        var roster: MemberRoster?
        /// The SHA-256 of the bytes that the roster was read from.
        var digest: [UInt8]?
        var problem: String? = "no roster has been read yet"
        /// Whether the roster is one that was kept from before the start.
        var isRestored = false
        /// Why the roster in force cannot be kept, or what was kept cannot be used.
        var keeping: String?
    }

    /// The roster cannot be asked.
    public struct Unavailable: Error, CustomStringConvertible {
        public let description: String
    }

    /// Whether a feed was taken.
    public enum Outcome: Hashable, Sendable {
        case taken(date: CalendarDate, logins: Int)
        case refused(String)
    }

    private let state = Mutex(State())
    private let clock: Clock
    /// After so many days a roster is not believed any more; nil believes it for ever.
    private let longestAge: Int?
    /// For how many days from its date a roster that was kept from before the start is believed, where no age is set.
    public static let longestKept = 30

    public init(clock: Clock, longestAgeInDays: Int? = nil) {
        self.clock = clock
        longestAge = longestAgeInDays
    }

    private var today: CalendarDate { CalendarDate(unixSeconds: clock.now()) }

    /// Takes a feed in, if it is good and not older than the one in force.
    @discardableResult
    public func take(_ bytes: [UInt8]) -> Outcome {
        let roster: MemberRoster
        do throws(MemberFactsProblem) { roster = try MemberRoster(parsing: bytes) } catch {
            return refuse(error.description)
        }
        // A day ahead of ours may be today somewhere.
        guard roster.date <= today.adding(days: 1) else { return refuse("its date, \(roster.date), is yet to come") }
        if let longestAge, roster.date.adding(days: longestAge) < today {
            return refuse("its date, \(roster.date), is too long ago")
        }
        let digest = SHA256Hash.of(bytes)
        return state.withLock { state in
            if let present = state.roster, roster.date < present.date {
                let reason = "its date, \(roster.date), is before that of the one in force, \(present.date)"
                state.problem = reason
                return .refused(reason)
            }
            state = State(roster: roster, digest: digest, problem: nil, keeping: state.keeping)
            return .taken(date: roster.date, logins: roster.count)
        }
    }

    /// Puts a feed in force that was in force before the start, until a good one comes. The latest one is still missing, so
    /// there is a problem until then.
    @discardableResult
    public func restore(_ bytes: [UInt8]) -> Outcome {
        let roster: MemberRoster
        do throws(MemberFactsProblem) { roster = try MemberRoster(parsing: bytes) } catch {
            noteKeeping("the roster that was kept cannot be used: \(error)")
            return .refused(error.description)
        }
        let digest = SHA256Hash.of(bytes)
        // One that is too old serves nobody, and still keeps older ones from coming back.
        state.withLock { state in
            state.roster = roster
            state.digest = digest
            state.isRestored = true
        }
        return .taken(date: roster.date, logins: roster.count)
    }

    /// Notes whether the roster in force is kept for the next start; nil when it is.
    public func noteKeeping(_ problem: String?) { state.withLock { $0.keeping = problem } }

    /// Notes that the feed could not be read.
    @discardableResult
    public func refuse(_ reason: String) -> Outcome {
        state.withLock { $0.problem = reason }
        return .refused(reason)
    }

    /// Why the latest feed was not taken; nil where it was.
    public var refusal: String? { state.withLock { $0.problem } }

    /// The SHA-256 of the feed that is in force, as it was taken; nil where there is none.
    public var digest: [UInt8]? { state.withLock { $0.digest } }

    /// Whether there is a roster that can be asked: one was taken, or kept from before the start, and is not too old.
    public var isInForce: Bool {
        let state = state.withLock { $0 }
        return state.roster != nil && staleness(of: state) == nil
    }

    /// What is wrong, for the health report; nil when the latest feed is in force and not too old.
    public var problem: String? {
        let state = state.withLock { $0 }
        let stale = staleness(of: state)
        var parts = [state.problem, stale].compactMap { $0 }
        if state.problem != nil, stale == nil, let roster = state.roster {
            let days = max(today.dayNumber - roster.date.dayNumber, 0)
            let kept = state.isRestored ? ", kept from before the start" : ""
            parts.append("the roster of \(roster.date), \(days) days old\(kept), is in force")
        }
        if let keeping = state.keeping { parts.append(keeping) }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private func staleness(of state: State) -> String? {
        guard let roster = state.roster, let longest = longestAge ?? (state.isRestored ? Self.longestKept : nil),
            roster.date.adding(days: longest) < today
        else { return nil }
        return "the roster of \(roster.date) is too old to be believed"
    }

    /// The source over this feed.
    public var source: MemberSource {
        .asked { identity in
            let state = self.state.withLock { $0 }
            guard let roster = state.roster else {
                throw Unavailable(description: "there is no roster: \(self.problem ?? "")")
            }
            if let reason = self.staleness(of: state) { throw Unavailable(description: reason) }
            return roster.answer(to: identity.identifier)
        }
    }
}
