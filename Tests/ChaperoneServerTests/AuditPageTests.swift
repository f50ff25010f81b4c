import RequirementTraits
import Testing

@testable import ChaperoneServer

/// What the console's page says of the entries that it was given.
@Suite struct AuditPageTests {
    @Test(.verifies("audit@console"), arguments: [nil, "1.1.1"] as [String?])
    func `a page on which nothing fits says whether there is more`(cursor: String?) throws {
        let html = try PageLibrary().render(
            AuditPageFacts(
                rows: [], query: [:], cursor: cursor, actor: "auditor-a", isDemo: true, problems: [], error: nil))

        #expect(html.contains("Nothing was recorded that these filters leave") == (cursor == nil))
        #expect(html.contains("There are older ones") == (cursor != nil))
        #expect(html.contains("cursor=1.1.1") == (cursor != nil))
    }
}
