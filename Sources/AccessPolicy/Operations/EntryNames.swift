internal import FHIRCore

/// New names for the entries of Bundles that are handed in to be stored or run, and what stood in their place.
///
/// The new ones are `urn:uuid:` (RFC 9562 version 8), fresh for each call: no record of any server is stored under one of
/// them, whatever a server makes of an address.
public struct EntryNames: Sendable {
    /// Where the names of this call begin: 128 random bits, of which a name has 122.
    private let seed: UInt128
    private var count: UInt128 = 0
    /// What the client wrote, by the new name. It is put back in an answer wherever a text is one of the new names and
    /// nothing else (PAS: what comes back keeps the address that it was handed in under).
    private(set) var originals: [String: String] = [:]

    /// Names of one call.
    ///
    /// - Parameter seed: see ``AccessRequest/seed``.
    public init(seed: UInt128) { self.seed = seed }

    /// A new name, for one that the client wrote.
    public mutating func name(for original: String) -> String {
        let name = Self.name(seed &+ count)
        count += 1
        originals[name] = original
        return name
    }

    private static func name(_ bits: UInt128) -> String {
        let versioned = bits & ~(0xF << 76) | 8 << 76
        let marked = versioned & ~(3 << 62) | 2 << 62
        let digits = Array(String(marked, radix: 16))
        let text = String(repeating: "0", count: 32 - digits.count) + String(digits)
        var parts: [Substring] = []
        var rest = text[...]
        for length in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return "urn:uuid:" + parts.joined(separator: "-")
    }
}
