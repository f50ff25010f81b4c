/// Builds the OperationOutcome resources that we answer with (FHIR R4 operationoutcome.html).
public enum OperationOutcome {
    /// One issue, in JSON.
    ///
    /// - Parameters:
    ///   - severity: `fatal`, `error`, `warning` or `information`.
    ///   - code: a code of the IssueType value set.
    ///   - details: a code of our own closed list; it is written as `details.coding.code`.
    public static func json(
        severity: String = "error", code: String, diagnostics: String?, expression: [String] = [],
        details: String? = nil
    ) -> [UInt8] {
        value(severity: severity, code: code, diagnostics: diagnostics, expression: expression, details: details)
            .serialized
    }

    /// The same as a value, to stand in a Bundle.
    public static func value(
        severity: String = "error", code: String, diagnostics: String?, expression: [String] = [],
        details: String? = nil
    ) -> JSONValue {
        var issue = [JSONMemberValue("severity", .string(severity)), JSONMemberValue("code", .string(code))]
        if let details {
            issue.append(JSONMemberValue("details", ["coding": [["code": .string(details)]]]))
        }
        if let diagnostics { issue.append(JSONMemberValue("diagnostics", .string(writable(diagnostics)))) }
        if !expression.isEmpty {
            issue.append(JSONMemberValue("expression", .array(expression.map { .string(writable($0)) })))
        }
        return JSONValue.object([
            JSONMemberValue("resourceType", "OperationOutcome"), JSONMemberValue("issue", [.object(issue)]),
        ])
    }

    /// The text with U+FFFD for each character that XML cannot say, so that the outcome is the same in both formats: a
    /// name that the client has sent can hold anything.
    private static func writable(_ text: String) -> String {
        let isWritable: (Unicode.Scalar) -> Bool = { $0.value >= 0x20 && $0.value != 0xFFFE && $0.value != 0xFFFF }
        guard !text.unicodeScalars.allSatisfy(isWritable) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isWritable($0) ? $0 : "\u{FFFD}" }))
    }
}
