/// A quick look at the bytes of a text: whether `SecretScrubber` could find anything in it.
///
/// Most texts that are recorded hold nothing to scrub. Where this says no, scrubbing would give back the same text;
/// where it says yes, the scrubber reads the text in its own, slower way.
enum SecretSigns {
    /// The names of secret parameters in bytes.
    private static let names = SecretScrubber.secretNames.map { Array($0.utf8) }

    /// Whether the beginning of a signed token, or the word `bearer` in any case, stands in a text.
    static func mayStand(in text: String) -> Bool {
        var text = text
        return text.withUTF8 { mayStand(in: $0) }
    }

    private static func mayStand(in text: UnsafeBufferPointer<UInt8>) -> Bool {
        var place = 0
        while place + 3 <= text.count {
            switch text[place] {
            case UInt8(ascii: "e"):
                if text[place + 1] == UInt8(ascii: "y"), text[place + 2] == UInt8(ascii: "J") { return true }
            case UInt8(ascii: "b"), UInt8(ascii: "B"):
                if isBearer(text[place...]) { return true }
            case UInt8(ascii: "."): if OwnTokens.mayEnd(at: place, of: text) { return true }
            default: break
            }
            place += 1
        }
        return false
    }

    /// Whether bytes begin with the word `bearer` in any case.
    static func isBearer(_ bytes: some Collection<UInt8>) -> Bool { equals(bytes.prefix(6), "bearer".utf8) }

    /// Whether a query or form may hold a secret: by a parameter's name, or by the look of a value. A name that is
    /// written with escapes, and a query that is not ASCII, may hold anything.
    static func mayStand(inQuery query: String) -> Bool {
        var query = query
        return query.withUTF8 { query in
            guard query.allSatisfy({ $0 < 0x80 }) else { return true }
            var start = 0
            while start < query.count {
                let end = query[start...].firstIndex(of: UInt8(ascii: "&")) ?? query.count
                let part = query[start..<end]
                if let equals = part.firstIndex(of: UInt8(ascii: "=")), mayBeSecret(name: part[..<equals]) {
                    return true
                }
                start = end + 1
            }
            return mayStand(in: query)
        }
    }

    private static func mayBeSecret(name: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard !name.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else { return true }
        let parameter = UnsafeBufferPointer(
            rebasing: name.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ".") })
        return names.contains { $0.count == parameter.count && equals(parameter, $0) }
    }

    /// Whether bytes are a lower-case text when their ASCII capitals are lowered.
    private static func equals(_ bytes: some Collection<UInt8>, _ text: some Collection<UInt8>) -> Bool {
        bytes.elementsEqual(text) { byte, wanted in
            ((UInt8(ascii: "A")...UInt8(ascii: "Z")) ~= byte ? byte | 0x20 : byte) == wanted
        }
    }
}
