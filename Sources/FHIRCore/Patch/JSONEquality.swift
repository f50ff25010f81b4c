extension JSONValue {
    /// Whether two values are equal in the sense of RFC 6902 §4.6: numbers by their value, objects without regard to the
    /// order of their members.
    public func isEqual(to other: JSONValue) -> Bool {
        switch (self, other) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.int, .int), (.int, .number), (.number, .int), (.number, .number):
            DecimalNumber(numberText) == DecimalNumber(other.numberText)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isEqual(to: $1) }
        case (.object(let left), .object(let right)): JSONValue.areEqual(left, right)
        case (.null, _), (.bool, _), (.string, _), (.int, _), (.number, _), (.array, _), (.object, _): false
        }
    }

    /// By a table of the names' bytes, so that the work is that of reading both. Of members of one name the first
    /// counts.
    private static func areEqual(_ left: [JSONMemberValue], _ right: [JSONMemberValue]) -> Bool {
        guard left.count == right.count else { return false }
        let values = Dictionary(right.map { (Array($0.name.utf8), $0.value) }) { first, _ in first }
        return left.allSatisfy { values[Array($0.name.utf8)]?.isEqual(to: $0.value) ?? false }
    }

    private var numberText: String {
        switch self {
        case .int(let value): String(value)
        case .number(let number): number.text
        case .null, .bool, .string, .array, .object: ""
        }
    }

    /// How many bytes the value takes at least, and how deep it is; a value without parts has depth 0.
    var extent: (bytes: Int, depth: Int) {
        switch self {
        case .null, .bool: (4, 0)
        case .int: (8, 0)
        case .number(let number): (number.text.utf8.count, 0)
        case .string(let text): (text.utf8.count + 2, 0)
        case .array(let elements):
            elements.reduce(into: (bytes: 2, depth: 1)) { sum, element in
                let extent = element.extent
                sum = (sum.bytes + extent.bytes + 1, max(sum.depth, extent.depth + 1))
            }
        case .object(let members):
            members.reduce(into: (bytes: 2, depth: 1)) { sum, member in
                let extent = member.value.extent
                sum = (sum.bytes + extent.bytes + member.name.utf8.count + 4, max(sum.depth, extent.depth + 1))
            }
        }
    }
}

/// A JSON number as digits and an exponent, without what does not change its value.
private struct DecimalNumber: Equatable {
    private var isNegative = false
    /// Without zeros at either end; empty for zero.
    private var digits: [UInt8] = []
    private var exponent = 0
    /// The text itself where its exponent is beyond counting; then only the same text is equal.
    private var uncounted: String?

    init(_ text: String) {
        let parts = text.utf8.split(maxSplits: 1, omittingEmptySubsequences: false) {
            $0 | 0x20 == UInt8(ascii: "e")
        }
        var mantissa = parts[0]
        if mantissa.first == UInt8(ascii: "-") {
            isNegative = true
            mantissa = mantissa.dropFirst()
        }
        if parts.count == 2 {
            let power = parts[1].first == UInt8(ascii: "+") ? parts[1].dropFirst() : parts[1]
            // Far below the limits of Int, so that what is added to it cannot overflow.
            guard power.count <= 12, let value = Int(String(Substring(power))) else {
                uncounted = text
                return
            }
            exponent = value
        }
        let halves = mantissa.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        digits = Array(halves[0])
        if halves.count == 2 {
            digits += halves[1]
            exponent -= halves[1].count
        }
        normalize()
    }

    private mutating func normalize() {
        let zero = UInt8(ascii: "0")
        digits = Array(digits.drop { $0 == zero })
        while digits.last == zero {
            digits.removeLast()
            exponent += 1
        }
        if digits.isEmpty { (isNegative, exponent) = (false, 0) }
    }
}
