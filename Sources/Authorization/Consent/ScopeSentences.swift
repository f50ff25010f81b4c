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
}
