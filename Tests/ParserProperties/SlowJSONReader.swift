package import FHIRCore

/// A second reader of JSON, written for the tests without a look at the first: recursive, over decoded scalars,
/// building values. It knows the same rules and shares nothing.
package struct SlowJSONReader {
    struct Refused: Error {}

    private var scalars: [Unicode.Scalar]
    private var place = 0
    private let maxDepth: Int

    /// The value of a text; nil when it is not the strict JSON that we read.
    package static func value(of bytes: [UInt8], maxDepth: Int = 64) -> JSONValue? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var parser = SlowJSONReader(scalars: Array(text.unicodeScalars), maxDepth: maxDepth)
        guard let value = try? parser.element(depth: 0), parser.place == parser.scalars.count else { return nil }
        return value
    }

    private init(scalars: [Unicode.Scalar], maxDepth: Int) {
        self.scalars = scalars
        self.maxDepth = maxDepth
    }

    private var current: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private mutating func space() {
        while let scalar = current, [" ", "\t", "\n", "\r"].contains(scalar) { place += 1 }
    }

    private mutating func expect(_ scalar: Unicode.Scalar) throws {
        guard current == scalar else { throw Refused() }
        place += 1
    }

    private mutating func word(_ text: String) throws {
        for scalar in text.unicodeScalars { try expect(scalar) }
    }

    private mutating func element(depth: Int) throws -> JSONValue {
        space()
        defer { space() }
        switch current {
        case "{": return try object(depth: depth + 1)
        case "[": return try array(depth: depth + 1)
        case "\"": return .string(try string())
        case "t":
            try word("true")
            return .bool(true)
        case "f":
            try word("false")
            return .bool(false)
        case "n":
            try word("null")
            return .null
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws -> JSONValue {
        guard depth <= maxDepth else { throw Refused() }
        try expect("{")
        space()
        var members: [JSONMemberValue] = []
        var seen: Set<[UInt8]> = []
        if current == "}" {
            place += 1
            return .object([])
        }
        while true {
            space()
            let name = try string()
            guard seen.insert(Array(name.utf8)).inserted else { throw Refused() }
            space()
            try expect(":")
            members.append(JSONMemberValue(name, try element(depth: depth)))
            if current == "," {
                place += 1
            } else {
                try expect("}")
                return .object(members)
            }
        }
    }

    private mutating func array(depth: Int) throws -> JSONValue {
        guard depth <= maxDepth else { throw Refused() }
        try expect("[")
        space()
        var elements: [JSONValue] = []
        if current == "]" {
            place += 1
            return .array([])
        }
        while true {
            elements.append(try element(depth: depth))
            if current == "," {
                place += 1
            } else {
                try expect("]")
                return .array(elements)
            }
        }
    }

    private mutating func string() throws -> String {
        try expect("\"")
        var units: [UInt16] = []
        while let scalar = current, scalar != "\"" {
            place += 1
            guard scalar.value >= 0x20 else { throw Refused() }
            guard scalar == "\\" else {
                units += Array(String(scalar).utf16)
                continue
            }
            guard let escape = current else { throw Refused() }
            place += 1
            switch escape {
            case "\"", "\\", "/": units += Array(String(escape).utf16)
            case "b": units.append(8)
            case "f": units.append(12)
            case "n": units.append(10)
            case "r": units.append(13)
            case "t": units.append(9)
            case "u": units.append(try hex())
            default: throw Refused()
            }
        }
        try expect("\"")
        guard let text = String(validating: units, as: UTF16.self) else { throw Refused() }
        return text
    }

    private mutating func hex() throws -> UInt16 {
        guard place + 4 <= scalars.count else { throw Refused() }
        let digits = scalars[place..<place + 4]
        guard digits.allSatisfy({ $0.properties.isASCIIHexDigit }) else { throw Refused() }
        place += 4
        return UInt16(String(String.UnicodeScalarView(digits)), radix: 16)!
    }

    private mutating func number() throws -> JSONValue {
        let start = place
        while let scalar = current, "+-.0123456789eE".unicodeScalars.contains(scalar) { place += 1 }
        let text = String(String.UnicodeScalarView(scalars[start..<place]))
        guard text.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/) != nil else { throw Refused() }
        if let value = Int64(text), text == "\(value)" { return .int(value) }
        guard let number = JSONNumber(text) else { throw Refused() }
        return .number(number)
    }
}
