/// How many fetches may begin in a minute, shared fairly. Pure.
///
/// The shares are those of branches: of the certificates just below an authority, whoever shows what stands below them.
/// However many certificates somebody has made below one of them, and whatever places those name, the others keep theirs.
/// One branch alone has all; a branch that comes has its share at once, even where another one has used up everything.
struct FetchShares: Sendable {
    /// What is shared.
    let perMinute: Int
    private var minute = Int64.min
    /// The branches of this minute, with what each has begun.
    private var begun: [String: Int] = [:]
    /// The branches of the minute before that have not come in this one.
    private var awaited: Set<String> = []
    private var total = 0

    /// What a branch has whatever the others do: the places that one certificate names.
    static let least = 4
    /// More branches than this are not kept apart in a minute, and those beyond begin nothing.
    static let mostBranches = 4_096

    init(perMinute: Int) { self.perMinute = perMinute }

    /// Counts a fetch for a branch at a moment in seconds; false when it may not begin.
    mutating func begin(_ branch: String, at now: Int64) -> Bool {
        if now / 60 != minute {
            awaited = now / 60 == minute &+ 1 ? Set(begun.keys) : []
            (minute, begun, total) = (now / 60, [:], 0)
        }
        guard begun[branch] != nil || begun.count < Self.mostBranches else { return false }
        awaited.remove(branch)
        let own = begun[branch, default: 0]
        begun[branch] = own
        let share = max(min(Self.least, perMinute), perMinute / (begun.count + awaited.count))
        // Shares that grow smaller while a minute goes on can come to more than the whole of it together.
        guard own < share, total < 2 * perMinute else { return false }
        begun[branch] = own + 1
        total += 1
        return true
    }
}
