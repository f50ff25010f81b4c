internal import FHIRCore

/// Turns addresses of the protected server into ours, wherever in a text they stand.
///
/// Below the base an address keeps its meaning: what begins with the upstream's base begins with the public one.
/// Elsewhere on the upstream's host nothing is reachable for a client; there the name alone is replaced, so that no
/// text tells where the protected server stands.
struct AddressMap: Hashable, Sendable {
    /// What follows from the two bases. A class so that handing a map on costs one reference count; nothing in it
    /// changes.
    private final class Facts: Sendable {
        let upstreamBase: [UInt8]
        let publicBase: [UInt8]
        /// `//host`, lower case, without the port.
        let upstreamHost: [UInt8]
        let publicAuthority: [UInt8]
        /// Whether the public side has another host, so that the name alone tells something.
        let hidesHost: Bool
        let finder: HostFinder

        init(publicBase: [UInt8], upstreamBase: [UInt8]) {
            self.upstreamBase = upstreamBase
            self.publicBase = publicBase
            upstreamHost = AddressMap.host(upstreamBase).map(AddressMap.lowercased)
            publicAuthority = AddressMap.authority(publicBase)
            hidesHost = AddressMap.host(publicBase).map(AddressMap.lowercased) != upstreamHost
            finder = HostFinder(lowercased: Array(upstreamHost.dropFirst(2)))
        }
    }

    private let facts: Facts

    private var upstreamBase: [UInt8] { facts.upstreamBase }
    private var publicBase: [UInt8] { facts.publicBase }
    private var upstreamHost: [UInt8] { facts.upstreamHost }

    init(publicBase: String, upstreamBase: String) {
        facts = Facts(publicBase: Array(publicBase.utf8), upstreamBase: Array(upstreamBase.utf8))
    }

    /// Two maps of the same bases are equal.
    static func == (left: AddressMap, right: AddressMap) -> Bool {
        left.facts === right.facts
            || (left.publicBase == right.publicBase && left.upstreamBase == right.upstreamBase)
    }

    /// Hashes the two bases.
    func hash(into hasher: inout Hasher) {
        hasher.combine(publicBase)
        hasher.combine(upstreamBase)
    }

    /// The policy's map, if this text may name the upstream; one with escapes may spell it in another way.
    init?(_ policy: ServerPolicy, for document: JSONDocument) {
        let map = policy.addresses
        guard map.upstreamBase != map.publicBase, !mutated(.upstreamNamesShown),
            map.mayName(in: document, document.bytes.indices)
        else { return nil }
        self = map
    }

    /// The text with our addresses in it; nil when nothing in it is the upstream's.
    func rewritten(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        var copied = 0
        while index < bytes.count {
            let replacement: [UInt8]
            let length: Int
            if matchesBase(bytes, at: index) {
                (replacement, length) = (publicBase, upstreamBase.count)
            } else if facts.hidesHost, let found = hostLength(bytes, at: index) {
                (replacement, length) = (facts.publicAuthority, found)
            } else {
                index += 1
                continue
            }
            result += bytes[copied..<index]
            result += replacement
            index += length
            copied = index
        }
        guard copied > 0 else { return nil }
        return String(decoding: result + bytes[copied...], as: UTF8.self)
    }

    /// Whether the upstream's base stands here and ends here.
    private func matchesBase(_ bytes: [UInt8], at index: Int) -> Bool {
        guard bytes[index] == upstreamBase.first, bytes[index...].starts(with: upstreamBase) else { return false }
        let end = index + upstreamBase.count
        return end == bytes.count || !AddressMap.continuesName(bytes, end)
    }

    /// The length of `//host` or `//host:port` of the upstream, if it stands here.
    private func hostLength(_ bytes: [UInt8], at index: Int) -> Int? {
        guard bytes[index] == UInt8(ascii: "/"), upstreamHost.count > 2, index + upstreamHost.count <= bytes.count,
            zip(bytes[index...], upstreamHost).allSatisfy({ AddressMap.lowercased($0) == $1 })
        else { return nil }
        var end = index + upstreamHost.count
        guard end == bytes.count || !AddressMap.continuesName(bytes, end) else { return nil }
        if end + 1 < bytes.count, bytes[end] == UInt8(ascii: ":"), AddressMap.isDigit(bytes[end + 1]) {
            end += 1
            while end < bytes.count, AddressMap.isDigit(bytes[end]) { end += 1 }
        }
        return end - index
    }

    /// Whether a part of some JSON may name the upstream: its host stands there, or an escape that could spell it.
    func mayName(in document: JSONDocument, _ range: Range<Int>) -> Bool {
        document.bytes.withUnsafeBytes { bytes in
            facts.finder.mayStand(
                in: UnsafeRawBufferPointer(rebasing: bytes[range]), mayBeSpelt: document.hasCodeUnitEscapes)
        }
    }

    // MARK: - bytes

    /// Whether the byte at a place goes on with a name: a letter, a digit, a sign, or a dot before one of them.
    private static func continuesName(_ bytes: [UInt8], _ index: Int) -> Bool {
        if bytes[index] == UInt8(ascii: ".") { return index + 1 < bytes.count && isNameByte(bytes[index + 1]) }
        return isNameByte(bytes[index])
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20 || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")) ~= byte ? byte | 0x20 : byte
    }

    /// `//host:port` of a base.
    private static func authority(_ base: [UInt8]) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        let rest = base.drop { $0 != slash }
        return Array(rest.prefix(2) + rest.dropFirst(2).prefix { $0 != slash })
    }

    /// `//host` of a base.
    private static func host(_ base: [UInt8]) -> [UInt8] {
        let all = authority(base)
        guard let colon = all.lastIndex(of: UInt8(ascii: ":")), all[(colon + 1)...].allSatisfy(isDigit) else {
            return all
        }
        return Array(all[..<colon])
    }
}
