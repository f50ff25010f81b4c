/// Finds a member name that an object has twice.
enum JSONDuplicateNames {
    /// Up to this many names are compared in pairs; more are sorted, so that the cost stays n·log n for any input.
    private static let pairLimit = 12

    /// The offset of a repeated name, or nil. Names with escapes are compared as what they stand for.
    static func firstRepeated(in names: ArraySlice<JSONScanner.Name>, base: UnsafeRawPointer) -> Int? {
        guard names.count > 1 else { return nil }
        if names.contains(where: \.hasEscapes) { return repeatedAfterUnescaping(names, base: base) }
        return names.count <= pairLimit ? repeatedInPairs(names, base: base) : repeatedInOrder(names, base: base)
    }

    private static func text(_ name: JSONScanner.Name, _ base: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(name.start), count: Int(name.end - name.start))
    }

    private static func repeatedInPairs(_ names: ArraySlice<JSONScanner.Name>, base: UnsafeRawPointer) -> Int? {
        for later in names.indices.dropFirst() {
            for earlier in names.startIndex..<later
            where names[earlier].fingerprint == names[later].fingerprint {
                if text(names[earlier], base).elementsEqual(text(names[later], base)) {
                    return Int(names[later].start)
                }
            }
        }
        return nil
    }

    private static func repeatedInOrder(_ names: ArraySlice<JSONScanner.Name>, base: UnsafeRawPointer) -> Int? {
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
        _ names: ArraySlice<JSONScanner.Name>, base: UnsafeRawPointer
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
