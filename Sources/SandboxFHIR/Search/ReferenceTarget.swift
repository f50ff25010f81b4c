internal import FHIRCore

/// What the text of a reference points at, as the sandbox reads it.
struct ReferenceTarget: Hashable, Sendable {
    /// The server that an absolute reference names, empty for a relative one.
    let base: String
    /// The type and id of a reference to a resource; absent for URNs, canonical URLs and the like.
    let type: String?
    let id: String?
    /// The reference as it was written, without its version.
    let url: String

    /// Reads a literal reference; fragments (`#x`) point into their own resource and give nothing.
    init?(_ text: String) {
        guard !text.isEmpty, !text.hasPrefix("#") else { return nil }
        guard !text.contains("?"), let parsed = ReferenceTarget.restful(text) else {
            (base, type, id, url) = ("", nil, nil, text)
            return
        }
        self = parsed
    }

    private init(base: String, type: String, id: String) {
        (self.base, self.type, self.id) = (base, type, id)
        url = base.isEmpty ? "\(type)/\(id)" : "\(base)/\(type)/\(id)"
    }

    /// `[base/]Type/id[/_history/version]`
    private static func restful(_ text: String) -> ReferenceTarget? {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if parts.count >= 4, parts[parts.count - 2] == "_history" { parts.removeLast(2) }
        guard parts.count >= 2, let id = ResourceID(parts[parts.count - 1]),
            ResourceType(rawValue: parts[parts.count - 2]) != nil
        else { return nil }
        let type = parts[parts.count - 2]
        let base = parts.dropLast(2).joined(separator: "/")
        guard base.isEmpty || base.hasPrefix("http://") || base.hasPrefix("https://") else { return nil }
        return ReferenceTarget(base: base, type: type, id: id.text)
    }

    /// The type of resource that a Reference element points at, where reading it tells.
    static func type(of element: JSONValue, in resource: JSONValue) -> String? {
        guard let text = element["reference"]?.string else { return element["type"]?.string }
        if text.hasPrefix("#") {
            let name = String(text.dropFirst())
            if name.isEmpty { return resource["resourceType"]?.string }
            let contained = resource["contained"]?.flattened ?? []
            return contained.first { $0["id"]?.string == name }?["resourceType"]?.string
        }
        return ReferenceTarget(text)?.type ?? element["type"]?.string
    }
}
