import Testing

@testable import Authorization
@testable import ChaperoneServer

/// The pages that people see hold no words of their own, and every word stands in every language.
@Suite struct PageTextTests {
    /// The templates of the pages of people; the console is for staff, and the demo's app and EHR are not the product.
    private static let templates = Assets.all.filter { file in
        file.path.hasPrefix("pages/") && file.path.hasSuffix(".mustache")
            && !["console", "demo-", "ehr.", "ward."].contains { file.path.dropFirst(6).hasPrefix($0) }
    }

    private static func text(_ path: String) -> String {
        String(decoding: Assets.bytes(path) ?? [], as: UTF8.self)
    }

    /// What stays the same in every language: our name, the demo's account names, and what is code.
    private static let names = ["Chaperone", "Patient/", "Encounter/", "html"]

    @Test(arguments: templates.map(\.path))
    func `a template has no words`(_ path: String) {
        var text = Self.text(path)
        text.replace(/<code[^>]*>.*?<\/code>/, with: "")
        // The page's own name, which nobody reads.
        text.replace(/\{\{\$page\}\}.*?\{\{\/page\}\}/, with: "")
        text.replace(/\{\{.*?\}\}/, with: "")
        // Attributes that are read out to people.
        let spoken = text.matches(of: /(?:aria-label|title|alt|placeholder)="([^"]*)"/).map { String($0.1) }
        text.replace(/<[^>]*>/, with: " ")
        for name in Self.names { text.replace(name, with: "") }
        let words = (text + spoken.joined(separator: " ")).filter(\.isLetter)
        #expect(words.isEmpty, "\(words)")
    }

    @Test(arguments: templates.map(\.path))
    func `every text that a template names is there in every language`(_ path: String) {
        for key in Self.text(path).matches(of: /\{\{(?:t|other)\.([A-Za-z0-9]+)\}\}/).map({ String($0.1) }) {
            for language in PageLanguage.allCases {
                #expect(PageTexts.texts(language)[key]?.isEmpty == false, "`\(key)` in \(language.rawValue)")
            }
        }
    }

    @Test func `no text is the same in both languages by mistake`() {
        let same: Set<String> = ["error", "capabilityStatement", "general"]
        let english = PageTexts.texts(.english)
        let spanish = PageTexts.texts(.spanish)
        #expect(Set(english.keys) == Set(spanish.keys))
        #expect(Set(english.keys.filter { english[$0] == spanish[$0] }).isSubset(of: same))
    }

    @Test func `no key is named by nothing`() {
        let used = Self.templates.map { Self.text($0.path) }.joined()
        let unnamed = PageTexts.catalogue.keys.filter { !used.contains("{{t.\($0)}}") && !Self.inCode.contains($0) }
        #expect(unnamed.isEmpty, "\(unnamed.sorted())")
    }

    /// Keys that the code names.
    private static let inCode: Set<String> = [
        "failedHeading", "failedText", "failedAdvice1", "failedAdvice2", "unavailableHeading", "unavailableText",
        "unavailableAdvice", "notFoundHeading", "notFoundText", "notHereHeading", "notHereText", "signedOutHeading",
        "signedOutText", "tooManyIn", "seconds", "minutes", "badPatient", "badEncounter", "durationOffline",
        "durationSession", "wrongCode", "wrongPassword", "changedMeanwhile", "renewCodes", "renewHelp", "removeFactor",
        "removeHelp", "removed", "orLocalAccount", "continueWith", "newPasswordShort", "newPasswordDiffers",
        "newPasswordSame", "passwordChanged", "endedAll", "noticePasswordChanged", "noticePasswordSet",
        "noticeFactorSetUp", "noticeFactorRemoved", "noticeCodesRenewed", "noticeCodeUsed",
    ]

    @Test func `the sentences of scopes name the same kinds of record in both languages`() {
        #expect(Set(ConsentCatalogue.nouns.keys) == Set(ConsentCatalogue.spanishNouns.keys))
        for category in ConsentCatalogue.allCategories {
            let label = ConsentCatalogue.label(ofCategory: category.token, language: .spanish)
            #expect(label != nil && label != category.label, "\(category.token)")
        }
    }

    @Test(
        arguments: [
            (nil, nil, [], nil, "en"), ("es", "en", ["en"], "en", "es"), (nil, "es", ["en"], "en", "es"),
            (nil, nil, ["fr", "es-MX", "en"], "en", "es"), (nil, nil, ["fr"], "es;q=0.5, fr", "es"),
            ("xx", "yy", ["<b>"], "zz", "en"),
        ] as [(String?, String?, [String], String?, String)])
    func `the person's choice comes first, then the app's wish, then the browser's`(
        _ asked: String?, _ remembered: String?, _ wished: [String], _ accepted: String?, _ expected: String
    ) {
        let language = PageLanguage.choose(
            asked: asked, remembered: remembered, wished: wished, accepted: accepted)
        #expect(language.rawValue == expected)
    }
}
