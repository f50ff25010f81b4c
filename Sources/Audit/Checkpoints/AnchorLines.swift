/// The lines of a file of anchors.
///
/// A feed that was cut off in the middle of a line, by a full disk or a power cut, leaves its beginning and later sends
/// the whole line again. The beginning is no anchor, and no forgery either.
public enum AnchorLines {
    /// The checkpoints of a file that a feed, or a syslog receiver, has written.
    ///
    /// A line of one word is taken as it is, so that what is none is named. In a line of several words, as a receiver of
    /// syslog writes them, the last one is the checkpoint; lines that end otherwise are other messages.
    public static func checkpoints(_ lines: [String]) -> [String] {
        whole(
            lines.compactMap { line in
                let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
                guard let last = words.last else { return nil }
                return words.count == 1 || isCompact(last) ? String(last) : nil
            })
    }

    /// Whether a word has the form of a compact JWS (RFC 7515 §7.1).
    private static func isCompact(_ word: Substring) -> Bool {
        let parts = word.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 3 && word.hasPrefix("eyJ")
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.allSatisfy { byte in
                        switch byte {
                        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
                        default: false
                        }
                    }
            }
    }

    /// The lines without those that are only the beginning of another one.
    public static func whole(_ lines: [String]) -> [String] {
        // In the order of bytes, whatever a text is the beginning of follows it at once.
        let sorted = Set(lines.map { Array($0.utf8) }).sorted { $0.lexicographicallyPrecedes($1) }
        var torn: Set<[UInt8]> = []
        for (line, next) in zip(sorted, sorted.dropFirst()) where next.starts(with: line) { torn.insert(line) }
        return torn.isEmpty ? lines : lines.filter { !torn.contains(Array($0.utf8)) }
    }
}
