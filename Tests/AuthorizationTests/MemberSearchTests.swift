import Authorization
import FHIRCore
import RequirementTraits
import Testing

/// Who a login is by FHIR `identifier`: nothing on the server's word.
@Suite struct MemberSearchTests {
    static let today = CalendarDate("2026-11-25")!
    static let system = "https://plan.example/member-id"
    static let search = MemberSearch(type: .patient, system: system)

    static func patient(
        _ id: String, value: String = "M-1", system: String = system, more: String = "", identifier: String = ""
    ) -> String {
        #"{"resourceType":"Patient","id":"\#(id)","identifier":[{"system":"\#(system)","value":"\#(value)"\#(identifier)}]\#(more)}"#
    }

    static func bundle(_ resources: [String], more: String = "") throws -> JSONValue {
        let entries = resources.map { #"{"resource":\#($0)}"# }.joined(separator: ",")
        return try JSONValue(
            parsing: Array(#"{"resourceType":"Bundle","type":"searchset","entry":[\#(entries)]\#(more)}"#.utf8))
    }

    static func find(_ resources: [String], more: String = "") throws -> MemberSearch.Finding {
        try search.finding(try bundle(resources, more: more), value: "M-1", today: today)
    }

    @Test(
        .verifies("house@MEMBER-EXACT"),
        arguments: [
            [], [patient("p", value: "M-2")], [patient("p", value: "m-1")], [patient("p", value: "M-1 ")],
            [patient("p", system: "https://other.example")], [patient("p", system: system + "/")],
            [patient("p", more: #","active":false"#)], [patient("p", identifier: #","use":"old""#)],
            [patient("p", identifier: #","period":{"end":"2026-11-24"}"#)],
            [patient("p", identifier: #","period":{"end":"2026"}"#)],
            [patient("p", identifier: #","period":{"start":"2026-11-26"}"#)],
            [#"{"resourceType":"Patient","id":"p"}"#],
            [#"{"resourceType":"OperationOutcome","id":"p","identifier":[{"system":"\#(system)","value":"M-1"}]}"#],
        ])
    func `a row that does not bear the identifier exactly, and now, is not the one`(_ rows: [String]) throws {
        #expect(try Self.find(rows) == .answer(.unknown))
    }

    @Test(
        .verifies("house@MEMBER-EXACT"),
        arguments: [
            [patient("p"), patient("q")],
            [patient("p"), patient("q", more: #","link":[{"type":"replaced-by","other":{"reference":"Patient/r"}}]"#)],
            [
                patient(
                    "q", more: #","link":[{"type":"replaced-by","other":{"reference":"https://x.example/Patient/r"}}]"#)
            ],
            [
                patient(
                    "q",
                    more:
                        #","link":[{"type":"replaced-by","other":{"reference":"Patient/r"}},{"type":"replaced-by","other":{"reference":"Patient/s"}}]"#
                )
            ],
        ])
    func `more than one match is none`(_ rows: [String]) throws {
        #expect(try Self.find(rows) == .answer(.ambiguous))
    }

    @Test func `an answer with further pages, or of another kind, is not read`() throws {
        #expect(throws: MemberSearch.Unreadable.self) {
            try Self.find([Self.patient("p")], more: #","link":[{"relation":"next","url":"https://x"}]"#)
        }
        #expect(throws: MemberSearch.Unreadable.self) {
            try Self.search.finding(.object([]), value: "M-1", today: Self.today)
        }
    }

    @Test func `the one who bears it is the one`() throws {
        let row = Self.patient("p", more: #","name":[{"given":["Anna"],"family":"Smith"}]"#)
        guard case .answer(let answer) = try Self.find([row, Self.patient("q", value: "M-2")]) else {
            Issue.record("no answer")
            return
        }
        let choice = MemberChoice(answer, rules: MemberRules(), today: Self.today)
        #expect(choice.member?.fhirUser == MemberChoiceTests.key("Patient/p"))
        #expect(choice.member?.selection == .among([LinkedPatient(id: MemberChoiceTests.id("p"), label: "Anna Smith")]))
    }

    @Test func `a merged record leads to what survived`() throws {
        let old = Self.patient("old", more: #","link":[{"type":"replaced-by","other":{"reference":"Patient/new"}}]"#)
        let key = MemberChoiceTests.key("Patient/new")
        #expect(try Self.find([old]) == .follow(key))
        #expect(try Self.find([old, Self.patient("new")]) != .answer(.ambiguous))
        let survivor = try JSONValue(parsing: Array(#"{"resourceType":"Patient","id":"new"}"#.utf8))
        guard case .answer(.known(let facts)) = try Self.search.finding(survivor: survivor, expecting: key) else {
            Issue.record("no answer")
            return
        }
        #expect(facts.person == key)
        let other = MemberChoiceTests.key("Patient/other")
        #expect(throws: MemberSearch.Unreadable.self) {
            try Self.search.finding(survivor: survivor, expecting: other)
        }
    }

    @Test(arguments: [("2026-11-25", true), ("2026-11-24", false)])
    func `a related person acts for its patient while its period runs`(_ end: String, _ holds: Bool) throws {
        let search = MemberSearch(type: .relatedPerson, system: Self.system)
        let row =
            #"{"resourceType":"RelatedPerson","id":"r","identifier":[{"system":"\#(Self.system)","value":"M-1"}],"patient":{"reference":"Patient/c"},"period":{"end":"\#(end)"}}"#
        guard case .answer(let answer) = try search.finding(try Self.bundle([row]), value: "M-1", today: Self.today)
        else {
            Issue.record("no answer")
            return
        }
        let choice = MemberChoice(answer, rules: MemberRules(), today: Self.today)
        #expect((choice.member != nil) == holds)
        if holds { #expect(MemberChoiceTests.patients(choice) == ["c"]) }
    }
}
