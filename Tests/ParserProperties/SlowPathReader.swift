package import FHIRCore
internal import Foundation

/// A second reader of methods and paths: the closed list of shapes of FHIR R4 http.html, one regular expression each.
package enum SlowPathReader {
    /// A shape that was recognised, in words that both readings can be put into.
    package struct Shape: Hashable, Sendable, CustomStringConvertible {
        /// What is asked for; conditional forms have words of their own.
        package let word: String
        let parts: [String]

        package var description: String { ([word] + parts).joined(separator: " ") }
    }

    private static let ids = #"([A-Za-z0-9.\-]{1,64})"#
    private static let types = "(" + ResourceType.allCases.map(\.rawValue).joined(separator: "|") + ")"
    private static let operations = #"(?:\$|%24)([a-z][A-Za-z0-9\-]{0,63})"#
    private static let compartments = "(Patient|Encounter|RelatedPerson|Practitioner|Device)"

    /// Method, word and expression; the groups are the parts.
    private static let shapes: [(methods: Set<String>, word: String, expression: NSRegularExpression)] = [
        ("GET", "search-system", "/?"), ("POST", "transaction", "/?"), ("GET", "capabilities", "/metadata"),
        ("GET", "history-system", "/_history"), ("POST", "search-system", "/_search"),
        ("GET", "page", "/_page/([A-Za-z0-9_-]{1,7000})"),
        ("GET", "search-type", "/\(types)"), ("POST", "search-type", "/\(types)/_search"),
        ("POST", "create", "/\(types)"), ("PUT", "conditional-update", "/\(types)"),
        ("PATCH", "conditional-patch", "/\(types)"), ("DELETE", "conditional-delete", "/\(types)"),
        ("GET", "history-type", "/\(types)/_history"),
        ("GET", "read", "/\(types)/\(ids)"), ("PUT", "update", "/\(types)/\(ids)"),
        ("PATCH", "patch", "/\(types)/\(ids)"), ("DELETE", "delete", "/\(types)/\(ids)"),
        ("GET", "history-instance", "/\(types)/\(ids)/_history"),
        ("GET", "vread", "/\(types)/\(ids)/_history/\(ids)"),
        ("GET", "search-compartment", "/\(compartments)/\(ids)/\\*"),
        ("GET", "search-compartment", "/\(compartments)/\(ids)/\(types)"),
        ("GET POST", "operation", "/\(operations)"), ("GET POST", "operation", "/\(types)/\(operations)"),
        ("GET POST", "operation", "/\(types)/\(ids)/\(operations)"),
    ].map { row in
        guard let expression = try? NSRegularExpression(pattern: "\\A(?:\(row.2))\\z") else {
            // Constants of this file: every test of a path ends here if one of them is none.
            fatalError("no expression: \(row.2)")
        }
        return (Set(row.0.split(separator: " ").map(String.init)), row.1, expression)
    }

    /// The shape of a request line below the base; nil when there is none.
    package static func shape(_ method: String, _ path: String) -> Shape? {
        let asked = method == "HEAD" ? "GET" : method
        // `.` and `..` are ids by the pattern and mean another place in a path.
        guard path.utf8.allSatisfy({ $0 < 0x80 }),
            !path.split(separator: "/").contains(where: { $0 == "." || $0 == ".." })
        else { return nil }
        for row in shapes where row.methods.contains(asked) {
            let whole = NSRange(location: 0, length: path.utf16.count)
            guard let match = row.expression.firstMatch(in: path, range: whole) else { continue }
            let parts = (1..<match.numberOfRanges).map { (path as NSString).substring(with: match.range(at: $0)) }
            return Shape(word: row.word, parts: parts)
        }
        return nil
    }

    /// What the first reader has understood.
    package static func shape(_ interaction: FHIRInteraction) -> Shape {
        switch interaction {
        case .vread(let key, let version):
            Shape(word: "vread", parts: [key.type.rawValue, key.id.text, version.text])
        case .conditionalUpdate(let type): Shape(word: "conditional-update", parts: [type.rawValue])
        case .conditionalPatch(let type): Shape(word: "conditional-patch", parts: [type.rawValue])
        case .conditionalDelete(let type): Shape(word: "conditional-delete", parts: [type.rawValue])
        case .searchCompartment(let kind, let id, let type):
            Shape(word: "search-compartment", parts: [kind.rawValue, id.text] + (type.map { [$0.rawValue] } ?? []))
        case .operation(let name, let level):
            switch level {
            case .system: Shape(word: "operation", parts: [name])
            case .type(let type): Shape(word: "operation", parts: [type.rawValue, name])
            case .instance(let key): Shape(word: "operation", parts: [key.type.rawValue, key.id.text, name])
            }
        case .page(let text): Shape(word: "page", parts: [text])
        case .batch, .transaction: Shape(word: "transaction", parts: [])
        case .capabilities, .read, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem, .create,
            .conditionalCreate, .update, .patch, .delete:
            Shape(
                word: interaction.code,
                parts: interaction.instance.map { [$0.type.rawValue, $0.id.text] }
                    ?? interaction.type.map { [$0.rawValue] } ?? [])
        }
    }
}
