internal import Foundation

/// The network that an address belongs to, as far as refusals are told apart: /24 of IPv4, /48 of IPv6.
///
/// Whoever wants to fill the log has as many addresses as a network has, but not as many networks.
public struct SourceClass: Hashable, Sendable {
    /// The network, such as `192.0.2.0/24`, or a word for what has none.
    public let text: String

    /// Where an address is not known or is none.
    public static let unknown = SourceClass(text: "unknown")
    /// The sources beyond those that are told apart.
    public static let others = SourceClass(text: "others")

    private init(text: String) { self.text = text }

    /// The class of an address as it stands in records; `unknown` for what is no address.
    public init(of address: String?) {
        guard let address else {
            self = .unknown
            return
        }
        let host = address.prefix { $0 != "%" }
        self = Self.version4(host) ?? Self.version6(host) ?? .unknown
    }

    private static func version4(_ text: Substring) -> SourceClass? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { UInt8($0) }
        guard parts.count == 4, bytes.count == 4 else { return nil }
        return SourceClass(text: "\(bytes[0]).\(bytes[1]).\(bytes[2]).0/24")
    }

    private static func version6(_ text: Substring) -> SourceClass? {
        guard text.contains(":"), text.utf8.count <= 45 else { return nil }
        // An IPv4 address in the clothes of IPv6 is one of IPv4.
        if text.lowercased().hasPrefix("::ffff:"), let mapped = version4(text.dropFirst(7)) { return mapped }
        let halves = String(text).components(separatedBy: "::")
        guard halves.count <= 2 else { return nil }
        let leading = halves[0].isEmpty ? [] : halves[0].split(separator: ":", omittingEmptySubsequences: false)
        let trailing =
            halves.count == 1 || halves[1].isEmpty
            ? [] : halves[1].split(separator: ":", omittingEmptySubsequences: false)
        // Four last bytes may be written as IPv4: two groups.
        let trailingCount = trailing.count + (trailing.last?.contains(".") == true ? 1 : 0)
        guard halves.count == 2 ? leading.count + trailingCount < 8 : leading.count == 8 else { return nil }
        let filled = leading.map(String.init) + Array(repeating: "0", count: 8 - leading.count - trailingCount)
        let groups = (filled + trailing.map(String.init)).prefix(3).compactMap { UInt16($0, radix: 16) }
        guard groups.count == 3 else { return nil }
        let network = groups.map { String($0, radix: 16) }.joined(separator: ":")
        return SourceClass(text: "\(network)::/48")
    }
}
