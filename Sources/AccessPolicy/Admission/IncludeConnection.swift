internal import FHIRCore

/// What is reached by the includes that were asked for, starting from what is released.
///
/// A resource that came along only through one that is withheld is not reached (ATK-058). All references of the
/// candidates are read once, so that following a chain costs no more than its length.
struct IncludeConnection {
    private let rule: ReleaseRule
    private let places: [InstanceKey: Int]
    /// For each reverse include, which candidates point at a resource.
    private var pointing: [Include: [InstanceKey: [Int]]] = [:]

    init(_ rule: ReleaseRule, candidates: [SearchAnswer.Entry]) {
        self.rule = rule
        places = Dictionary(
            candidates.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
        for include in rule.includes where include.isReverse {
            var found: [InstanceKey: [Int]] = [:]
            for (place, entry) in candidates.enumerated() where include.arriving.contains(entry.key.type) {
                for key in targets(of: entry, by: include) { found[key, default: []].append(place) }
            }
            pointing[include] = found
        }
    }

    /// The places of the candidates that an include leads to from a released entry.
    func reached(from entry: SearchAnswer.Entry, isMatch: Bool) -> [Int] {
        rule.includes.filter { isMatch || $0.iterates }.flatMap { include -> [Int] in
            guard !include.isReverse else { return pointing[include]?[entry.key] ?? [] }
            guard include.source == entry.key.type else { return [] }
            return targets(of: entry, by: include).filter { include.arriving.contains($0.type) }
                .compactMap { places[$0] }
        }
    }

    private func targets(of entry: SearchAnswer.Entry, by include: Include) -> Set<InstanceKey> {
        Set((entry.resource.references(include.parameter) ?? []).compactMap { rule.forms.read($0.literal) })
    }
}

/// The candidates that are admitted and reached, found by a work list: each is judged when it is first reached.
struct IncludeSearch {
    private let judge: Judge
    private let connection: IncludeConnection
    private let letters: Permissions = [.read, .search]
    private(set) var candidates: [SearchAnswer.Entry]
    /// What became of each candidate that was reached.
    private var verdicts: [Int: WithholdReason?] = [:]
    private var released: Set<InstanceKey>
    private var queue: [SearchAnswer.Entry] = []

    /// A Provenance can stand on another that comes along; no longer chains of them are followed.
    private static let maxProvenanceRounds = 4

    init(_ rule: ReleaseRule, matches: [SearchAnswer.Entry], candidates: [SearchAnswer.Entry]) {
        judge = rule.judge(for: .include)
        connection = IncludeConnection(rule, candidates: candidates)
        self.candidates = candidates
        released = Set(matches.map(\.key))
        if mutated(.includesUnconnected) { for place in candidates.indices { judgeOnce(place) } }
        for entry in matches {
            for place in connection.reached(from: entry, isMatch: true) { judgeOnce(place) }
        }
        follow()
    }

    /// Why a candidate is withheld; nil when it is released.
    func reasonToWithhold(_ place: Int) -> WithholdReason? { verdicts[place] ?? .unconnected }

    private mutating func judgeOnce(_ place: Int) {
        guard verdicts[place] == nil else { return }
        judgeNow(place)
    }

    private mutating func judgeNow(_ place: Int) {
        switch judge.judge(candidates[place].resource, letters: letters, released: released) {
        case .passes(let redaction, let scopes):
            candidates[place].redaction = redaction
            candidates[place].scopes = scopes
            verdicts[place] = .some(nil)
            released.insert(candidates[place].key)
            queue.append(candidates[place])
        case .fails(let reason):
            verdicts[place] = .some(mutated(.includesNotJudged) ? nil : reason)
        }
    }

    private mutating func follow() {
        for _ in 0..<IncludeSearch.maxProvenanceRounds {
            while let entry = queue.popLast() {
                for place in connection.reached(from: entry, isMatch: false) { judgeOnce(place) }
            }
            // What a Provenance is about may have been released after it was judged.
            let waiting = verdicts.filter { $0.value != nil && candidates[$0.key].key.type == .provenance }.keys
            for place in waiting.sorted() { judgeNow(place) }
            if queue.isEmpty { return }
        }
    }
}
