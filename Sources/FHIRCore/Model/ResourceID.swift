/// The logical id of a resource: FHIR's `id` datatype, `[A-Za-z0-9\-.]{1,64}`, and never a dot segment.
public struct ResourceID: Hashable, Sendable, CustomStringConvertible, Comparable {
    /// The id as written.
    public let text: String

    /// The id, or nil when the text is none.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        guard LogicalID.isValid(text.utf8) else { return nil }
        self.text = text
    }

    /// The id, or nil when the bytes are none.
    package init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        guard LogicalID.isValid(bytes) else { return nil }
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// The id as written.
    public var description: String { text }

    /// Ids are ordered by their text.
    public static func < (left: ResourceID, right: ResourceID) -> Bool { left.text < right.text }
}

/// The id of one version of a resource, with the same grammar as ``ResourceID``.
public struct VersionID: Hashable, Sendable, CustomStringConvertible {
    /// The version id as written.
    public let text: String

    /// The version id, or nil when the text is none.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        guard LogicalID.isValid(text.utf8) else { return nil }
        self.text = text
    }

    /// The version id, or nil when the bytes are none.
    package init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        guard LogicalID.isValid(bytes) else { return nil }
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// The version id as written.
    public var description: String { text }
}

/// FHIR R4 datatypes, `id`.
enum LogicalID {
    static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        guard (1...64).contains(bytes.count) else { return false }
        // `.` and `..` match the pattern of the specification and mean something else in a path.
        if bytes.count <= 2, bytes.allSatisfy({ $0 == UInt8(ascii: ".") }) { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }
}
