import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Feeds of members: taken whole or not at all.
@Suite struct MemberRosterTests {
    static let head = #"{"roster": "members", "date": "2026-11-25", "lines": 1}"#

    static func roster(_ lines: String...) throws -> MemberRoster {
        try MemberRoster(parsing: Array(lines.joined(separator: "\n").utf8))
    }

    static func problem(_ text: String) -> MemberFactsProblem? {
        do throws(MemberFactsProblem) {
            _ = try MemberRoster(parsing: Array(text.utf8))
            return nil
        } catch { return error }
    }

    @Test(
        .verifies("house@ROSTER"),
        arguments: [
            ("", nil), ("\n", nil), ("{}", 1), (#"{"roster": "members", "date": "2026-11-31", "lines": 0}"#, 1),
            (#"{"roster": "members", "date": "2026-11-25"}"#, 1),
            (#"{"roster": "providers", "date": "2026-11-25", "lines": 0}"#, 1),
            // Cut short.
            (head, 1), (head + "\n{\"login\": \"M-1\", \"person\": \"Patient/p", 2),
            (
                head
                    + "\n{\"login\": \"M-1\", \"person\": \"Patient/p1\"}\n{\"login\": \"M-2\", \"person\": \"Patient/p2\"}",
                1
            ),
            (head + "\n[]", 2), (head + "\n{\"login\": \"\", \"person\": \"Patient/p1\"}", 2),
            (head + "\n{\"login\": 7, \"person\": \"Patient/p1\"}", 2),
            (head + "\n{\"login\": \"M-1\"}", 2), (head + "\n{\"login\": \"M-1\", \"records\": []}", 2),
            (head + "\n{\"login\": \"M-1\", \"person\": \"Organization/o\"}", 2),
            (head + "\n{\"login\": \"M-1\", \"person\": \"https://other.example/Patient/p\"}", 2),
            (head + "\n{\"login\": \"M-1\", \"person\": \"Patient/p1\", \"email\": \"a@example.org\"}", 2),
            (head + "\n{\"login\": \"M-1\", \"records\": [{\"patient\": \"p1\", \"until\": \"2026\"}]}", 2),
            (head + "\n{\"login\": \"M-1\", \"records\": [{\"patient\": \"p1\", \"untill\": \"2026-01-01\"}]}", 2),
            (head + "\n{\"login\": \"M-1\", \"records\": [{\"patient\": \"p1\", \"relation\": \"friend\"}]}", 2),
            (head + "\n{\"login\": \"M-1\", \"records\": [{\"patient\": \"p1\", \"relation\": \"minor\"}]}", 2),
            (head + "\n{\"login\": \"M-1\", \"records\": [{\"patient\": \"p1\", \"preferred\": \"yes\"}]}", 2),
            (head + "\n{\"login\": \"M-1\", \"login\": \"M-2\", \"person\": \"Patient/p1\"}", 2),
            (head + "\n{\"merged\": {\"Patient/a\": \"b\"}}", 2),
            ("#members,2026-11-25", 1), ("#members,2026-11-25,1\nlogin,patient", 1),
            ("#members,2026-11-25,1\nlogin,mail\nM-1,p1", 2), ("#members,2026-11-25,1\nlogin,patient\nM-1", 3),
            ("#members,2026-11-25,1\nlogin,patient\n\"M-1,p1", 3), ("#members,2026-11-25,1\nlogin,patient\nM\"1,p1", 3),
            ("#members,2026-11-25,1\nlogin,patient,until\nM-1,p1,soon", 3),
            ("#members,2026-11-25,1\nlogin,patient\n,p1", 3),
            ("#members,2026-11-25,1\nlogin,person\nM-1,Patient/p1", 3),
            ("#members,2026-11-25,2\nlogin,person,patient\nM-1,RelatedPerson/a,p1\nM-1,RelatedPerson/b,p2", 4),
        ] as [(String, Int?)])
    func `a feed with one mistake is refused whole, and the line is named`(_ text: String, _ line: Int?) throws {
        #expect(try #require(Self.problem(text)).line == line, "\(String(describing: Self.problem(text)))")
    }

    @Test func `bytes that are no text are refused`() {
        #expect(throws: MemberFactsProblem.self) { try MemberRoster(parsing: [0x7B, 0xFF]) }
    }

    @Test func `a login stands in a feed once`() {
        let text = """
            {"roster": "members", "date": "2026-11-25", "lines": 2}
            {"login": "M-1", "person": "Patient/p1"}
            {"login": "M-1", "person": "Patient/p2"}
            """
        #expect(Self.problem(text)?.line == 3)
    }

    @Test(.verifies("house@bytes-not-letters"), arguments: [#"\u212A-1"#, #"\u212B"#, #"e\u0301"#])
    func `a login whose letters Unicode could take for others is a mistake of the feed`(_ login: String) {
        let line = #"{"login": ""# + login + #"", "person": "Patient/p1"}"#
        #expect(Self.problem(Self.head + "\n" + line)?.line == 2)
    }

    @Test func `both formats say the same`() throws {
        let json = try MemberRoster(
            parsing: Array(
                """
                {"roster": "members", "date": "2026-11-25", "lines": 3}
                {"login": "M-1", "records": [{"patient": "p1", "label": "Smith, Anna", "coverage-end": "2027-01-31"}, {"patient": "c1", "relation": "minor", "birth-date": "2020-02-29"}]}
                {"login": "M-2", "person": "RelatedPerson/r2", "records": [{"patient": "p9", "relation": "representative", "from": "2026-01-01", "until": "2026-12-31"}]}
                {"merged": {"Patient/p9": "Patient/p10"}}

                """.utf8))
        let csv = try MemberRoster(
            parsing: Array(
                ("#members,2026-11-25,4\r\n"
                    + "login,person,patient,relation,label,from,until,coverage-end,birth-date,merged-into\r\n"
                    + "M-1,,p1,own,\"Smith, Anna\",,,2027-01-31,,\r\n" + "M-1,,c1,minor,,,,,2020-02-29,\r\n"
                    + "M-2,RelatedPerson/r2,p9,representative,,2026-01-01,2026-12-31,,,\r\n"
                    + ",,p9,,,,,,,p10\r\n").utf8))
        #expect(json.count == 2)
        for login in ["M-1", "M-2", "M-3"] { #expect(json.answer(to: login) == csv.answer(to: login)) }
        let choice = MemberChoice(
            json.answer(to: "M-2"), rules: MemberRules(), today: try #require(CalendarDate("2026-11-25")))
        #expect(MemberChoiceTests.patients(choice) == ["p10"])
        #expect(json.answer(to: "m-1") == .unknown)
    }

    // MARK: - the feed in force

    static func feed(_ date: String, _ patient: String) -> [UInt8] {
        Array(
            """
            {"roster": "members", "date": "\(date)", "lines": 1}
            {"login": "M-1", "person": "Patient/\(patient)"}
            """.utf8)
    }

    static func ask(_ feed: MemberRosterFeed, _ identifier: String = "M-1") async throws -> MemberDirectoryAnswer {
        guard case .asked(let ask) = feed.source else { return .unknown }
        return try await ask(
            ExternalIdentity(provider: "plan", issuer: "https://idp.example", subject: "s", identifier: identifier))
    }

    @Test(.verifies("house@ROSTER")) func `a bad, older or future feed leaves the one in force`() async throws {
        let clock = ManualClock(at: 1_795_564_800)  // 2026-11-25
        let feed = MemberRosterFeed(clock: clock.clock)
        await #expect(throws: MemberRosterFeed.Unavailable.self) { _ = try await Self.ask(feed) }
        #expect(feed.problem != nil)
        let taken = MemberRosterFeed.Outcome.taken(date: try #require(CalendarDate("2026-11-25")), logins: 1)
        #expect(feed.take(Self.feed("2026-11-25", "p1")) == taken)
        #expect(feed.problem == nil)
        for bad in [Array("{".utf8), Self.feed("2026-11-24", "p2"), Self.feed("2026-11-27", "p2")] {
            guard case .refused = feed.take(bad) else {
                Issue.record("taken")
                continue
            }
            #expect(feed.problem != nil)
            #expect(
                MemberChoice(try await Self.ask(feed), rules: .init(), today: .init(unixSeconds: clock.now))
                    .member?.fhirUser == MemberChoiceTests.key("Patient/p1"))
        }
        #expect(feed.take(Self.feed("2026-11-26", "p2")) != taken)
        #expect(feed.problem == nil)
        #expect(try await Self.ask(feed) != .unknown)
        #expect(try await Self.ask(feed, "M-2") == .unknown)
    }

    @Test func `a feed that has grown too old is believed no more`() async throws {
        let clock = ManualClock(at: 1_795_564_800)
        let feed = MemberRosterFeed(clock: clock.clock, longestAgeInDays: 2)
        feed.take(Self.feed("2026-11-25", "p1"))
        clock.advance(seconds: 2 * 86_400)
        #expect(try await Self.ask(feed) != .unknown)
        clock.advance(seconds: 86_400)
        await #expect(throws: MemberRosterFeed.Unavailable.self) { _ = try await Self.ask(feed) }
        #expect(feed.problem != nil)
    }
}
