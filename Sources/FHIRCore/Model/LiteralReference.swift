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
        if text.utf8.first == UInt8(ascii: "#") {
            self = .fragment(String(text.dropFirst()))
        } else if text.hasPrefix("urn:") {
            self = .urn(text)
        } else if text.utf8.contains(UInt8(ascii: "?")) {
            self = .conditional(text)
        } else {
            self = LiteralReference.named(text) ?? .other(text)
        }
    }

    private static func named(_ text: String) -> LiteralReference? {
        let slash = UInt8(ascii: "/")
        var rest = Substring(text).utf8
        func takeLast() -> Substring? {
            guard let place = rest.lastIndex(of: slash) else { return nil }
            defer { rest = rest[..<place] }
            return Substring(rest[rest.index(after: place)...])
        }
        guard var last = takeLast() else { return nil }
        var version: VersionID?
        if rest.count > 9, Substring(rest.suffix(9)) == "/_history" {
            guard let found = VersionID(last), takeLast() != nil, let id = takeLast() else { return nil }
            version = found
            last = id
        }
        guard let id = ResourceID(last) else { return nil }
        // What is left is `Type`, or a base and `/Type`.
        guard rest.contains(slash) else {
            return ResourceType(rawValue: String(Substring(rest)))
                .map { .relative(InstanceKey(type: $0, id: id), version) }
        }
        guard let name = takeLast(), let type = ResourceType(rawValue: String(name)) else { return nil }
        let base = String(Substring(rest))
        return isBase(base) ? .absolute(base: base, InstanceKey(type: type, id: id), version) : nil
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
        let segments = rest.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard segments.allSatisfy({ !$0.isEmpty && Substring($0) != "." && Substring($0) != ".." }) else {
            return false
        }
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
