public import AccessPolicy
public import OAuthCore

/// What a person is asked to allow: one item for each scope that says something to them, each of which may be unticked.
///
/// Pure: made from the scopes of the request alone, so the page and the check of its answer cannot disagree.
public struct ConsentOffer: Hashable, Sendable {
    /// One line of the consent page.
    public struct Item: Hashable, Sendable {
        /// The name of the form field that comes while the line stays ticked.
        public let field: String
        /// The scope's text.
        public let value: String
        /// What it means, in a sentence.
        public let sentence: String
        /// The kinds of record within the scope that may be left out one by one (decision 21); empty for most.
        public let parts: [Part]
        /// Whether the records tell things that people keep to themselves more than others.
        public let isSensitive: Bool
    }

    /// One kind of record within an item.
    public struct Part: Hashable, Sendable {
        /// The name of the form field that comes while the part stays ticked.
        public let field: String
        /// The narrower scope's text.
        public let value: String
        /// The kind's name in plain words.
        public let label: String
        /// Whether the kind tells things that people keep to themselves more than others.
        public let isSensitive: Bool
    }

    public let items: [Item]
    /// Whether the offer is about records of health, as opposed to who the person is and how long access lasts.
    private let asksForRecords: Bool
    private let requested: ScopeSet

    /// The offer for a request.
    public init(of requested: ScopeSet) {
        self.requested = requested
        asksForRecords = !requested.resourceScopes.isEmpty
        items = requested.scopes.enumerated().compactMap { place, scope in
            guard let sentence = ConsentCatalogue.sentence(for: scope) else { return nil }
            let field = "allow-\(place)"
            return Item(
                field: field, value: scope.text, sentence: sentence,
                parts: scope.resourceScope.map { ConsentOffer.parts(of: $0, within: field) } ?? [],
                isSensitive: scope.resourceScope.map(ConsentCatalogue.isSensitive) ?? false)
        }
    }

    /// The scopes that the person's ticks leave, or nil when that is nothing worth a grant.
    ///
    /// An unticked item is left out with all its parts. A ticked item with every part ticked stays whole; with some
    /// unticked it becomes the ticked parts. A value that was not offered is not looked at, so a form cannot widen.
    public func scopes(chosen: Set<String>) -> ScopeSet? {
        let partsByValue = Dictionary(items.map { ($0.value, $0.parts) }, uniquingKeysWith: { first, _ in first })
        let kept = requested.scopes.flatMap { scope -> [Scope] in
            // Context scopes are not asked about: they say which record, not what may be done with it.
            guard let parts = partsByValue[scope.text] else { return [scope] }
            guard chosen.contains(scope.text) else { return [] }
            let ticked = parts.filter { chosen.contains($0.value) }
            return ticked.count == parts.count ? [scope] : ticked.map { Scope(parsing: $0.value) }
        }
        let result = ScopeSet(kept)
        let isWorthwhile = asksForRecords ? !result.resourceScopes.isEmpty : result.contains(.openid)
        return isWorthwhile ? result : nil
    }

    /// The values whose fields came ticked in a form. The parts of an unticked line count for nothing, however they
    /// came: what was refused must not be remembered as allowed.
    public func chosen(in form: FormParameters) -> Set<String> {
        Set(
            items.flatMap { item -> [String] in
                guard form[item.field] != nil else { return [] }
                return [item.value] + item.parts.filter { form[$0.field] != nil }.map(\.value)
            })
    }

    /// How many fields of a form stand on no page of this offer, or say something else than the page does: then somebody
    /// has changed the page. None of them could widen a grant; that they came is worth knowing.
    public func additions(in form: FormParameters) -> Int {
        let offered = Dictionary(
            items.flatMap { item in [(item.field, item.value)] + item.parts.map { ($0.field, $0.value) } },
            uniquingKeysWith: { first, _ in first })
        return form.names.filter { name in
            guard let value = offered[name] else { return !Self.otherFields.contains(name) }
            return form[name].map { !$0.utf8.elementsEqual(value.utf8) } ?? true
        }.count
    }

    /// The fields of the page beside those of its offer.
    private static let otherFields: Set<String> = ["launch", "decision", "remember"]

    /// Every value of the offer: what a page sends on which nothing was unticked.
    public var everything: Set<String> {
        Set(items.flatMap { [$0.value] + $0.parts.map(\.value) })
    }

    /// Whole types with categories can be taken apart, for clients that speak SMART 2 and ask only to read or search.
    private static func parts(of scope: ResourceScope, within field: String) -> [Part] {
        guard scope.dialect == .v2, scope.constraint == nil, case .type(let type) = scope.target,
            scope.permissions.isSubset(of: [.read, .search])
        else { return [] }
        return ConsentCatalogue.categories(of: type).enumerated().map { place, category in
            Part(
                field: "\(field)-\(place)", value: "\(scope.text)?category=\(category.token)", label: category.label,
                isSensitive: ConsentCatalogue.isSensitive(category))
        }
    }
}
