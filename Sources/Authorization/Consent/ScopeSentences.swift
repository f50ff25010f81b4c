public import AccessPolicy

/// The sentences that tell a person what a granted set lets an app do, in a language of theirs.
public enum ScopeSentences {
    /// The languages there are sentences for.
    public enum Language: String, CaseIterable, Hashable, Sendable {
        case english = "en"
        case spanish = "es"
    }

    /// One sentence for each scope that says something to a person, in the order of the set.
    public static func sentences(for scopes: ScopeSet, language: Language) -> [String] {
        scopes.scopes.compactMap { ConsentCatalogue.sentence(for: $0, language: language) }
    }

    /// The sentence of one line of a consent page, named by its scope text; nil for a scope that is not asked about.
    public static func sentence(ofScope text: String, language: Language) -> String? {
        ConsentCatalogue.sentence(for: Scope(parsing: text), language: language)
    }

    /// The name of one kind of record within a line, named by its scope text; nil where there is no such kind.
    public static func label(ofPart text: String, language: Language) -> String? {
        guard let mark = text.firstIndex(of: "?") else { return nil }
        let token = text[mark...].dropFirst("?category=".count)
        return ConsentCatalogue.label(ofCategory: String(token), language: language)
    }
}
