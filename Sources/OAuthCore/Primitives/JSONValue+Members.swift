package import FHIRCore

extension JSONValue {
    /// An object of the members that have a value, in the order given.
    package static func members(_ members: [(name: String, value: JSONValue?)]) -> JSONValue {
        .object(members.compactMap { member in member.value.map { JSONMemberValue(member.name, $0) } })
    }

    /// An array of strings.
    package static func strings(_ texts: some Sequence<String>) -> JSONValue { .array(texts.map { .string($0) }) }

    /// The strings of an array of nothing but strings; nil for anything else.
    package var stringArray: [String]? {
        guard let array else { return nil }
        let texts = array.compactMap(\.string)
        return texts.count == array.count ? texts : nil
    }

    /// Whether the value is an object.
    package var isObject: Bool { object != nil }
}

extension JSONLimits {
    /// Limits for control-plane documents, which are small and flat.
    package static func controlPlane(maxBytes: Int) -> JSONLimits {
        var limits = JSONLimits.default
        limits.maxDepth = 16
        limits.maxBytes = maxBytes
        return limits
    }
}
