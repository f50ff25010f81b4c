internal import Authorization
internal import CertificateTrust
internal import OAuthCore
internal import Synchronization

/// The lists and answers of others about certificates, fetched guarded and kept with bounds.
///
/// Only a path to an authority that counts makes anything be fetched, so that nobody can have us ask by showing
/// certificates of their own making; and what is fetched is kept only when it holds for that path. One fetch at a time
/// goes to a place, whoever waits for it, and a place is not asked again at once. A class because all requests share what
/// was fetched; the lock is `state`.
final class CertificateStatusSources: Sendable {
    /// How much is fetched and kept, and for how long; times in seconds.
    struct Bounds: Hashable, Sendable {
        /// The age at which what is kept is fetched again, whether or not it would still count.
        var renewal: Int64 = 3600
        /// The longest that anything counts after it was fetched, whatever it says itself.
        var longestAge: Int64 = 7 * 86_400
        /// The shortest time between two fetches from one place.
        var attempt: Int64 = 10
        /// How long what nobody asks for is still renewed.
        var idle: Int64 = 86_400
        /// How many places are remembered.
        var places = 10_000
        /// How many fetches requests may begin in a minute, in fair shares (``FetchShares``).
        var startsPerMinute = 240
        /// How many places are asked for one kind of statement on one certificate.
        var placesPerCertificate = 2
        /// The longest list that is read, and how much of them is kept, in bytes.
        var longestList = 10 << 20
        var keptLists = 64 << 20
        /// How many are renewed at once.
        var renewedAtOnce = 8

        init() {}
    }

    /// Where a statement comes from.
    private enum Place: Hashable {
        /// A list of one issuer, by its certificate: what certificates of others say of the place is nothing to it.
        case list(String, issuer: String)
        /// A responder's answer on one certificate of one issuer.
        case answer(String, certificate: String, issuer: String)

        var url: String {
            switch self {
            case .list(let url, _): url
            case .answer(let url, _, _): url
            }
        }
    }

    private struct Entry {
        /// A certificate that the place is asked about, to which what comes is held.
        var path: CertificatePath
        var link: CertificatePath.Link
        var list: CertificateRevocationList?
        var statement: StatusStatement?
        var usableUntil = Int64.min
        var renewAt = Int64.min
        var triedAt: Int64?
        var lastUse: Int64
        var running: Task<Void, Never>?
        var failure: Failure?
    }

    private struct State {
        var entries: [Place: Entry] = [:]
        var shares: FetchShares
        var generation = 0
        /// The places that were let go of since the folder was last told.
        var dropped: [Place] = []

        mutating func drop(_ place: Place) {
            entries[place] = nil
            dropped.append(place)
        }
    }

    /// Why nothing came of a fetch. For the log.
    enum Failure: Error, Hashable {
        case fetching(OutboundFailure)
        /// Not a list or an answer, or one that is not read.
        case unreadable
        /// It does not hold for the certificate that it was fetched for.
        case notValid
        /// What is kept is newer.
        case older
        /// It counts, but could not be written: after a restart it is not known.
        case notWritten(String)
    }

    private let fetch: any OutboundFetching
    private let fetchesLists: Bool
    private let asksResponders: Bool
    private let bounds: Bounds
    private let clock: Clock
    private let kept: KeptLists?
    private let state: Mutex<State>

    /// - Parameter kept: where lists outlive the process; nil where they do not.
    init(
        fetch: any OutboundFetching, fetchesLists: Bool = true, asksResponders: Bool = true, bounds: Bounds = Bounds(),
        kept: KeptLists? = nil, clock: Clock
    ) {
        self.fetch = fetch
        self.fetchesLists = fetchesLists
        self.asksResponders = asksResponders
        self.bounds = bounds
        self.kept = kept
        self.clock = clock
        state = Mutex(State(shares: FetchShares(perMinute: bounds.startsPerMinute)))
    }

    /// Takes up what an earlier process has kept and what still holds: each list is verified again, for the certificate
    /// that it came for, under the authorities of today. To be called once, before anything is asked; it renews the lists
    /// that come with it as if it had fetched them.
    ///
    /// - Parameter forgetsOthers: whether the files of what does not hold are removed.
    /// - Returns: the paths of the certificates that the lists came for.
    func restore(under authorities: CertificateAuthorities, forgetsOthers: Bool) -> [CertificatePath] {
        guard let kept, fetchesLists else { return [] }
        let now = clock.now()
        var paths: [CertificatePath] = []
        var total = 0
        for name in kept.names() {
            guard let found = kept.read(name, longest: bounds.longestList),
                total + found.list.count <= bounds.keptLists,
                paths.count < bounds.places, let (place, entry) = entry(of: found, under: authorities, at: now)
            else {
                if forgetsOthers { kept.remove(name) }
                continue
            }
            total += found.list.count
            paths.append(entry.path)
            state.withLock { state in
                state.entries[place] = entry
                state.generation += 1
            }
        }
        return paths
    }

    /// The certificate that a list came for may have ended since, while the list still holds for others: the path and what
    /// the list says of it are looked at in the moment of the fetch. Whom the list is asked about later comes with a path
    /// that holds then.
    private func entry(
        of found: KeptLists.Kept, under authorities: CertificateAuthorities, at now: Int64
    ) -> (Place, Entry)? {
        // A clock that has gone back makes nothing younger than it is now.
        let age = min(found.fetchedAt, now)
        guard let first = found.path.first, let list = try? CertificateRevocationList.read(der: found.list),
            let path = authorities.path(from: first, over: Array(found.path.dropFirst()), for: .tlsClient, at: age),
            path.links.indices.contains(found.index), path.links[found.index].issuer == found.issuer,
            path.finding(on: path.links[found.index], in: list, at: age) != nil
        else { return nil }
        let place = Place.list(found.url, issuer: found.issuer)
        let link = path.links[found.index]
        guard places(for: link).contains(place) else { return nil }
        var entry = Entry(path: path, link: link, lastUse: age)
        entry.list = list
        entry.usableUntil = min(list.nextUpdate, age + bounds.longestAge)
        entry.renewAt = age + min(bounds.renewal, max((entry.usableUntil - age) * 3 / 4, 1))
        return now < entry.usableUntil ? (place, entry) : nil
    }

    /// Removes the files of places that were let go of.
    private func forgetDropped() {
        guard let kept else { return }
        let names = state.withLock { state in
            defer { state.dropped = [] }
            return state.dropped.compactMap { place -> String? in
                guard case .list(let url, let issuer) = place, state.entries[place]?.list == nil else { return nil }
                return KeptLists.name(url: url, issuer: issuer)
            }
        }
        for name in names { kept.remove(name) }
    }

    /// Grows whenever something changed that may change what is known of many certificates.
    var generation: Int { state.withLock { $0.generation } }

    /// Whether a certificate names a place that is asked.
    func hasPlace(for link: CertificatePath.Link) -> Bool { !places(for: link).isEmpty }

    /// What is at hand about a certificate and holds at a moment. Nothing is fetched.
    func findings(on link: CertificatePath.Link, of path: CertificatePath, at now: Int64) -> [StatusFinding] {
        let kept = state.withLock { state in
            places(for: link).compactMap { place -> (Place, Entry)? in
                guard let entry = state.entries[place], now < entry.usableUntil else { return nil }
                state.entries[place]?.lastUse = now
                return (place, entry)
            }
        }
        return kept.compactMap { place, entry in
            if let statement = entry.statement { return statement.finding }
            guard let list = entry.list, let finding = path.finding(on: link, in: list, at: now) else { return nil }
            // A list is renewed for a certificate that is in use.
            state.withLock { state in
                state.entries[place]?.path = path
                state.entries[place]?.link = link
            }
            return finding
        }
    }

    /// The lists at hand that hold at a moment; each was verified when it came.
    func lists(at now: Int64) -> [CertificateRevocationList] {
        state.withLock { state in state.entries.values.compactMap { now < $0.usableUntil ? $0.list : nil } }
    }

    /// Asks every place that some certificates of a path name, at once, and returns when all have answered or their time is
    /// over.
    func ask(about links: [CertificatePath.Link], of path: CertificatePath) async {
        let tasks = links.flatMap { link in
            places(for: link).compactMap { begin($0, link, of: path) }
        }
        for task in tasks { await task.value }
    }

    /// Has the places that a certificate names be asked with the next renewal.
    func want(_ links: [CertificatePath.Link], of path: CertificatePath) {
        let now = clock.now()
        state.withLock { state in
            for link in links {
                for place in places(for: link) where state.entries[place] == nil && makeRoom(in: &state) {
                    state.entries[place] = Entry(path: path, link: link, lastUse: now)
                }
            }
        }
    }

    /// Fetches again what is due and in use, and forgets what is neither. The failures, for the log.
    func renew() async -> [(url: String, failure: Failure)] {
        let now = clock.now()
        defer { forgetDropped() }
        var due = state.withLock { state in
            for (place, entry) in state.entries
            where entry.running == nil && now >= entry.usableUntil && now - entry.lastUse >= bounds.idle {
                state.drop(place)
            }
            return state.entries.filter { _, entry in
                entry.running == nil && entry.renewAt <= now && now - entry.lastUse < bounds.idle
                    && entry.triedAt.map { now - $0 >= bounds.attempt } ?? true
            }.keys
        }[...]
        var failures: [(String, Failure)] = []
        while !due.isEmpty, !Task.isCancelled {
            let places = due.prefix(bounds.renewedAtOnce)
            due = due.dropFirst(places.count)
            for task in places.compactMap({ beginRenewal($0) }) { await task.value }
            failures += state.withLock { state in
                places.compactMap { place in state.entries[place]?.failure.map { (place.url, $0) } }
            }
        }
        return failures
    }

    // MARK: - fetching

    private func places(for link: CertificatePath.Link) -> [Place] {
        let lists =
            fetchesLists
            ? link.lists.prefix(bounds.placesPerCertificate).map { Place.list($0, issuer: link.issuer) } : []
        guard asksResponders else { return lists }
        return lists
            + link.responders.prefix(bounds.placesPerCertificate).map {
                .answer($0, certificate: link.thumbprint, issuer: link.issuer)
            }
    }

    /// The fetch from a place that runs, or a new one; nil when there may be none now.
    private func begin(
        _ place: Place, _ link: CertificatePath.Link, of path: CertificatePath
    ) -> Task<Void, Never>? {
        let now = clock.now()
        return state.withLock { state in
            if let running = state.entries[place]?.running { return running }
            if let triedAt = state.entries[place]?.triedAt, now - triedAt < bounds.attempt { return nil }
            guard state.shares.begin(path.branch, at: now), state.entries[place] != nil || makeRoom(in: &state) else {
                return nil
            }
            var entry = state.entries[place] ?? Entry(path: path, link: link, lastUse: now)
            (entry.path, entry.link, entry.lastUse) = (path, link, now)
            return begin(place, &entry, in: &state, at: now)
        }
    }

    private func beginRenewal(_ place: Place) -> Task<Void, Never>? {
        let now = clock.now()
        return state.withLock { state in
            guard var entry = state.entries[place] else { return nil }
            return entry.running ?? begin(place, &entry, in: &state, at: now)
        }
    }

    private func begin(
        _ place: Place, _ entry: inout Entry, in state: inout State, at now: Int64
    ) -> Task<Void, Never> {
        let (path, link) = (entry.path, entry.link)
        let task = Task { await self.load(place, link, of: path) }
        entry.triedAt = now
        entry.failure = nil
        entry.running = task
        state.entries[place] = entry
        return task
    }

    /// Whether there is room for one more place; the one unused for longest makes it.
    private func makeRoom(in state: inout State) -> Bool {
        guard state.entries.count >= bounds.places else { return true }
        let idle = state.entries.filter { $0.value.running == nil }.min { $0.value.lastUse < $1.value.lastUse }
        guard let idle else { return false }
        state.drop(idle.key)
        return true
    }

    private func load(_ place: Place, _ link: CertificatePath.Link, of path: CertificatePath) async {
        let result: Result<Loaded, Failure>
        do throws(Failure) { result = .success(try await fetched(place, link, of: path)) } catch {
            result = .failure(error)
        }
        let now = clock.now()
        let isTaken = state.withLock { state in
            guard var entry = state.entries[place] else { return false }
            defer { state.entries[place] = entry }
            switch result {
            case .success(let loaded):
                take(loaded, into: &entry, &state, at: now)
                return entry.failure == nil
            case .failure(let failure):
                entry.failure = failure
                entry.renewAt = now + min(60, bounds.renewal)
                return false
            }
        }
        // While it still counts as running nobody else fetches from the place, or lets go of it.
        let failure = isTaken ? write(result, place, link, of: path, at: now) : nil
        state.withLock { state in
            state.entries[place]?.running = nil
            if let failure { state.entries[place]?.failure = failure }
            dropLists(beyond: bounds.keptLists, but: place, in: &state)
        }
        forgetDropped()
    }

    /// Writes a list that was taken, so that it outlives the process; what went wrong.
    private func write(
        _ result: Result<Loaded, Failure>, _ place: Place, _ link: CertificatePath.Link, of path: CertificatePath,
        at now: Int64
    ) -> Failure? {
        guard let kept, case .success(.list(_, let bytes)) = result, case .list(let url, let issuer) = place else {
            return nil
        }
        do {
            try kept.write(
                .init(
                    url: url, issuer: issuer, fetchedAt: now, path: path.certificates, index: link.index, list: bytes))
            return nil
        } catch {
            return .notWritten("\(error)")
        }
    }

    private enum Loaded {
        case list(CertificateRevocationList, bytes: [UInt8])
        case statement(StatusStatement)

        var until: Int64 {
            switch self {
            case .list(let list, _): list.nextUpdate
            case .statement(let statement): statement.until
            }
        }
    }

    private func take(_ loaded: Loaded, into entry: inout Entry, _ state: inout State, at now: Int64) {
        // A statement of before must not come back in the place of a newer one.
        switch loaded {
        case .list(let list, _):
            guard list.thisUpdate >= entry.list?.thisUpdate ?? .min else {
                entry.failure = .older
                entry.renewAt = now + min(60, bounds.renewal)
                return
            }
            if entry.list?.digest != list.digest { state.generation += 1 }
            entry.list = list
        case .statement(let statement):
            guard statement.from >= entry.statement?.from ?? .min else {
                entry.failure = .older
                entry.renewAt = now + min(60, bounds.renewal)
                return
            }
            if statement.finding == .withdrawn || entry.statement?.finding == .withdrawn { state.generation += 1 }
            entry.statement = statement
        }
        entry.usableUntil = min(loaded.until, now + bounds.longestAge)
        // Before it ends, and not later than so long after it was fetched.
        entry.renewAt = now + min(bounds.renewal, max((entry.usableUntil - now) * 3 / 4, 1))
    }

    /// Lets go of the lists that were unused for longest while there are too many bytes of them.
    private func dropLists(beyond limit: Int, but kept: Place, in state: inout State) {
        var total = state.entries.values.reduce(0) { $0 + ($1.list?.size ?? 0) }
        while total > limit {
            let idle = state.entries.filter { $0.key != kept && $0.value.list != nil && $0.value.running == nil }
                .min { $0.value.lastUse < $1.value.lastUse }
            guard let idle, let list = idle.value.list else { return }
            total -= list.size
            state.drop(idle.key)
        }
    }

    private func fetched(
        _ place: Place, _ link: CertificatePath.Link, of path: CertificatePath
    ) async throws(Failure) -> Loaded {
        switch place {
        case .list(let url, _):
            let bytes = try await body(
                of: OutboundRequest(
                    url, trust: .certificate, headers: [.init("accept", "application/pkix-crl, */*")],
                    longestAnswer: bounds.longestList))
            guard let list = try? CertificateRevocationList.read(der: bytes) else { throw .unreadable }
            // INVARIANT: what is kept was valid for a certificate under an authority that counts.
            guard path.finding(on: link, in: list, at: clock.now()) != nil else { throw .notValid }
            return .list(list, bytes: bytes)
        case .answer(let url, _, _):
            let bytes = try await body(
                of: OutboundRequest(
                    url, trust: .certificate,
                    method: .post(path.statusRequest(for: link), type: "application/ocsp-request"),
                    headers: [.init("accept", "application/ocsp-response")]))
            guard let statement = path.statement(on: link, in: bytes, at: clock.now()) else { throw .notValid }
            return .statement(statement)
        }
    }

    private func body(of request: OutboundRequest) async throws(Failure) -> [UInt8] {
        let answer: OutboundAnswer
        do { answer = try await fetch.send(request) } catch { throw .fetching(error) }
        guard answer.status == 200 else { throw .fetching(.status(answer.status)) }
        return answer.body
    }
}
