/// The character entities that narratives in JSON are written with, such as `&nbsp;` and `&reg;`.
///
/// They are declared by the DTD of XHTML, which is not read here and which XML clients do not get either; so a narrative
/// on its way into XML has a character reference in each one's place, which means the same.
enum NarrativeEntities {
    private static let codes: [String: String] = Dictionary(
        uniqueKeysWithValues: rows.description.split { $0 == " " || $0 == "\n" }.map { word in
            let halves = word.split(separator: ":")
            return (String(halves[0]), String(halves[1]))
        })
    private static let longestName = codes.keys.map(\.utf8.count).max() ?? 0

    /// The text with the entities resolved. In comments and CDATA sections there are none.
    static func resolved(_ text: ArraySlice<UInt8>) -> [UInt8] {
        guard text.contains(UInt8(ascii: "&")) else { return Array(text) }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var rest = text
        while let place = rest.firstIndex(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "<") }) {
            result.append(contentsOf: rest[..<place])
            rest = rest[place...]
            if rest.starts(with: "<!--".utf8) {
                move(past: "-->", from: &rest, to: &result)
            } else if rest.starts(with: "<![CDATA[".utf8) {
                move(past: "]]>", from: &rest, to: &result)
            } else if let (name, code) = entity(at: rest) {
                result.append(contentsOf: "&#\(code);".utf8)
                rest = rest.dropFirst(name.utf8.count + 2)
            } else {
                result.append(rest.removeFirst())
            }
        }
        result.append(contentsOf: rest)
        return result
    }

    private static func entity(at text: ArraySlice<UInt8>) -> (name: String, code: String)? {
        let inside = text.dropFirst().prefix(longestName + 1)
        guard text.first == UInt8(ascii: "&"), let first = inside.first, first | 0x20 >= UInt8(ascii: "a"),
            let end = inside.firstIndex(of: UInt8(ascii: ";"))
        else { return nil }
        let name = String(decoding: inside[..<end], as: UTF8.self)
        return codes[name].map { (name, $0) }
    }

    /// Moves what goes up to an end mark; all of it where there is none, which the parser will refuse.
    private static func move(past mark: String, from rest: inout ArraySlice<UInt8>, to result: inout [UInt8]) {
        let mark = Array(mark.utf8)
        // Past the `<!--` first: in `<!-->` no comment ends.
        var end = min(rest.startIndex + 4, rest.endIndex)
        while end < rest.endIndex, !rest[end...].starts(with: mark) { end += 1 }
        end = min(end + mark.count, rest.endIndex)
        result.append(contentsOf: rest[..<end])
        rest = rest[end...]
    }
}
