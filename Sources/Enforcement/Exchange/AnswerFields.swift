internal import FHIRCore

/// The header fields that our answers carry, kind by kind.
enum AnswerFields {
    typealias Field = (name: String, value: String)

    /// On every answer of a FHIR base (decision 9): not to be run, guessed at, or kept.
    static let guarded: [Field] = [
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ]

    /// With a FHIR document of ours as the body.
    static func document(in format: AnswerFormat) -> [Field] {
        format == .json ? jsonDocument : [("content-type", format.contentType)] + guarded
    }

    private static let jsonDocument: [Field] = [("content-type", AnswerFormat.json.contentType)] + guarded

    /// A document that everybody may see and keep for a minute, in the format that was asked for.
    static func publicDocument(in format: AnswerFormat) -> [Field] {
        [
            ("content-type", format.contentType),
            ("content-security-policy", "sandbox"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "public, max-age=60"),
            ("vary", "Accept"),
        ]
    }
}
