/// The lines of a file of anchors.
///
/// A feed that was cut off in the middle of a line, by a full disk or a power cut, leaves its beginning and later sends
/// the whole line again. The beginning is no anchor, and no forgery either.
public enum AnchorLines {
    /// The lines without those that are only the beginning of another one.
    public static func whole(_ lines: [String]) -> [String] {
        // In the order of bytes, whatever a text is the beginning of follows it at once.
        let sorted = Set(lines.map { Array($0.utf8) }).sorted { $0.lexicographicallyPrecedes($1) }
        var torn: Set<[UInt8]> = []
        for (line, next) in zip(sorted, sorted.dropFirst()) where next.starts(with: line) { torn.insert(line) }
        return torn.isEmpty ? lines : lines.filter { !torn.contains(Array($0.utf8)) }
    }
}
