import Audit

/// What the activity page says became of an access. Every outcome has words of its own: a person must not read "refused" of an
/// access that is still running, or of one that broke off after part of the answer may have left.
enum ActivityOutcome {
    /// The words for the outcome of a record.
    ///
    /// - Parameters:
    ///   - record: A record of one access.
    ///   - patient: Whose page it is; nil where it is nobody's in particular.
    ///   - t: The texts of the page's language.
    /// - Returns: The words, and whether nothing can have left.
    static func words(
        for record: AccessRecord, of patient: String? = nil, _ t: [String: String]
    ) -> (text: String, isRefused: Bool) {
        func word(_ key: String) -> String { t[key] ?? key }
        let status = record.status.map { " (\($0))" } ?? ""
        let isAskedOnly = patient.map(record.askedOnly.contains) ?? false
        switch record.outcome {
        // What left is of others.
        case .permitted where isAskedOnly, .interrupted where isAskedOnly: return (word("askedOnly"), true)
        case .permitted: return ("\(word("allowed")), \(record.released) \(word("records"))", false)
        case .pending: return (word("pending"), false)
        case .decisionGiven: return (word("decisionGiven"), false)
        case .interrupted: return (word("interrupted"), false)
        case .refused: return (word("refused") + status, true)
        case .failed: return (word("failed") + status, true)
        }
    }
}
