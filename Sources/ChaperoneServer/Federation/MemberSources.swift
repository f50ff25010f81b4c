internal import Audit
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import Logging
internal import OAuthCore
internal import ServiceLifecycle
internal import Synchronization

/// The sources of members as the configuration describes them, with what they need from the outside.
struct MemberSources: Sendable {
    let sources: [String: MemberSourceRules]
    /// The rosters, with the files that they come from.
    let rosters: [RosterFile]

    /// Sources and rosters as they are.
    init(sources: [String: MemberSourceRules], rosters: [RosterFile]) {
        self.sources = sources
        self.rosters = rosters
    }

    /// - Parameters:
    ///   - fetch: asks services of the site.
    ///   - identities: asks the protected server; works once the gateway is there.
    ///   - folder: the state folder, in which rosters are kept.
    init(
        _ settings: Configuration.SignInSettings, fetch: any OutboundFetching, identities: DeferredIdentities,
        keptIn folder: String, clock: Clock
    ) throws {
        var sources: [String: MemberSourceRules] = [:]
        var rosters: [RosterFile] = []
        for provider in settings.providers {
            let source: MemberSource
            switch provider.source {
            case .links: source = .links
            case .table(let table): source = .table(table.mapValues { MemberFacts(of: $0) })
            case .search(let search): source = identities.source(search, clock: clock)
            case .service(let url, let keyFile):
                let key = Secret(try Configuration.firstLine(of: keyFile))
                source = .asked { try await MemberService(url: url, key: key, fetch: fetch).answer(to: $0) }
            case .roster(let file, let longestAge, let seconds):
                let feed = MemberRosterFeed(clock: clock, longestAgeInDays: longestAge)
                let roster = RosterFile(
                    provider: provider.id, path: file, feed: feed,
                    kept: KeptRoster(
                        folder: folder, provider: provider.id, issuer: provider.issuer, claim: provider.claim,
                        limit: RosterFile.limit), seconds: seconds)
                rosters.append(roster)
                source = feed.source
            }
            sources[provider.id] = MemberSourceRules(
                source: source, issuer: provider.issuer, rules: provider.rules)
        }
        self.sources = sources
        self.rosters = rosters
    }

    /// Which rosters cannot be asked, for the health report; nil when all can.
    var problem: String? {
        let problems = rosters.filter { !$0.feed.isInForce }.compactMap(\.said)
        return problems.isEmpty ? nil : problems.joined(separator: "; ")
    }

    /// What is wrong with rosters that are in force: every instance reads the same file, and none of them must go out of
    /// service while the last good one answers.
    var remarks: [String] { rosters.filter(\.feed.isInForce).compactMap(\.said) }
}

/// A service of the site that says who a login is.
///
/// It is sent a form of `provider`, `issuer`, `subject` and `identifier` with the site's key as a bearer token, and
/// answers 200 with what `MemberFacts` reads, 404 for nobody, 409 for more than one.
struct MemberService: Sendable {
    let url: String
    let key: Secret
    let fetch: any OutboundFetching

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    func answer(to identity: ExternalIdentity) async throws -> MemberDirectoryAnswer {
        let form = [
            ("provider", identity.provider), ("issuer", identity.issuer), ("subject", identity.subject),
            ("identifier", identity.identifier),
        ].map { "\($0.0)=\(FormParameters.encode($0.1))" }.joined(separator: "&")
        let answer = try await fetch.send(
            OutboundRequest(
                url, trust: .configured, method: .postForm(form),
                headers: [.init("authorization", "Bearer \(key.reveal())")], longestAnswer: 256 << 10))
        switch answer.status {
        case 200: return .known(try MemberFacts(site: try JSONValue(parsing: answer.body)))
        case 404: return .unknown
        case 409: return .ambiguous
        default: throw Failure(description: "the member service answered \(answer.status)")
        }
    }
}

/// Asks the protected server who bears an identifier, once there is a gateway to ask through. A class because the
/// authorization server holds it before the gateway is made; the lock is `reader`.
final class DeferredIdentities: Sendable {
    struct NotReady: Error {}

    private let reader = Mutex<IdentityReader?>(nil)

    /// How many merges are followed.
    private static let longestChain = 4

    func follow(_ reader: IdentityReader) { self.reader.withLock { $0 = reader } }

    func source(_ search: MemberSearch, clock: Clock) -> MemberSource {
        .asked { identity in
            guard let reader = self.reader.withLock({ $0 }) else { throw NotReady() }
            let bundle = try await reader.search(search.type, system: search.system, value: identity.identifier)
            var finding = try search.finding(
                bundle, value: identity.identifier, today: CalendarDate(unixSeconds: clock.now()))
            for _ in 0..<Self.longestChain {
                guard case .follow(let key) = finding else { break }
                guard let survivor = try await reader.read(key) else { return .unknown }
                finding = try search.finding(survivor: survivor, expecting: key)
            }
            guard case .answer(let answer) = finding else { return .ambiguous }
            return answer
        }
    }
}

/// The file in which a site leaves its roster.
struct RosterFile: Sendable {
    let provider: String
    let path: String
    let feed: MemberRosterFeed
    /// Where the one in force is kept for the next start.
    let kept: KeptRoster
    /// How often it is looked at.
    let seconds: Int

    /// The largest roster, in bytes.
    static let limit = 256 << 20

    /// What is wrong with it, in a sentence.
    var said: String? { feed.problem.map { "the roster of \(provider): \($0)" } }

    /// Goes on with what was in force before the start, and takes the file in, if it is good.
    func begin() {
        do { if let bytes = try kept.read() { feed.restore(bytes) } } catch { feed.noteKeeping("\(error)") }
        load()
    }

    /// Reads the file and takes it in, if it is good.
    @discardableResult
    func load() -> MemberRosterFeed.Outcome {
        do {
            guard let bytes = try PrivateFile.read(path, limit: Self.limit) else {
                return feed.refuse("there is no file `\(path)`")
            }
            let outcome = feed.take(bytes)
            if case .taken = outcome { keep(bytes) }
            return outcome
        } catch {
            return feed.refuse("\(error)")
        }
    }

    private func keep(_ bytes: [UInt8]) {
        do {
            try kept.write(bytes)
            feed.noteKeeping(nil)
        } catch {
            // It is in force all the same; the health report says that the next start may be without it.
            feed.noteKeeping("the roster in force cannot be kept: \(error)")
        }
    }
}

/// Looks at a roster's file every while and takes in what has changed.
struct RosterService: Service {
    let roster: RosterFile
    /// Records that another roster is in force, or was refused.
    let note: @Sendable (PolicyInForce, AuthorizationRecord.Outcome) async throws -> Void
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var told: MemberRosterFeed.Outcome?
            var seen = FileMark(roster.path)
            if let problem = roster.feed.problem {
                logger.error(
                    "a roster is not in order", metadata: ["provider": "\(roster.provider)", "reason": "\(problem)"])
            }
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(roster.seconds)) } catch { return }
                let mark = FileMark(roster.path)
                guard mark != seen || mark == nil else { continue }
                seen = mark
                let outcome = roster.load()
                // What was taken is told apart by its contents, what was refused by why.
                if outcome.isTaken || outcome != told {
                    do { try await record(outcome) } catch {
                        // Looked at again in a while, as if it had changed.
                        seen = nil
                        logger.error(
                            "a roster could not be recorded in the audit trail",
                            metadata: ["provider": "\(roster.provider)", "error": "\(error)"])
                    }
                }
                guard outcome != told else { continue }
                told = outcome
                switch outcome {
                case .taken(let date, let logins):
                    logger.info(
                        "a roster was taken in",
                        metadata: ["provider": "\(roster.provider)", "date": "\(date)", "logins": "\(logins)"])
                case .refused(let reason):
                    logger.error(
                        "a roster was refused; the one before stays in force",
                        metadata: ["provider": "\(roster.provider)", "reason": "\(reason)"])
                }
            }
        }
    }

    private func record(_ outcome: MemberRosterFeed.Outcome) async throws {
        switch outcome {
        case .taken: if let policy = roster.policy() { try await note(policy, .succeeded) }
        case .refused(let reason): try await note(roster.policy(refused: reason), .refused(reason: reason))
        }
    }
}

extension MemberRosterFeed.Outcome {
    fileprivate var isTaken: Bool { if case .taken = self { true } else { false } }
}
