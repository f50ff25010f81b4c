/// One node of the configuration before it has a type: a text, a list or a map, and where it was written.
///
/// The file, the environment and the flags are all laid into one tree of settings, which is then read strictly.
public struct Setting: Hashable, Sendable {
    /// Where a setting was written, so that a mistake can be pointed at.
    public enum Origin: Hashable, Sendable {
        case line(Int)
        case environment(String)
        case flag(String)
        case builtIn
    }

    /// What a setting holds.
    public enum Value: Hashable, Sendable {
        case null
        case text(String)
        case list([Setting])
        case map([Member])
    }

    /// A key and its value, in the order of the file.
    public struct Member: Hashable, Sendable {
        public let key: String
        public let origin: Origin
        public var setting: Setting
    }

    public var value: Value
    public var origin: Origin

    public init(_ value: Value, origin: Origin) {
        self.value = value
        self.origin = origin
    }

    /// A map without members, to lay overrides on.
    public static let empty = Setting(.map([]), origin: .builtIn)

    /// Puts a text at a path of keys, making the maps on the way, and replacing what stood there.
    public mutating func override(_ path: ArraySlice<String>, with text: String, origin: Origin) {
        guard let key = path.first else {
            self = Setting(.text(text), origin: origin)
            return
        }
        var members: [Member] = []
        if case .map(let present) = value { members = present }
        if let index = members.firstIndex(where: { $0.key == key }) {
            members[index].setting.override(path.dropFirst(), with: text, origin: origin)
        } else {
            var child = Setting(.map([]), origin: origin)
            child.override(path.dropFirst(), with: text, origin: origin)
            members.append(Member(key: key, origin: origin, setting: child))
        }
        value = .map(members)
    }
}

extension Setting.Origin: CustomStringConvertible {
    /// The place as a person would look it up.
    public var description: String {
        switch self {
        case .line(let line): "line \(line)"
        case .environment(let name): "environment variable \(name)"
        case .flag(let name): "option \(name)"
        case .builtIn: "built-in setting"
        }
    }
}
