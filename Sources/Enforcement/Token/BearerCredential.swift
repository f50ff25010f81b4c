/// The one access token of a request, or why there is none (RFC 6750 §2.1).
///
/// Only the `Authorization` header is a place for a token: the query would end in logs and the form in bodies.
enum BearerCredential: Hashable, Sendable {
    case token(String)
    /// A token that is bound to a key, with the values of the `DPoP` headers (RFC 9449 §7.1).
    case bound(String, proofs: [String])
    /// No token was sent.
    case none
    /// What stands after `Bearer` cannot be a token.
    case malformed
    /// More than one place or header speaks for the request; which of them another hop believes is not sure (ATK-192).
    case ambiguous

    /// Longest token that is looked at; ours stay below 4 kB (decision 19).
    static let limit = 16 << 10

    /// Reads every `Authorization` header, the raw query and the form body.
    init(authorization: [String], proofs: [String] = [], query: String?, form: [UInt8]?) {
        if authorization.count > 1 || Self.namesToken(query?.utf8) || Self.namesToken(form) {
            self = .ambiguous
            return
        }
        guard let header = authorization.first else {
            self = .none
            return
        }
        let word = header.utf8.prefix { $0 != UInt8(ascii: " ") }
        let scheme = String(Substring(word))
        let isBearer = scheme.equalsIgnoringCase("bearer")
        guard isBearer || scheme.equalsIgnoringCase("dpop") else {
            self = .none
            return
        }
        let token = header.utf8.dropFirst(word.count + 1)
        guard word.endIndex != header.utf8.endIndex, Self.isToken(token) else {
            self = .malformed
            return
        }
        self = isBearer ? .token(String(Substring(token))) : .bound(String(Substring(token)), proofs: proofs)
    }

    /// RFC 6750 §2.1, `b64token`; so neither a second token nor a parameter can follow (ATK-193).
    private static func isToken(_ text: Substring.UTF8View) -> Bool {
        guard !text.isEmpty, text.count <= limit else { return false }
        // A token is long, so it is looked at as a whole first; padding is rare.
        if text.withContiguousStorageIfAvailable(consistsOfTokenBytes) == true { return true }
        let body = text.prefix { $0 != UInt8(ascii: "=") }
        return !body.isEmpty && body.allSatisfy { notTokenBytes[Int($0)] == 0 }
            && text.dropFirst(body.count).allSatisfy { $0 == UInt8(ascii: "=") }
    }

    private static func consistsOfTokenBytes(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        notTokenBytes.withUnsafeBufferPointer { table in
            var found: UInt8 = 0
            for byte in text { found |= table[Int(byte)] }
            return found == 0
        }
    }

    /// 1 for every byte that cannot stand in a token before its padding, else 0.
    private static let notTokenBytes: [UInt8] = (0...255).map { (byte: UInt8) in
        isAlphanumeric(byte) || "-._~+/".utf8.contains(byte) ? 0 : 1
    }

    /// Whether a form-encoded text has a parameter called `access_token`, in any spelling that a decoder might accept.
    private static func namesToken(_ text: (some Collection<UInt8>)?) -> Bool {
        guard let text else { return false }
        return text.split(whereSeparator: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }).contains { pair in
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            // Shorter than the name itself it cannot spell it, with escapes or without.
            guard name.count >= 12 else { return false }
            return String(decoding: decoded(name), as: UTF8.self).lowercased() == "access_token"
        }
    }

    private static func decoded(_ name: some Collection<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = name[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                decoded.append(value)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }
}
