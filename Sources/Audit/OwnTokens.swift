/// Finds the tokens of ours that are no JWT by their shape: a reference token is a name of 22 base64url characters, a dot
/// and a proof of 43; a refresh token has a number and a dot between both.
enum OwnTokens {
    private static let nameLength = 22
    private static let proofLength = 43

    /// A text with every such token replaced.
    static func removed(from text: String) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var kept = 0
        for dot in bytes.indices where bytes[dot] == UInt8(ascii: ".") && dot >= kept {
            let proof = bytes[(dot + 1)...].prefix(while: isOfToken)
            guard proof.count == proofLength, let start = nameStart(before: dot, in: bytes), start >= kept else {
                continue
            }
            result += bytes[kept..<start]
            result += Array(SecretScrubber.mark.utf8)
            kept = proof.endIndex
        }
        return kept == 0 ? text : String(decoding: result + bytes[kept...], as: UTF8.self)
    }

    /// Whether a dot with as much behind it as a proof has stands at a place; such a text has to be read.
    static func mayEnd(at dot: Int, of text: UnsafeBufferPointer<UInt8>) -> Bool {
        dot + proofLength < text.count && text[(dot + 1)...(dot + proofLength)].allSatisfy(isOfToken)
    }

    /// Where the name of a token begins whose proof follows a dot; nil where none ends there.
    private static func nameStart(before dot: Int, in bytes: [UInt8]) -> Int? {
        var end = dot
        var digits = dot
        while digits > 0, (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= bytes[digits - 1] { digits -= 1 }
        if digits < dot, digits > 0, bytes[digits - 1] == UInt8(ascii: ".") { end = digits - 1 }
        let start = end - nameLength
        guard start >= 0, bytes[start..<end].allSatisfy(isOfToken) else { return nil }
        return start
    }

    private static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
