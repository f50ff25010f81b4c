/// The bounds within which resources are converted.
public struct XMLLimits: Hashable, Sendable {
    /// How many bytes may go in.
    public var maxBytes: Int
    /// How many elements may stand inside one another, those of a narrative included. libxml2 itself ends at 256.
    public var maxDepth: Int
    /// How many attributes, namespace declarations included, one element may have. Comparing each with each other is
    /// what a parser does to them.
    public var maxAttributes: Int
    /// How many bytes may come out; XML repeats names, so it is longer than the JSON.
    public var maxOutputBytes: Int

    /// Limits with the house's defaults: 16 MiB in, depth 128, 32 attributes, 64 MiB out.
    public init(
        maxBytes: Int = 16 << 20, maxDepth: Int = 128, maxAttributes: Int = 32, maxOutputBytes: Int = 64 << 20
    ) {
        self.maxBytes = maxBytes
        self.maxDepth = maxDepth
        self.maxAttributes = maxAttributes
        self.maxOutputBytes = maxOutputBytes
    }

    /// The house's defaults.
    public static let `default` = XMLLimits()
}
