internal import FHIRCore
internal import Foundation

/// One value of a search parameter in a resource, ready for an index table.
enum IndexEntry: Hashable, Sendable {
    /// `code` is absent for a concept that has only a text; `text` is folded and serves `:text`.
    case token(system: String?, code: String?, text: String?)
    case reference(ReferenceTarget)
    case string(String)
    case date(Range<Int64>)
    case uri(String)
    case number(ClosedRange<Double>)
    case quantity(ClosedRange<Double>, system: String?, code: String?, unit: String?)

    /// Text without case and accents, as string searches compare it (FHIR R4 search §3.1.1.4.8).
    static func folded(_ text: String) -> String {
        text.folding(options: [.caseInsensitive, .diacriticInsensitive, .widthInsensitive], locale: nil)
    }
}

/// Turns elements into index entries by the kind of their parameter (the table of FHIR R4 search §3.1.1.4.10–14).
enum IndexReader {
    static func tokens(_ value: JSONValue) -> [IndexEntry] {
        switch value {
        case .string(let code): return [.token(system: nil, code: code, text: nil)]
        case .bool(let flag): return [.token(system: nil, code: String(flag), text: nil)]
        case .int, .number: return [.token(system: nil, code: value.numberText, text: nil)]
        case .object: return objectTokens(value)
        case .null, .array: return []
        }
    }

    private static func objectTokens(_ value: JSONValue) -> [IndexEntry] {
        if let codings = value["coding"] {
            let text = conceptText(value)
            return codings.flattened.flatMap(objectTokens) + text
        }
        if let identifier = value["value"]?.string {
            // A ContactPoint's system is the kind of contact, not a namespace.
            let system = value["system"]?.string.flatMap { contactSystems.contains($0) ? nil : $0 }
            let text = value["type"]?["text"]?.string.map(IndexEntry.folded)
            return [.token(system: system, code: identifier, text: text)]
        }
        if value["code"] != nil || value["display"] != nil || (value["system"] != nil && value["value"] == nil) {
            let display = value["display"]?.string.map(IndexEntry.folded)
            return [.token(system: value["system"]?.string, code: value["code"]?.string, text: display)]
        }
        return conceptText(value)
    }

    private static func conceptText(_ value: JSONValue) -> [IndexEntry] {
        guard let text = value["text"]?.string else { return [] }
        return [.token(system: nil, code: nil, text: IndexEntry.folded(text))]
    }

    private static let contactSystems: Set<String> = ["phone", "fax", "email", "pager", "url", "sms", "other"]

    static func references(_ value: JSONValue) -> [IndexEntry] {
        let text = value.string ?? value["reference"]?.string
        return text.flatMap(ReferenceTarget.init).map { [.reference($0)] } ?? []
    }

    /// The identifier of a logical reference, which serves the modifier `:identifier`.
    static func referenceIdentifiers(_ value: JSONValue) -> [IndexEntry] {
        value["identifier"].map(objectTokens) ?? []
    }

    static func strings(_ value: JSONValue) -> [IndexEntry] {
        if let text = value.string { return [.string(text)] }
        // HumanName and Address: any of their parts can match.
        return stringParts.flatMap { value[$0]?.flattened ?? [] }.compactMap(\.string).map { .string($0) }
    }

    private static let stringParts = [
        "text", "family", "given", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country",
    ]

    static func dates(_ value: JSONValue) -> [IndexEntry] {
        if let text = value.string { return FHIRTime.range(text).map { [.date($0)] } ?? [] }
        if let events = value["event"]?.flattened {
            // A Timing is covered from its first to its last event.
            let ranges = events.compactMap(\.string).compactMap { FHIRTime.range($0) }
            guard let low = ranges.map(\.lowerBound).min(), let high = ranges.map(\.upperBound).max() else { return [] }
            return [.date(low..<high)]
        }
        return period(value["repeat"]?["boundsPeriod"] ?? value)
    }

    private static func period(_ value: JSONValue) -> [IndexEntry] {
        let start = value["start"]?.string.flatMap { FHIRTime.range($0) }
        let end = value["end"]?.string.flatMap { FHIRTime.range($0) }
        guard start != nil || end != nil else { return [] }
        let low = start?.lowerBound ?? FHIRTime.distantPast
        let high = end?.upperBound ?? FHIRTime.distantFuture
        return low < high ? [.date(low..<high)] : []
    }

    static func uris(_ value: JSONValue) -> [IndexEntry] {
        value.string.map { [.uri($0)] } ?? []
    }

    static func numbers(_ value: JSONValue) -> [IndexEntry] {
        if let number = value.numberText.flatMap(Double.init) { return [.number(number...number)] }
        return bounds(value).map { [.number($0)] } ?? []
    }

    static func quantities(_ value: JSONValue) -> [IndexEntry] {
        if let currency = value["currency"]?.string {
            // Money is a quantity in a currency (FHIR R4 search §3.1.1.4.14).
            guard let range = single(value) else { return [] }
            return [.quantity(range, system: "urn:iso:std:iso:4217", code: currency, unit: currency)]
        }
        let measure = value["low"] ?? value["high"] ?? value
        guard let range = single(value) ?? bounds(value) else { return [] }
        return [
            .quantity(
                range, system: measure["system"]?.string, code: measure["code"]?.string, unit: measure["unit"]?.string)
        ]
    }

    private static func single(_ value: JSONValue) -> ClosedRange<Double>? {
        guard let number = value["value"]?.numberText.flatMap(Double.init) else { return nil }
        switch value["comparator"]?.string {
        case "<", "<=": return -Double.greatestFiniteMagnitude...number
        case ">", ">=": return number...Double.greatestFiniteMagnitude
        default: return number...number
        }
    }

    private static func bounds(_ value: JSONValue) -> ClosedRange<Double>? {
        let low = value["low"]?["value"]?.numberText.flatMap(Double.init)
        let high = value["high"]?["value"]?.numberText.flatMap(Double.init)
        guard low != nil || high != nil else { return nil }
        let lower = low ?? -Double.greatestFiniteMagnitude
        let upper = high ?? Double.greatestFiniteMagnitude
        return lower <= upper ? lower...upper : nil
    }
}
