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
    /// `urn:…`, whole.
    case urn(String)
    /// `Type?…`: a search in the place of a reference.
    case conditional(String)
    /// Anything else.
    case other(String)

    /// Sorts a reference by its form; every text has one.
    public init(_ text: String) {
        if text.hasPrefix("#") {
            self = .fragment(String(text.dropFirst()))
        } else if text.hasPrefix("urn:") {
            self = .urn(text)
        } else if text.contains("?") {
            self = .conditional(text)
        } else {
            self = LiteralReference.named(text) ?? .other(text)
        }
    }

    private static func named(_ text: String) -> LiteralReference? {
        var segments = text.split(separator: "/", omittingEmptySubsequences: false)
        var version: VersionID?
        if segments.count >= 4, segments[segments.count - 2] == "_history" {
            guard let found = VersionID(segments[segments.count - 1]) else { return nil }
            version = found
            segments.removeLast(2)
        }
        guard segments.count >= 2, let type = ResourceType(rawValue: String(segments[segments.count - 2])),
            let id = ResourceID(segments[segments.count - 1])
        else { return nil }
        let key = InstanceKey(type: type, id: id)
        if segments.count == 2 { return .relative(key, version) }
        let base = segments.dropLast(2).joined(separator: "/")
        return isBase(base) ? .absolute(base: base, key, version) : nil
    }

    /// An `http` or `https` base with a host and nothing in it that two readers could read differently.
    private static func isBase(_ text: String) -> Bool {
        let rest: Substring
        if text.hasPrefix("https://") {
            rest = text.dropFirst(8)
        } else if text.hasPrefix("http://") {
            rest = text.dropFirst(7)
        } else {
            return false
        }
        let segments = rest.split(separator: "/", omittingEmptySubsequences: false)
        guard segments.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { return false }
        return rest.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "["), UInt8(ascii: "]"),
                UInt8(ascii: "$"):
                true
            default: false
            }
        }
    }

    /// The resource that the reference names, on whatever server; nil for the forms that name none.
    public var key: InstanceKey? {
        switch self {
        case .relative(let key, _), .absolute(_, let key, _): key
        case .fragment, .urn, .conditional, .other: nil
        }
    }
}
