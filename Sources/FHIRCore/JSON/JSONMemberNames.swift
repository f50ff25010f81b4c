/// The member names of the objects that are still open, and the search for one that an object has twice.
struct JSONMemberNames {
    /// A name by its place. Equal names without escapes have equal lengths and fingerprints.
    private struct Name {
        var start: UInt32
        var end: UInt32
        var fingerprint: UInt64
        var hasEscapes: Bool

        var length: UInt32 { end - start }
    }

    /// Up to this many names are compared in pairs; more are sorted, so that the cost stays n·log n for any input.
    private static let pairLimit = 20

    /// Names beyond `count` are left over from objects that were closed; their places are used again.
    private var names: [Name] = []
    private(set) var count = 0

    /// Adds the name between two offsets (without its quotes) to the innermost object.
    @inline(__always)
    mutating func append(from start: Int, to end: Int, hasEscapes: Bool, base: UnsafeRawPointer) {
        let name = Name(
            start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: end),
            fingerprint: JSONMemberNames.fingerprint(from: start, length: end - start, base: base),
            hasEscapes: hasEscapes)
        if count < names.count { names[count] = name } else { names.append(name) }
        count += 1
    }

    /// The first four bytes and the last four, which of a name of up to eight bytes is all of it.
    @inline(__always)
    private static func fingerprint(from start: Int, length: Int, base: UnsafeRawPointer) -> UInt64 {
        if length >= 4 {
            let first = base.loadUnaligned(fromByteOffset: start, as: UInt32.self)
            let last = base.loadUnaligned(fromByteOffset: start + length - 4, as: UInt32.self)
            return UInt64(first) | UInt64(last) << 32
        }
        var result: UInt64 = 0
        for offset in start..<start + length {
            result = result << 8 | UInt64(base.load(fromByteOffset: offset, as: UInt8.self))
        }
        return result
    }

    /// Forgets the names of an object, from `first` on, and gives the offset of one that it has twice, or nil.
    mutating func close(from first: Int, base: UnsafeRawPointer) -> Int? {
        let own = first..<count
        count = first
        guard own.count > 1 else { return nil }
        return names.withUnsafeBufferPointer { all in
            JSONMemberNames.firstRepeated(in: UnsafeBufferPointer(rebasing: all[own]), base: base)
        }
    }

    /// Names with escapes are compared as what they stand for.
    private static func firstRepeated(in names: UnsafeBufferPointer<Name>, base: UnsafeRawPointer) -> Int? {
        if names.contains(where: \.hasEscapes) { return repeatedAfterUnescaping(names, base: base) }
        return names.count <= pairLimit ? repeatedInPairs(names, base: base) : repeatedInOrder(names, base: base)
    }

    private static func text(_ name: Name, _ base: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(name.start), count: Int(name.length))
    }

    private static func repeatedInPairs(_ names: UnsafeBufferPointer<Name>, base: UnsafeRawPointer) -> Int? {
        for later in 1..<names.count {
            let name = names[later]
            for earlier in 0..<later
            where names[earlier].fingerprint == name.fingerprint && names[earlier].length == name.length {
                if name.length <= 8 || text(names[earlier], base).elementsEqual(text(name, base)) {
                    return Int(name.start)
                }
            }
        }
        return nil
    }

    private static func repeatedInOrder(_ names: UnsafeBufferPointer<Name>, base: UnsafeRawPointer) -> Int? {
        let sorted = names.sorted { left, right in
            // By fingerprint first: it keeps most comparisons away from the text.
            if left.fingerprint != right.fingerprint { return left.fingerprint < right.fingerprint }
            return text(left, base).lexicographicallyPrecedes(text(right, base))
        }
        for (left, right) in zip(sorted, sorted.dropFirst())
        where left.fingerprint == right.fingerprint && text(left, base).elementsEqual(text(right, base)) {
            return Int(max(left.start, right.start))
        }
        return nil
    }

    private static func repeatedAfterUnescaping(
        _ names: UnsafeBufferPointer<Name>, base: UnsafeRawPointer
    ) -> Int? {
        let unescaped = names.map { name in
            (bytes: JSONText.unescaped(text(name, base)), start: Int(name.start))
        }
        let sorted = unescaped.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        for (left, right) in zip(sorted, sorted.dropFirst()) where left.bytes == right.bytes {
            return max(left.start, right.start)
        }
        return nil
    }
}
