/// Takes out of text that came from a client whatever carries a secret, before it is written down.
///
/// A token in a URL is refused (RFC 9700 §4.3.2), and the refusal is recorded; the record must not become the leak.
enum SecretScrubber {
    static let mark = "<redacted>"
    private static let longestID = 64

    /// Names of parameters whose values are never written.
    static let secretNames: Set<String> = [
        "access_token", "actor_token", "assertion", "authorization", "bearer_token", "client_assertion",
        "client_secret", "code_verifier", "dpop", "id_token", "id_token_hint", "launch", "password", "refresh_token",
        "registration_access_token", "subject_token", "token",
    ]

    /// A query or form with the values of secret parameters replaced.
    ///
    /// `code` is not among the names: in a FHIR search it is a clinical code, and authorization codes are not sent here.
    static func scrub(query: String) -> String {
        SecretSigns.mayStand(inQuery: query) ? readAndScrub(query: query) : query
    }

    static func readAndScrub(query: String) -> String {
        let parts = query.split(separator: "&", omittingEmptySubsequences: false).map { part -> String in
            guard let equals = part.firstIndex(of: "=") else { return readAndScrub(String(part)) }
            let name = decoded(part[..<equals]).lowercased()
            guard !isSecret(name) else { return "\(part[...equals])\(mark)" }
            return readAndScrub(String(part))
        }
        return parts.joined(separator: "&")
    }

    private static func isSecret(_ name: String) -> Bool {
        secretNames.contains(String(name.prefix { $0 != ":" && $0 != "." }))
    }

    /// A text with everything in it that looks like a signed token replaced: what begins like one and is longer than the
    /// id of a resource may be (FHIR R4 §2.24.0.1, 64 characters), which no whole token is short enough for. A shorter one
    /// may be an id that somebody chose to look so, and accesses to it must be named.
    static func scrub(_ text: String) -> String {
        SecretSigns.mayStand(in: text) ? readAndScrub(text) : text
    }

    static func readAndScrub(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "eyJ")?.lowerBound {
            result += rest[..<start]
            let token = rest[start...].prefix { isTokenCharacter($0) }
            result += token.utf8.count > longestID ? mark : String(token)
            rest = rest[token.endIndex...]
        }
        return afterBearer(OwnTokens.removed(from: result + rest))
    }

    /// What follows the word `Bearer` replaced, for tokens that do not look like a JWT. A blank may stand as in a query;
    /// the token ends at a real blank or with the parameter.
    private static func afterBearer(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let blanks = [" ", "\t", "+", "%20", "%09"].map { Array($0.utf8) }
        func blank(at place: Int) -> Int { blanks.first { bytes[place...].starts(with: $0) }?.count ?? 0 }
        var result: [UInt8] = []
        var place = 0
        while place < bytes.count {
            guard SecretSigns.isBearer(bytes[place...]) else {
                result.append(bytes[place])
                place += 1
                continue
            }
            var end = place + 6
            while end < bytes.count, blank(at: end) > 0 { end += blank(at: end) }
            result += bytes[place..<end]
            let token = bytes[end...].prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "&") }
            if end > place + 6, !token.isEmpty {
                result += Array(mark.utf8)
                end = token.endIndex
            }
            place = end
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func isTokenCharacter(_ character: Character) -> Bool {
        guard let ascii = character.asciiValue else { return false }
        return switch ascii {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "="), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// The name with percent escapes and plus signs undone, so that `acces%73_token` is known for what it is.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.first {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
