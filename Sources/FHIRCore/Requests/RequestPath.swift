/// A path below the FHIR base, taken apart and found clean.
///
/// A legal FHIR path needs no percent-encoding but `%24` for `$`. Whatever could be read differently by somebody
/// behind us (other escapes, `;`, `\`, empty and dot segments) is refused, not repaired.
struct RequestPath: Hashable, Sendable {
    enum Segment: Hashable, Sendable {
        /// Letters, digits, `-`, `.`: a type, an id, or neither.
        case name(String)
        /// `$name`, without the `$`.
        case operation(String)
        case search, history, page, star
        /// What follows `_page`.
        case opaque(String)
    }

    let segments: [Segment]

    /// Takes a raw path apart: empty, or beginning with `/`.
    init(_ raw: String) throws(RequestRefusal) {
        guard !raw.isEmpty, raw != "/" else {
            segments = []
            return
        }
        guard raw.utf8.first == UInt8(ascii: "/") else { throw RequestPath.refusal }
        var result: [Segment] = []
        for part in raw.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let text = String(validating: part, as: UTF8.self) else { throw RequestPath.refusal }
            result.append(try RequestPath.segment(text, after: result.last))
        }
        segments = result
    }

    private static let refusal = RequestRefusal.invalid("the path has a segment that no FHIR path can have")

    private static func segment(_ text: String, after previous: Segment?) throws(RequestRefusal) -> Segment {
        if previous == .page {
            guard (1...FHIRInteraction.longestPage).contains(text.utf8.count), text.utf8.allSatisfy(isOpaqueByte) else {
                throw refusal
            }
            return .opaque(text)
        }
        switch text {
        case "_search": return .search
        case "_history": return .history
        case "_page": return .page
        case "*": return .star
        default: break
        }
        if text.hasPrefix("$") || text.hasPrefix("%24") {
            let name = text.hasPrefix("$") ? text.dropFirst() : text.dropFirst(3)
            guard isOperationName(name) else { throw refusal }
            return .operation(String(name))
        }
        // The grammar of an id contains that of a type; `.` and `..` are not in it.
        guard LogicalID.isValid(text.utf8) else { throw refusal }
        return .name(text)
    }

    /// `[a-z][A-Za-z0-9-]{0,63}`
    private static func isOperationName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= first else { return false }
        return text.utf8.count <= 64
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    /// The alphabet of base64url.
    private static func isOpaqueByte(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20 || (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
    }
}
