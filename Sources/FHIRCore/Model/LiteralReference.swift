/// What the text of a `Reference.reference` points at (FHIR R4 references.html).
///
/// Only two forms name a resource: `Type/id` and `http(s)://…/Type/id`, each optionally with `/_history/version`.
/// Every other spelling, however close, is kept apart so that nobody takes it for one of those.
public enum LiteralReference: Hashable, Sendable {
    /// `Type/id` on the server that serves the resource.
    case relative(InstanceKey, VersionID?)
    /// `base/Type/id`; the base is as written, without its last slash.
    case absolute(base: String, InstanceKey, VersionID?)
    /// `#id`: a contained resource; the text is without the `#`.
    case fragment(String)
    /// `urn:…` in ASCII, whole.
    case urn(String)
    /// `Type?…`: a search in the place of a reference.
    case conditional(String)
    /// Anything else.
    case other(String)

    /// Sorts a reference by its form; every text has one.
    public init(_ text: String) {
        var text = text
        if let plain = text.withUTF8({ LiteralReference(ascii: $0) }) {
            self = plain
        } else if text.utf8.first == UInt8(ascii: "#") {
            self = .fragment(String(text.dropFirst()))
        } else {
            // A URI is ASCII, and so are a type, an id and a base: this names no resource. It would be compared by Unicode
            // equivalence, and the protected server compares bytes.
            self = text.utf8.contains(UInt8(ascii: "?")) ? .conditional(text) : .other(text)
        }
    }

    /// Sorts UTF-8 by its form, as `init(_:)` does, and builds no string that is not kept.
    package init(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        self = LiteralReference(ascii: bytes) ?? LiteralReference(String(decoding: bytes, as: UTF8.self))
    }

    /// Nil when a byte is not ASCII.
    private init?(ascii bytes: UnsafeBufferPointer<UInt8>) {
        var isConditional = false
        for byte in bytes {
            if byte >= 0x80 { return nil }
            if byte == UInt8(ascii: "?") { isConditional = true }
        }
        if bytes.first == UInt8(ascii: "#") {
            self = .fragment(String(decoding: bytes.dropFirst(), as: UTF8.self))
        } else if bytes.starts(with: "urn:".utf8) {
            self = .urn(String(decoding: bytes, as: UTF8.self))
        } else if isConditional {
            self = .conditional(String(decoding: bytes, as: UTF8.self))
        } else {
            self = LiteralReference.named(bytes[...]) ?? .other(String(decoding: bytes, as: UTF8.self))
        }
    }

    private static func named(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> LiteralReference? {
        var rest = text
        func takeLast() -> UnsafeBufferPointer<UInt8>? {
            guard let place = rest.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            defer { rest = rest[..<place] }
            return UnsafeBufferPointer(rebasing: rest[rest.index(after: place)...])
        }
        guard var last = takeLast() else { return nil }
        var version: VersionID?
        if rest.count > 9, rest.suffix(9).elementsEqual("/_history".utf8) {
            guard let found = VersionID(utf8: last), takeLast() != nil, let id = takeLast() else { return nil }
            version = found
            last = id
        }
        guard let id = ResourceID(utf8: last) else { return nil }
        // What is left is `Type`, or a base and `/Type`.
        guard rest.contains(UInt8(ascii: "/")) else {
            return ResourceType(utf8: UnsafeBufferPointer(rebasing: rest))
                .map { .relative(InstanceKey(type: $0, id: id), version) }
        }
        guard let name = takeLast(), let type = ResourceType(utf8: name), isBase(rest) else { return nil }
        return .absolute(
            base: String(decoding: UnsafeBufferPointer(rebasing: rest), as: UTF8.self),
            InstanceKey(type: type, id: id), version)
    }

    /// An `http` or `https` base with a host and nothing in it that two readers could read differently.
    private static func isBase(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let rest: Slice<UnsafeBufferPointer<UInt8>>
        if text.starts(with: "https://".utf8) {
            rest = text.dropFirst(8)
        } else if text.starts(with: "http://".utf8) {
            rest = text.dropFirst(7)
        } else {
            return false
        }
        var length = 0
        var isDots = true
        for byte in rest {
            switch byte {
            case UInt8(ascii: "/"):
                // An empty segment, `.` or `..`.
                guard length > 0, !(isDots && length <= 2) else { return false }
                (length, isDots) = (0, true)
                continue
            case UInt8(ascii: "."): break
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"),
                UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "$"):
                isDots = false
            default: return false
            }
            length += 1
        }
        return length > 0 && !(isDots && length <= 2)
    }

    /// The resource that the reference names, on whatever server; nil for the forms that name none.
    public var key: InstanceKey? {
        switch self {
        case .relative(let key, _), .absolute(_, let key, _): key
        case .fragment, .urn, .conditional, .other: nil
        }
    }
}
