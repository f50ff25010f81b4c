/// A distinguished name (RFC 5280 §4.1.2.4): sets of typed texts, the most general first.
///
/// Two are equal when their parts are, one by one and letter by letter: whoever registers a client writes the name as it
/// stands in the certificate.
public struct DistinguishedName: Hashable, Sendable {
    /// One attribute: its type as an object identifier in dots, and its text as bytes, because texts that Unicode holds
    /// for equivalent (the Kelvin sign and K) are names of different holders.
    struct Attribute: Hashable, Sendable {
        let type: String
        let text: [UInt8]

        init(type: String, text: String) {
            self.type = type
            self.text = Array(text.utf8)
        }
    }

    /// The parts in the order of the certificate.
    let parts: [Set<Attribute>]

    /// The short names that a text may use for types (RFC 4514 §3, and the two that everybody uses).
    private static let shortNames: [String: String] = [
        "CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8",
        "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "DC": "0.9.2342.19200300.100.1.25",
        "UID": "0.9.2342.19200300.100.1.1", "EMAILADDRESS": "1.2.840.113549.1.9.1",
    ]

    /// Reads the text of RFC 4514, in which the most special part comes first; nil when it is none, is empty, or has
    /// values in hexadecimal.
    public init?(_ text: String) {
        guard text.utf8.count <= 1024 else { return nil }
        var parts: [Set<Attribute>] = []
        for part in Self.split(text, at: ",") {
            var attributes: Set<Attribute> = []
            for item in Self.split(part, at: "+") {
                guard let attribute = Self.attribute(item), attributes.insert(attribute).inserted else { return nil }
            }
            parts.append(attributes)
        }
        guard !parts.isEmpty else { return nil }
        self.parts = parts.reversed()
    }

    init?(der value: DERReader.Value) {
        var reader = value.inner
        guard let sets = try? reader.readAll() else { return nil }
        var parts: [Set<Attribute>] = []
        for set in sets {
            var inside = set.inner
            guard set.tag == 0x31, let items = try? inside.readAll() else { return nil }
            var attributes: Set<Attribute> = []
            for item in items {
                guard let attribute = Self.attribute(item), attributes.insert(attribute).inserted else { return nil }
            }
            parts.append(attributes)
        }
        guard !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.parts = parts
    }

    private static func attribute(_ value: DERReader.Value) -> Attribute? {
        var reader = value.inner
        guard value.tag == 0x30, let identifier = try? reader.read(0x06), let text = try? reader.read(), reader.isAtEnd,
            let type = dotted(identifier.content)
        else { return nil }
        // UTF8String, PrintableString and IA5String; the others can be read in more than one way.
        guard [0x0C, 0x13, 0x16].contains(text.tag),
            text.tag == 0x0C || text.content.allSatisfy({ (0x20...0x7E).contains($0) }),
            let string = String(validating: text.content, as: UTF8.self), !string.utf8.contains(0)
        else { return nil }
        return Attribute(type: type, text: string)
    }

    private static func dotted(_ bytes: ArraySlice<UInt8>) -> String? {
        var numbers: [UInt64] = []
        var number: UInt64 = 0
        for byte in bytes {
            guard number < 1 << 50 else { return nil }
            number = number << 7 | UInt64(byte & 0x7F)
            guard byte & 0x80 == 0 else { continue }
            if numbers.isEmpty {
                let first = min(number / 40, 2)
                numbers = [first, number - first * 40]
            } else {
                numbers.append(number)
            }
            number = 0
        }
        guard let last = bytes.last, last & 0x80 == 0 else { return nil }
        return numbers.map(String.init).joined(separator: ".")
    }

    private static func attribute(_ text: String) -> Attribute? {
        guard let mark = text.unicodeScalars.firstIndex(of: "=") else { return nil }
        let name = text[..<mark].drop { $0 == " " }
        guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        let isDotted = name.contains(".") && name.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
        guard let type = isDotted ? String(name) : shortNames[name.uppercased()],
            let value = unescaped(text[text.unicodeScalars.index(after: mark)...]), !value.isEmpty
        else { return nil }
        return Attribute(type: type, text: value)
    }

    /// Splits where the separator is not escaped.
    private static func split(_ text: String, at separator: Unicode.Scalar) -> [String] {
        var parts = [String.UnicodeScalarView()]
        var isEscaped = false
        // By scalars: a mark that combines with a comma does not make it another letter of the name.
        for scalar in text.unicodeScalars {
            if scalar == separator, !isEscaped {
                parts.append(String.UnicodeScalarView())
                continue
            }
            isEscaped = scalar == "\\" && !isEscaped
            parts[parts.count - 1].append(scalar)
        }
        return parts.map { String($0) }
    }

    /// RFC 4514 §3: a backslash before a special character or before two hexadecimal digits.
    private static func unescaped(_ text: Substring) -> String? {
        guard !text.hasPrefix("#"), text.first != " ", text.last != " " || text.hasSuffix("\\ ") else { return nil }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                // Quotes and the like must be escaped, or the text means something else than it shows.
                guard !"\"<>;".utf8.contains(byte) else { return nil }
                bytes.append(byte)
                continue
            }
            guard let next = rest.first else { return nil }
            if " \"#+,;<=>\\".utf8.contains(next) {
                bytes.append(next)
                rest = rest.dropFirst()
            } else {
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            }
        }
        guard !bytes.contains(0) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
