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
    static let document: [Field] = [("content-type", "application/fhir+json; charset=utf-8")] + guarded

    /// A document that everybody may see and keep for a minute.
    static let publicDocument: [Field] = [
        ("content-type", "application/fhir+json; charset=utf-8"),
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=60"),
    ]
}
