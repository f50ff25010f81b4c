extension String {
    /// Whether this is a header field's name, given in lower case, in any case of ASCII (RFC 9110 §5.1).
    func equalsIgnoringCase(_ lowercased: StaticString) -> Bool {
        guard utf8.count == lowercased.utf8CodeUnitCount else { return false }
        var name = self
        return name.withUTF8 { name in
            lowercased.withUTF8Buffer { wanted in
                for (byte, wanted) in zip(name, wanted)
                where ((UInt8(ascii: "A")...UInt8(ascii: "Z")) ~= byte ? byte | 0x20 : byte) != wanted {
                    return false
                }
                return true
            }
        }
    }
}
