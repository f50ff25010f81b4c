/// The bounds within which a JSON text is read.
public struct JSONLimits: Hashable, Sendable {
    /// How many containers may stand inside one another; an outermost object is depth 1.
    public var maxDepth: Int
    /// How many bytes the text may have.
    public var maxBytes: Int

    /// Limits with the house's defaults: depth 64 and 8 MiB.
    public init(maxDepth: Int = 64, maxBytes: Int = 8 << 20) {
        self.maxDepth = maxDepth
        self.maxBytes = maxBytes
    }

    /// Depth 64 and 8 MiB.
    public static let `default` = JSONLimits()
}

/// Why a text is not the strict JSON that we read, and where.
public struct JSONSyntaxError: Error, Hashable, Sendable {
    /// What was wrong.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        /// The text ended inside a value.
        case unexpectedEnd
        /// A byte that cannot stand here; a byte order mark is one.
        case unexpectedByte
        /// Bytes that are not UTF-8 (RFC 3629): overlong, surrogate, out of range or cut off.
        case invalidUTF8
        /// An unescaped control character in a string.
        case controlCharacter
        /// A backslash that begins no escape of RFC 8259 §7.
        case invalidEscape
        /// An escaped surrogate without its other half.
        case loneSurrogate
        /// A number outside the grammar of RFC 8259 §6.
        case invalidNumber
        /// An object with two members of one name, compared after unescaping.
        case duplicateKey
        /// More containers inside one another than the limit.
        case tooDeep
        /// More bytes than the limit.
        case tooLarge
        /// Something other than white space after the value.
        case trailingData
    }

    /// What was wrong.
    public let code: Code
    /// The byte at which it was noticed.
    public let offset: Int

    /// An error at a byte.
    public init(code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// A text without any of the document's content, fit to be shown.
    public var summary: String { "not the JSON that is accepted here: \(code.rawValue) at byte \(offset)" }
}
