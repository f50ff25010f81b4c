/// Reads one map of settings strictly: every key must be asked for, every value must be of its kind.
///
/// Mistakes are collected, so that one run names them all. `finish()` reports keys that nobody asked for.
struct SettingReader {
    /// The mistakes of one whole reading, shared by the readers of its parts.
    final class Problems {
        // A class because readers of nested maps write into the same list; it never leaves one synchronous reading.
        private(set) var list: [ConfigurationProblem] = []
        func add(_ origin: Setting.Origin?, _ path: String, _ message: String) {
            list.append(.init(origin: origin, path: path, message: message))
        }
    }

    let path: String
    let origin: Setting.Origin
    let problems: Problems
    private let members: [Setting.Member]
    private var asked: Set<String> = []

    init(_ setting: Setting, path: String, problems: Problems) {
        self.path = path
        self.origin = setting.origin
        self.problems = problems
        switch setting.value {
        case .map(let members): self.members = members
        case .null: self.members = []
        case .text, .list:
            self.members = []
            problems.add(setting.origin, path, "must be a map of keys")
        }
    }

    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private mutating func take(_ key: String) -> Setting? {
        asked.insert(key)
        guard let setting = members.first(where: { $0.key == key })?.setting else { return nil }
        if case .null = setting.value { return nil }
        return setting
    }

    /// Whether a key is there at all.
    func has(_ key: String) -> Bool { members.contains { $0.key == key } }

    /// Notes a mistake about one key of this map.
    func fail(_ key: String, _ message: String) {
        let origin = members.first { $0.key == key }?.setting.origin ?? origin
        problems.add(origin, path(of: key), message)
    }

    mutating func text(_ key: String) -> String? {
        guard let setting = take(key) else { return nil }
        guard case .text(let text) = setting.value else {
            problems.add(setting.origin, path(of: key), "must be a text")
            return nil
        }
        return text
    }

    mutating func text(_ key: String, default fallback: String) -> String { text(key) ?? fallback }

    /// A text without which there is no configuration; the empty text is given back after the mistake is noted.
    mutating func requiredText(_ key: String) -> String {
        if let text = text(key), !text.isEmpty { return text }
        if problems.list.last?.path != path(of: key) { problems.add(origin, path(of: key), "is required") }
        return ""
    }

    mutating func integer(_ key: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        guard let text = text(key) else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            fail(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound), not `\(text)`")
            return fallback
        }
        return number
    }

    mutating func flag(_ key: String, default fallback: Bool) -> Bool {
        guard let text = text(key) else { return fallback }
        switch text {
        case "true": return true
        case "false": return false
        default:
            fail(key, "must be `true` or `false`, not `\(text)`")
            return fallback
        }
    }

    /// A word from a closed list.
    mutating func choice<Choice: CaseIterable & RawRepresentable>(_ key: String) -> Choice?
    where Choice.RawValue == String {
        guard let text = text(key) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
        fail(key, "must be one of \(words), not `\(text)`")
        return nil
    }

    mutating func texts(_ key: String) -> [String] {
        guard let setting = take(key) else { return [] }
        guard case .list(let items) = setting.value else {
            problems.add(setting.origin, path(of: key), "must be a list")
            return []
        }
        return items.enumerated().compactMap { index, item in
            if case .text(let text) = item.value { return text }
            problems.add(item.origin, "\(path(of: key))[\(index)]", "must be a text")
            return nil
        }
    }

    /// The reader of a nested map; an empty one when the key is absent.
    mutating func map(_ key: String) -> SettingReader {
        SettingReader(take(key) ?? Setting(.map([]), origin: origin), path: path(of: key), problems: problems)
    }

    /// Readers of a list of maps.
    mutating func maps(_ key: String) -> [SettingReader] {
        guard let setting = take(key) else { return [] }
        guard case .list(let items) = setting.value else {
            problems.add(setting.origin, path(of: key), "must be a list")
            return []
        }
        return items.enumerated().map { index, item in
            SettingReader(item, path: "\(path(of: key))[\(index)]", problems: problems)
        }
    }

    /// All keys of this map; for maps whose keys are the user's own words.
    var keys: [String] { members.map(\.key) }

    /// Notes every key that was not asked for: unknown keys are mistakes.
    func finish() {
        for member in members where !asked.contains(member.key) {
            let hint = Self.closest(to: member.key, among: asked).map { ", did you mean `\($0)`?" } ?? ""
            problems.add(member.origin, path(of: member.key), "unknown key" + hint)
        }
    }

    /// The known key that differs least, when it differs little.
    private static func closest(to key: String, among known: Set<String>) -> String? {
        let ranked = known.map { (distance: distance($0, key), key: $0) }.min {
            ($0.distance, $0.key) < ($1.distance, $1.key)
        }
        guard let ranked, ranked.distance <= max(2, key.count / 3) else { return nil }
        return ranked.key
    }

    private static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var row = Array(0...right.count)
        for i in left.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in right.indices {
                let above = row[j + 1]
                row[j + 1] = left[i] == right[j] ? diagonal : 1 + min(diagonal, min(above, row[j]))
                diagonal = above
            }
        }
        return row[right.count]
    }
}
