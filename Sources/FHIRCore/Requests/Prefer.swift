/// The preferences of RFC 7240 that FHIR gives a meaning (R4 http.html). Others are ignored, as the RFC says.
public struct Prefer: Hashable, Sendable {
    /// What a write is answered with.
    public enum Return: String, Hashable, Sendable {
        case minimal, representation
        case operationOutcome = "OperationOutcome"
    }

    /// What becomes of parameters that are not known.
    public enum Handling: String, Hashable, Sendable {
        case strict, lenient
    }

    /// `return`.
    public var answer: Return?
    /// `handling`.
    public var handling: Handling?

    /// No preference.
    public init() {}

    /// Reads the header's value. Of a preference given twice the first counts (RFC 7240 §2).
    public init(parsing text: String) {
        for part in text.split(separator: ",") {
            let preference = HeaderText.trimmed(part.split(separator: ";").first ?? "")
            let words = preference.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = HeaderText.trimmed(words[0]).lowercased()
            let value = words.count == 2 ? HeaderText.unquoted(HeaderText.trimmed(words[1])) : ""
            switch name {
            case "return": answer = answer ?? Return(rawValue: value)
            case "handling": handling = handling ?? Handling(rawValue: value)
            default: break
            }
        }
    }
}

/// Small readers of header values.
enum HeaderText {
    static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let first = text.utf8.first, first == 0x20 || first == 0x09 { text = text.dropFirst() }
        while let last = text.utf8.last, last == 0x20 || last == 0x09 { text = text.dropLast() }
        return text
    }

    static func unquoted(_ text: Substring) -> String {
        guard text.utf8.count >= 2, text.first == "\"", text.last == "\"" else { return String(text) }
        return String(text.dropFirst().dropLast())
    }
}
