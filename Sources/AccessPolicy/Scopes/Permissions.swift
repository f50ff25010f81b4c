/// The letters of a SMART 2 scope: create, read, update, delete, search.
public struct Permissions: OptionSet, Hashable, Sendable {
    /// One bit per letter, `c` lowest.
    public let rawValue: UInt8

    /// Makes a set from its bits; bits beyond the five letters are dropped.
    public init(rawValue: UInt8) { self.rawValue = rawValue & 0b11111 }

    /// `c`: type-level create.
    public static let create = Permissions(rawValue: 1)
    /// `r`: read, version read, instance history.
    public static let read = Permissions(rawValue: 2)
    /// `u`: update and patch of an instance.
    public static let update = Permissions(rawValue: 4)
    /// `d`: delete of an instance.
    public static let delete = Permissions(rawValue: 8)
    /// `s`: search and history over a type or the system.
    public static let search = Permissions(rawValue: 16)
    /// Every letter.
    public static let all: Permissions = [.create, .read, .update, .delete, .search]

    /// Each letter with its bit, in the only order in which a scope may write them.
    static let letters: [(letter: UInt8, permission: Permissions)] = [
        (UInt8(ascii: "c"), .create), (UInt8(ascii: "r"), .read), (UInt8(ascii: "u"), .update),
        (UInt8(ascii: "d"), .delete), (UInt8(ascii: "s"), .search),
    ]

    /// Parses a non-empty, in-order, repeat-free subset of `cruds`; anything else is nil.
    ///
    /// SMART 2.2 scopes: letters out of order have no defined meaning, so they never get one here.
    public init?(parsing text: some StringProtocol) {
        var result: Permissions = []
        var next = 0
        for byte in text.utf8 {
            let start = mutated(.outOfOrderLetters) ? 0 : next
            guard let found = Permissions.letters[start...].firstIndex(where: { $0.letter == byte }) else { return nil }
            result.insert(Permissions.letters[found].permission)
            next = found + 1
        }
        guard !result.isEmpty else { return nil }
        self = result
    }

    /// The letters in order, such as `rs`.
    public var text: String {
        String(
            decoding: Permissions.letters.filter { contains($0.permission) }.map(\.letter), as: UTF8.self)
    }

    /// The single letters in this set, each as a set of one.
    public var elements: [Permissions] { Permissions.letters.map(\.permission).filter(contains) }

    /// What the SMART 1.0 word says in letters; nil for any other word.
    ///
    /// SMART 2.2 scopes, "Scopes from SMART v1": `read` is `rs`, `write` is `cud`, `*` is `cruds`.
    init?(version1Word word: some StringProtocol) {
        switch String(word) {
        case "read": self = [.read, .search]
        case "write": self = [.create, .update, .delete]
        case "*": self = .all
        default: return nil
        }
    }

    /// The SMART 1.0 word for exactly these letters, or nil when version 1 cannot say it.
    public var version1Word: String? {
        switch self {
        case [.read, .search]: "read"
        case [.create, .update, .delete]: "write"
        case .all: "*"
        default: nil
        }
    }

    /// The largest set that SMART 1.0 can express and that is contained in this one; nil when there is none.
    var narrowedToVersion1: Permissions? {
        if contains(.all) { return .all }
        if contains([.read, .search]) { return [.read, .search] }
        if contains([.create, .update, .delete]) { return [.create, .update, .delete] }
        return nil
    }
}
