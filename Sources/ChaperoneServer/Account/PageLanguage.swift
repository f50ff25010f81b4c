internal import Authorization

/// A language that the pages speak.
enum PageLanguage: String, CaseIterable, Sendable {
    case english = "en"
    case spanish = "es"

    /// The language for a request: what was asked for in the address, what the person chose before, what the app asks
    /// for (`ui_locales`), what the browser says that its owner reads (RFC 9110 §12.5.4), English.
    static func choose(
        asked: String?, remembered: String?, wished: [String] = [], accepted: String?
    ) -> PageLanguage {
        if let language = asked.flatMap(PageLanguage.init(rawValue:)) { return language }
        if let language = remembered.flatMap(PageLanguage.init(rawValue:)) { return language }
        if let language = wished.lazy.compactMap(PageLanguage.init(tag:)).first { return language }
        let ranked = (accepted ?? "").split(separator: ",").prefix(20).enumerated().compactMap { place, item in
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " } }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            return PageLanguage(tag: parts.first ?? "").map { (language: $0, quality: quality, place: place) }
        }
        let best = ranked.filter { $0.quality > 0 }.min { ($1.quality, $0.place) < ($0.quality, $1.place) }
        return best?.language ?? .english
    }

    /// The language of a tag such as `es-MX` (RFC 5646); nil for one that we do not speak.
    init?(tag: String) {
        guard let name = tag.split(separator: "-").first?.lowercased() else { return nil }
        self.init(rawValue: name)
    }

    /// The sentences of scopes in the language.
    var sentences: ScopeSentences.Language { self == .english ? .english : .spanish }

    /// The other language, for the link that changes it.
    var other: PageLanguage { self == .english ? .spanish : .english }
}
