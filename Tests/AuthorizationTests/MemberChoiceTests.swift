import AccessPolicy
import Authorization
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

/// Who a login is today: the one pure decision under every form of the member directory (decision 23).
@Suite struct MemberChoiceTests {
    static let today = CalendarDate("2026-11-25")!

    static func id(_ text: String) -> ResourceID { ResourceID(text)! }
    static func key(_ text: String) -> InstanceKey { InstanceKey(text)! }
    static func day(_ text: String) -> CalendarDate { CalendarDate(text)! }

    static func record(
        _ id: String, _ relation: MemberRecord.Relation = .own, from: String? = nil, until: String? = nil,
        coverageEnd: String? = nil, born: String? = nil, isPreferred: Bool = false
    ) -> MemberRecord {
        MemberRecord(
            id: Self.id(id), label: id, relation: relation, from: from.map(day), until: until.map(day),
            coverageEnd: coverageEnd.map(day), birthDate: born.map(day), isPreferred: isPreferred)
    }

    static func choice(
        _ facts: MemberFacts, rules: MemberRules = MemberRules(), panels: PractitionerPanels = .init(),
        on today: CalendarDate = today
    ) -> MemberChoice {
        MemberChoice(.known(facts), rules: rules, panels: panels, today: today)
    }

    static func patients(_ choice: MemberChoice) -> [String]? {
        guard case .among(let patients)? = choice.member?.selection else { return nil }
        return patients.map(\.id.text)
    }

    // MARK: - refusals

    @Test(.verifies("house@MEMBER-EXACT"))
    func `who is unknown or not the only one is nobody`() {
        #expect(MemberChoice(.unknown, rules: .init(), today: Self.today) == .nobody(.unknown))
        #expect(MemberChoice(.ambiguous, rules: .init(), today: Self.today) == .nobody(.ambiguous))
        #expect(Self.choice(MemberFacts()) == .nobody(.nameless))
    }

    @Test(arguments: ["Organization/o", "Group/g", "Device/d"])
    func `nobody is a resource that is no person`(_ person: String) {
        #expect(Self.choice(MemberFacts(person: Self.key(person))) == .nobody(.impossiblePerson))
    }

    @Test func `whom the records alone do not name is nobody`() {
        let facts = MemberFacts(records: [Self.record("child", .minor, born: "2020-01-01")])
        #expect(Self.choice(facts) == .nobody(.nameless))
    }

    @Test(
        .verifies("house@MEMBER-DATES"),
        arguments: [
            (record("p", from: "2026-11-26"), MemberChoice.Standing.notYet),
            (record("p", from: "2026-11-25"), .holds),
            (record("p", .representative, until: "2026-11-24"), .over),
            (record("p", .representative, until: "2026-11-25"), .holds),
            (record("p", coverageEnd: "2026-11-24"), .coverageEnded),
            (record("p", coverageEnd: "2026-11-25"), .holds),
            (record("p", .minor, born: "2008-11-25"), .ofAge),
            (record("p", .minor, born: "2008-11-26"), .holds),
            (record("p", .minor), .ageUnknown),
            (record("p", .minor, until: "2027-01-01"), .holds),
            (record("p", .minor, until: "2027-01-01", born: "2000-01-01"), .ofAge),
            (record("p", born: "1950-01-01"), .holds),
        ])
    func `a record holds from its first day to its last`(_ record: MemberRecord, _ standing: MemberChoice.Standing) {
        #expect(MemberChoice.standing(of: record, rules: MemberRules(), on: Self.today) == standing)
        let person = Self.key("RelatedPerson/r")
        let choice = Self.choice(MemberFacts(person: person, records: [record]))
        #expect((choice.member != nil) == (standing == .holds))
        if standing != .holds { #expect(choice == .nobody(.nothingHolds)) }
    }

    @Test(arguments: [
        (0, "2026-11-24", false), (1, "2026-11-24", true), (90, "2026-08-27", true), (90, "2026-08-26", false),
    ])
    func `ended coverage opens nothing after the days of grace`(_ grace: Int, _ end: String, _ holds: Bool) {
        let facts = MemberFacts(records: [Self.record("p", coverageEnd: end)])
        let choice = Self.choice(facts, rules: MemberRules(coverageGraceDays: grace))
        #expect((choice.member != nil) == holds)
    }

    @Test(
        .verifies("house@MEMBER-OF-AGE"),
        arguments: [
            (18, "2008-11-26", "2026-11-25", true), (18, "2008-11-25", "2026-11-25", false),
            (16, "2010-11-26", "2026-11-25", true), (16, "2010-11-25", "2026-11-25", false),
            // Born on a leap day: of the two readings the one that ends the access earlier.
            (18, "2008-02-29", "2026-02-27", true), (18, "2008-02-29", "2026-02-28", false),
        ])
    func `a parent's access ends on the day the child comes of age`(
        _ age: Int, _ born: String, _ today: String, _ holds: Bool
    ) {
        let facts = MemberFacts(
            person: Self.key("RelatedPerson/mother"), records: [Self.record("child", .minor, born: born)])
        let choice = Self.choice(facts, rules: MemberRules(ageOfMajority: age), on: Self.day(today))
        #expect((choice.member != nil) == holds)
    }

    @Test func `whoever is a Patient by name is nobody when that record is over, whatever else holds`() {
        let facts = MemberFacts(
            person: Self.key("Patient/me"),
            records: [
                Self.record("me", coverageEnd: "2020-01-01"), Self.record("child", .minor, born: "2020-01-01"),
            ])
        #expect(Self.choice(facts) == .nobody(.nothingHolds))
    }

    @Test func `what a line says of the record that survived goes before what the person's name opens`() throws {
        let text = """
            {"person": "Patient/old", "records": [{"patient": "new", "coverage-end": "2020-01-01"}],
             "merged": {"Patient/old": "Patient/new"}}
            """
        var facts = try MemberFacts(site: try JSONValue(parsing: Array(text.utf8)))
        #expect(Self.choice(facts) == .nobody(.nothingHolds))
        facts.records = []
        #expect(Self.patients(Self.choice(facts)) == ["new"])
        facts.personOpensOwnRecord = false
        #expect(Self.patients(Self.choice(facts)) == [])
    }

    @Test func `a chain of merges that runs in a circle, or changes its kind, is nobody`() {
        let circle = MemberFacts(
            records: [Self.record("a")],
            survivors: [Self.key("Patient/a"): Self.key("Patient/b"), Self.key("Patient/b"): Self.key("Patient/a")])
        #expect(Self.choice(circle) == .nobody(.endlessMerge))
        let kind = MemberFacts(
            person: Self.key("Patient/a"), records: [Self.record("a")],
            survivors: [Self.key("Patient/a"): Self.key("RelatedPerson/a")])
        #expect(Self.choice(kind) == .nobody(.endlessMerge))
    }

    @Test(arguments: [[false, false], [true, true]])
    func `where the plan picks, none and several marked records are nobody`(_ marks: [Bool]) {
        let facts = MemberFacts(
            person: Self.key("Person/me"),
            records: marks.enumerated().map { Self.record("p\($0)", isPreferred: $1) })
        #expect(Self.choice(facts, rules: MemberRules(several: .plan)) == .nobody(.ambiguous))
    }

    @Test func `a source cannot give a practitioner patients`() {
        let facts = MemberFacts(person: Self.key("Practitioner/d"), records: [Self.record("p", .representative)])
        #expect(Self.patients(Self.choice(facts)) == [])
        let panels = PractitionerPanels([Self.key("Practitioner/d"): .patients([Self.id("q")])])
        #expect(Self.patients(Self.choice(facts, panels: panels)) == ["q"])
    }

    // MARK: - who it is

    @Test func `a member is the patient whose record is their own, and may open it`() {
        let choice = Self.choice(
            MemberFacts(records: [Self.record("me"), Self.record("child", .minor, born: "2020-01-01")]))
        #expect(choice.member?.fhirUser == Self.key("Patient/me"))
        #expect(Self.patients(choice) == ["me", "child"])
    }

    @Test func `of several own records the member chooses, or the plan picks`() {
        let facts = MemberFacts(records: [Self.record("a"), Self.record("b", isPreferred: true)])
        #expect(Self.patients(Self.choice(facts)) == ["a", "b"])
        let picked = Self.choice(facts, rules: MemberRules(several: .plan))
        #expect(Self.patients(picked) == ["b"])
        #expect(picked.member?.fhirUser == Self.key("Patient/b"))
    }

    @Test func `merged records are opened under the id that survived, once`() {
        let facts = MemberFacts(
            person: Self.key("Patient/old"), records: [Self.record("old"), Self.record("new")],
            survivors: [
                Self.key("Patient/old"): Self.key("Patient/newer"), Self.key("Patient/newer"): Self.key("Patient/new"),
            ])
        let choice = Self.choice(facts)
        #expect(choice.member?.fhirUser == Self.key("Patient/new"))
        #expect(Self.patients(choice) == ["new"])
    }

    @Test func `a stored link is decided like every other answer`() {
        let link = MemberLink(
            subject: SubjectID("s"), fhirUser: Self.key("RelatedPerson/r"),
            patients: [LinkedPatient(id: Self.id("b"), label: "B"), LinkedPatient(id: Self.id("a"), label: "A")])
        let choice = Self.choice(link.facts)
        #expect(choice.member?.fhirUser == Self.key("RelatedPerson/r"))
        #expect(Self.patients(choice) == ["b", "a"])
    }

    // MARK: - properties

    private struct Facts {
        var random: SplitMix

        mutating func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }

        mutating func make() -> MemberFacts {
            let days: [String?] = [nil, nil, "2026-11-24", "2026-11-25", "2026-11-26", "2010-02-28", "2030-01-01"]
            let births: [String?] = [nil, "2008-11-25", "2008-11-26", "2020-02-29", "1950-06-01"]
            let records = (0..<Int(random.next() % 5)).map { _ in
                record(
                    pick(["a", "b", "c", "d"]), pick(MemberRecord.Relation.allCases), from: pick(days),
                    until: pick(days), coverageEnd: pick(days), born: pick(births), isPreferred: pick([true, false]))
            }
            var survivors: [InstanceKey: InstanceKey] = [:]
            if random.next() % 3 == 0 {
                survivors[key("Patient/\(pick(["a", "b"]))")] = key("Patient/\(pick(["c", "d", "a"]))")
            }
            let person: String? = pick([nil, "Patient/a", "RelatedPerson/r", "Person/p"])
            return MemberFacts(person: person.map(key), records: records, survivors: survivors)
        }

        private func record(
            _ id: String, _ relation: MemberRecord.Relation, from: String?, until: String?, coverageEnd: String?,
            born: String?, isPreferred: Bool
        ) -> MemberRecord {
            MemberChoiceTests.record(
                id, relation, from: from, until: until, coverageEnd: coverageEnd, born: born, isPreferred: isPreferred)
        }

        private func key(_ text: String) -> InstanceKey { MemberChoiceTests.key(text) }
    }

    /// A small generator with a seed, so that a failure can be repeated.
    struct SplitMix {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            return word ^ (word >> 31)
        }
    }

    @Test(.verifies("house@MEMBER-DATES"), arguments: [1, 2, 3] as [UInt64])
    func `nobody opens a record of which no line holds today, and taking a line away opens nothing`(_ seed: UInt64) {
        var source = Facts(random: SplitMix(state: seed))
        for _ in 0..<3000 {
            let facts = source.make()
            let rules = MemberRules(several: source.pick(MemberRules.Several.allCases), coverageGraceDays: 0)
            let opened = Set(Self.patients(Self.choice(facts, rules: rules)) ?? [])
            let holding = facts.records.filter {
                MemberChoice.standing(of: $0, rules: rules, on: Self.today) == .holds
            }
            let reachable = Set(holding.map(\.id.text)).union(facts.survivors.values.map(\.id.text))
            #expect(opened.isSubset(of: reachable), "\(facts)")
            guard facts.survivors.isEmpty, rules.several == .member, facts.person?.type != .patient,
                facts.person != nil, Set(facts.records.map(\.id)).count == facts.records.count
            else { continue }
            for index in facts.records.indices {
                var fewer = facts
                let taken = fewer.records.remove(at: index)
                let left = Set(Self.patients(Self.choice(fewer, rules: rules)) ?? [])
                #expect(left.isSubset(of: opened), "without \(taken): \(facts)")
                #expect(!left.contains(taken.id.text))
            }
        }
    }
}

/// Days, as feeds of members write them.
@Suite struct CalendarDateTests {
    @Test(arguments: [
        "", "2026", "2026-11", "2026-1-1", "2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31",
        "2026-11-25T00:00:00Z",
        " 2026-11-25", "２０２６-11-25", "-026-11-25", "1799-01-01",
    ])
    func `what is no day of the calendar is refused`(_ text: String) { #expect(CalendarDate(text) == nil) }

    @Test(
        arguments: [
            (0, "1970-01-01"), (86_399, "1970-01-01"), (86_400, "1970-01-02"), (-1, "1969-12-31"),
            (1_709_164_800, "2024-02-29"), (1_795_564_800, "2026-11-25"), (4_107_542_400, "2100-03-01"),
        ] as [(Int64, String)])
    func `a moment is on its day in UTC`(_ seconds: Int64, _ text: String) {
        #expect(CalendarDate(unixSeconds: seconds).description == text)
    }

    @Test func `days can be counted from and to`() throws {
        for offset in stride(from: 0, through: 60_000, by: 37) {
            let date = CalendarDate(unixSeconds: Int64(offset) * 86_400)
            #expect(CalendarDate(date.description) == date)
            #expect(date.adding(days: 1) > date)
            #expect(date.adding(days: 1).adding(days: -1) == date)
        }
    }
}
