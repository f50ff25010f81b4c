internal import AccessPolicy
internal import FHIRCore
internal import Foundation

/// What must hold of a parser for every input whatever; the fuzzer and the gate's replay ask the same.
///
/// The oracle is a second reader that shares nothing with the first. A crash or a hang shows itself.
public enum ParserProperty: String, CaseIterable, Sendable {
    /// The JSON scanner, against a recursive reader that builds values.
    case json
    /// Method, path and query to a canonical request, against a list of regular expressions.
    case request
    /// The query alone, and that what is sent of it is read again as the same.
    case query
    /// One scope, and that its text is given back.
    case scope
    /// Resources in XML or JSON, against their own way back.
    case xml
    /// A JSON Patch and, behind a record separator, what it is applied to, against a second reading of RFC 6902.
    case patch

    /// Inputs above this are not looked at: the slow readers are slow.
    public static let longestInput = 4_096

    /// What does not hold for an input; nil when all does.
    public func violation(by input: [UInt8]) -> String? {
        guard input.count <= ParserProperty.longestInput else { return nil }
        switch self {
        case .json: return jsonViolation(input)
        case .request: return requestViolation(input)
        case .query: return String(validating: input, as: UTF8.self).flatMap(queryViolation)
        case .scope: return String(validating: input, as: UTF8.self).flatMap(scopeViolation)
        case .xml: return FormatReading.violation(by: input)
        case .patch: return patchViolation(input)
        }
    }

    // MARK: - JSON

    private func jsonViolation(_ input: [UInt8]) -> String? {
        let fast = try? JSONValue(parsing: input)
        let slow = SlowJSONReader.value(of: input)
        guard fast == slow else { return "the scanner and the slow reader disagree" }
        guard let fast else { return nil }
        guard let again = try? JSONValue(parsing: fast.serialized), again == fast else {
            return "what is written is not read again as the same"
        }
        return nil
    }

    // MARK: - patches

    /// What copies of copies may grow to here; what grows beyond it is not compared.
    private static let patchLimits = JSONLimits(maxDepth: 64, maxBytes: 64 << 10)

    private func patchViolation(_ input: [UInt8]) -> String? {
        let parts = input.split(separator: 0x1E, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
        guard let text = SlowJSONReader.value(of: parts[0]) else {
            return (try? JSONDocument(parts[0])) == nil ? nil : "the scanner and the slow reader disagree"
        }
        guard let document = try? JSONDocument(parts[0]) else { return "the scanner and the slow reader disagree" }
        let slow = SlowPatchReader(text)
        guard let patch = try? JSONPatch(document.root) else {
            return slow == nil ? nil : "a patch is refused that the slow reader reads"
        }
        guard let slow else { return "a patch is read that the slow reader refuses" }
        guard patch.readsDocument == slow.tells else { return "they disagree on whether it tells what is stored" }
        guard parts.count == 2, let target = SlowJSONReader.value(of: parts[1]) else { return nil }
        do throws(JSONPatchError) {
            let made = try patch.applied(to: target, limits: Self.patchLimits)
            guard case .document(let expected) = slow.outcome(on: target) else {
                return "it is applied where the slow reader fails"
            }
            return made.serialized == expected.serialized ? nil : "it makes something else than by the slow reader"
        } catch {
            if case .tooLarge = error { return nil }
            return slow.outcome(on: target) == .fails ? nil : "it fails where the slow reader applies it"
        }
    }

    // MARK: - requests

    private static let methods: [String] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"]

    /// The first byte chooses the method; the rest is path and query.
    private func requestViolation(_ input: [UInt8]) -> String? {
        guard let choice = input.first, let target = String(validating: input.dropFirst(), as: UTF8.self) else {
            return nil
        }
        let method = ParserProperty.methods[Int(choice) % ParserProperty.methods.count]
        let cut = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = String(target[..<(cut ?? target.endIndex)])
        let query = cut.map { String(target[target.index(after: $0)...]) }
        let expected = SlowPathReader.shape(method, path)

        let request = FHIRRequest(
            method: FHIRRequest.Method(method), path: path, query: query,
            headers: ParserProperty.headers(for: method, expected), body: ParserProperty.body(for: expected, method))
        guard let found = try? CanonicalRequest(request) else {
            guard query == nil, let expected, !expected.word.hasPrefix("conditional"), !expected.isLongPage else {
                return nil
            }
            return "a request of the shape `\(expected)` is refused"
        }
        guard SlowPathReader.shape(found.interaction) == expected else {
            return
                "read as `\(found.interaction)`, by the slow reader as `\(expected.map(String.init(describing:)) ?? "nothing")`"
        }
        guard SlowQueryReader.terms(of: query ?? "") != nil else { return "the slow reader refuses the query" }
        return nil
    }

    private static func headers(for method: String, _ shape: SlowPathReader.Shape?) -> FHIRHeaders {
        var headers = FHIRHeaders()
        guard ["POST", "PUT", "PATCH"].contains(method), shape?.word.hasPrefix("search") != true else { return headers }
        headers.contentType = method == "PATCH" ? "application/json-patch+json" : "application/fhir+json"
        return headers
    }

    /// A body that the shape demands, so that only the request line decides.
    private static func body(for shape: SlowPathReader.Shape?, _ method: String) -> [UInt8] {
        guard let shape, !["GET", "HEAD", "DELETE"].contains(method) else { return [] }
        switch shape.word {
        case "transaction": return Array(#"{"resourceType":"Bundle","type":"batch","entry":[]}"#.utf8)
        case "create", "conditional-update": return Array(#"{"resourceType":"\#(shape.parts[0])"}"#.utf8)
        case "update":
            return Array(#"{"resourceType":"\#(shape.parts[0])","id":"\#(shape.parts[1])"}"#.utf8)
        case "patch", "conditional-patch": return Array(#"[{"op":"remove","path":"/a"}]"#.utf8)
        default: return []
        }
    }

    // MARK: - queries

    private func queryViolation(_ raw: String) -> String? {
        let fast = try? SearchQuery(parsing: raw)
        let slow = SlowQueryReader.terms(of: raw)
        if slow.map({ $0.count > RequestLimits.default.maxTerms }) ?? false {
            return fast == nil ? nil : "more parameters than the limit were read"
        }
        guard fast?.terms.map(SlowQueryReader.Term.init) == slow else {
            return "read as \(fast.map(\.terms) ?? []), by the slow reader as \(slow ?? [])"
        }
        guard let fast else { return nil }
        guard let again = try? SearchQuery(parsing: fast.encoded), again == fast else {
            return "what is sent is not read again as the same"
        }
        for term in fast.terms {
            // Splitting and joining lose nothing.
            guard Array(term.rawValues.joined(separator: ",").utf8) == Array(term.rawValue.utf8) else {
                return "the alternatives are not the value"
            }
        }
        return nil
    }

    // MARK: - scopes

    private func scopeViolation(_ text: String) -> String? {
        let scope = Scope(parsing: text)
        guard Array(scope.text.utf8) == Array(text.utf8) else { return "the text is not given back" }
        guard let expected = SlowScopeReader.reading(of: text) else {
            guard scope.resourceScope == nil else { return "the slow reader refuses it" }
            return nil
        }
        guard let found = scope.resourceScope else { return "the slow reader takes it for \(expected)" }
        guard SlowScopeReader.Reading(found) == expected else {
            return "read as \(found), by the slow reader as \(expected)"
        }
        return nil
    }
}

extension SlowPathReader.Shape {
    /// A page link near its limit is refused for its length by one reader only.
    fileprivate var isLongPage: Bool { word == "page" && parts.joined().utf8.count > 6_000 }
}
