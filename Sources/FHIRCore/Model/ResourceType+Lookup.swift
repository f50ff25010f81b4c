extension ResourceType {
    /// The place of the type among all of them: a small number to index tables by.
    package var ordinal: Int { Int(unsafeBitCast(self, to: UInt8.self)) }

    /// How many types there are.
    package static let count = allCases.count

    /// Hashes the ordinal. The standard library would hash the name, which every table of types would pay for.
    public func hash(into hasher: inout Hasher) { hasher.combine(unsafeBitCast(self, to: UInt8.self)) }

    /// Types are equal when they are the same case.
    public static func == (left: ResourceType, right: ResourceType) -> Bool {
        unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }

    /// The type with this name, or nil; the same as `init(rawValue:)`, without a string.
    package init?(utf8 name: UnsafeBufferPointer<UInt8>) {
        guard let type = ResourceTypeNames.table.type(named: name) else { return nil }
        self = type
    }
}

/// The names of all types by a hash of their own, read once at first use.
private struct ResourceTypeNames: Sendable {
    static let table = ResourceTypeNames()

    private static let slots = 512
    private let types = ResourceType.allCases
    private let names: [[UInt8]]
    /// One more than an ordinal, or 0 where the slot is free.
    private let places: [UInt8]

    private init() {
        var places = [UInt8](repeating: 0, count: ResourceTypeNames.slots)
        names = types.map { Array($0.rawValue.utf8) }
        for (ordinal, name) in names.enumerated() {
            var slot = name.withUnsafeBufferPointer { ResourceTypeNames.slot(of: $0) }
            while places[slot] != 0 { slot = (slot + 1) % ResourceTypeNames.slots }
            places[slot] = UInt8(ordinal + 1)
        }
        self.places = places
    }

    func type(named name: UnsafeBufferPointer<UInt8>) -> ResourceType? {
        guard !name.isEmpty else { return nil }
        var slot = ResourceTypeNames.slot(of: name)
        while places[slot] != 0 {
            let ordinal = Int(places[slot]) - 1
            if names[ordinal].elementsEqual(name) { return types[ordinal] }
            slot = (slot + 1) % ResourceTypeNames.slots
        }
        return nil
    }

    /// FNV-1a, folded.
    private static func slot(of name: UnsafeBufferPointer<UInt8>) -> Int {
        var hash: UInt32 = 2_166_136_261
        for byte in name { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return Int((hash ^ hash >> 16) % UInt32(slots))
    }
}
