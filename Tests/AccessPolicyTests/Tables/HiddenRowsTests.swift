import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Rows that are withheld must not show in what is answered: not in pages, not in counts, not in what is missing.
@Suite(.underMutation) struct HiddenRowsTests {
    static let next = ("next", "http://upstream.internal:9090/r4?_getpages=1")
    static let twoParameters = Token.patient("patient/Observation.rs?category=a patient/Observation.rs?code=b")

    static let notExpressible = [
        twoParameters,
        .patient("patient/Observation.rs?category=a&status=final patient/Observation.rs?category=b"),
        Token(
            scopes: "patient/Observation.rs user/Observation.rs?category=x", fhirUser: "Practitioner/d",
            userPanel: Token.panel(["pB"])),
        Token(
            scopes: "patient/Observation.rs?category=y user/Observation.rs?category=x", fhirUser: "Practitioner/d",
            userPanel: Token.panel(["pB"])),
        Token(scopes: "patient/Observation.rs system/Observation.rs?category=x", systemPanel: .everyone),
    ]

    @Test(.verifies("attack@ATK-076"), arguments: notExpressible)
    func `limits that no single query can say are as many searches, and are not counted`(token: Token) throws {
        let permit = try Exchange.permit("GET /Observation", token)

        #expect(permit.isGathered)
        #expect(permit.recordedQuery?.split(separator: "\n").count == 2)
        #expect(try Exchange.denial("GET /Observation?_summary=count", token).status == 400)
    }

    @Test(arguments: [
        ("GET /Observation?category=a", twoParameters, "category=a&patient=Patient/pA"),
        ("GET /Observation?category=s%7Ca", twoParameters, "category=s|a&patient=Patient/pA"),
        ("GET /Observation?patient=pB", notExpressible[2], "patient=Patient/pB&category=x"),
        ("GET /Observation?patient=pA", notExpressible[2], "patient=Patient/pA"),
        ("GET /Observation?category=x", notExpressible[2], "category=x&patient=Patient/pA,Patient/pB"),
        ("GET /Observation?category=s%7Cx", notExpressible[4], "category=s|x"),
    ])
    func `a search that is itself within a limit is forwarded`(line: String, token: Token, upstream: String) throws {
        #expect(try Exchange.permit(line, token).upstreamQuery?.encoded.removingPercent == upstream)
    }

    @Test(arguments: [
        // The client's value is inside the constraint: one term says both.
        (
            "GET /Observation?category=\(SearchNarrowingTests.lab)",
            "category=\(SearchNarrowingTests.lab)&patient=Patient/pA"
        ),
        // The constraint is inside the client's values.
        ("GET /Observation?category=laboratory,vital-signs", "patient=Patient/pA&category=\(SearchNarrowingTests.lab)"),
        // An observation can be of both categories, so neither term says the other.
        (
            "GET /Observation?category=vital-signs",
            "category=vital-signs&patient=Patient/pA&category=\(SearchNarrowingTests.lab)"
        ),
        (
            "GET /Observation?category:not=laboratory",
            "category:not=laboratory&patient=Patient/pA&category=\(SearchNarrowingTests.lab)"
        ),
    ])
    func `a term of the client's and one of the grant's are joined where one implies the other`(
        line: String, upstream: String
    ) throws {
        let permit = try Exchange.permit(line, .g)
        let sent = (permit.upstreamQuery?.terms ?? []).map { "\($0.fullName)=\($0.rawValue)" }.joined(separator: "&")

        #expect(sent == upstream)
    }

    // MARK: - counts

    static func policy(_ parameters: Set<String>?) throws -> ServerPolicy {
        ServerPolicy(
            publicBase: Exchange.publicBase, upstreamBase: Exchange.upstreamBase, types: try TypeTable.r4(),
            supportedParameters: parameters.map { [.observation: $0] })
    }

    @Test(
        .verifies("attack@ATK-077"),
        arguments: [nil, [], ["code"], ["category"], ["patient"]] as [Set<String>?])
    func `a count is offered only where the upstream says that it knows what narrows it`(
        parameters: Set<String>?
    ) throws {
        let policy = try HiddenRowsTests.policy(parameters)

        for line in ["GET /Observation?_summary=count", "GET /Observation?_count=0"] {
            guard case .deny(let denial) = try Exchange.decide(line, .g, policy: policy) else {
                Issue.record("expected a refusal of \(line)")
                continue
            }
            #expect(denial == Denial(.parameterNotSupported, parameter: "_summary"))
        }
        let permit = try Exchange.permit("GET /Observation?_total=accurate", .g, policy: policy)
        #expect(permit.upstreamQuery?.terms.contains { $0.name == "_total" } == false)
    }

    @Test(.verifies("attack@ATK-077"))
    func `a count under a term that stands twice is not offered`() throws {
        let policy = try HiddenRowsTests.policy(["patient", "category"])

        #expect(try Exchange.permit("GET /Observation?_summary=count", .g, policy: policy).upstreamQuery != nil)
        guard
            case .deny = try Exchange.decide(
                "GET /Observation?category=vital-signs&_summary=count", .g, policy: policy)
        else {
            Issue.record("expected a refusal")
            return
        }
    }

    @Test(.verifies("attack@ATK-076"))
    func `an upstream's total passes only beside all the rows that it counts, or from one that knows the limits`()
        throws
    {
        func total(_ parameters: Set<String>?, _ total: Int, links: [(String, String)] = []) throws -> Int64? {
            let permit = try Exchange.permit("GET /Observation", .p, policy: HiddenRowsTests.policy(parameters))
            let row = Records.Entry(json: Records.observation("a"))
            let upstream = Exchange.answer(Records.searchset([row], total: total, links: links))
            let answer = try Exchange.released(upstream, permit, pageLink: { _ in "https://gw.example/n" })
            return answer.json["total"]?.int
        }

        #expect(try total(nil, 1) == 1)
        #expect(try total(nil, 7) == nil)
        #expect(try total(nil, 1, links: [HiddenRowsTests.next]) == nil)
        #expect(try total(["patient"], 7, links: [HiddenRowsTests.next]) == 7)
    }

    // MARK: - pages

    @Test(
        arguments: [
            [("next", "http://evil.example/r4?_getpages=1")], [("next", "FTP://upstream.internal:9090/r4?x")],
            [next, ("next", "http://upstream.internal:9090/r4?b")], [("next", "")],
        ])
    func `an answer with a next page that cannot be linked is not shown as complete`(links: [(String, String)]) throws {
        let permit = try Exchange.permit("GET /Observation", .p)
        let json = Records.searchset([.init(json: Records.observation("a"))], links: links)
        let admission = admitAnswer(Exchange.answer(json), under: permit, pageLink: { _ in "https://gw.example/n" })

        guard case .refuse(let denial) = admission else {
            Issue.record("expected a refusal")
            return
        }
        #expect(denial == Denial(.upstreamUnverifiable))
    }

    @Test func `an answer whose next page we cannot seal is not shown as complete`() throws {
        let search = Records.searchset([.init(json: Records.observation("a"))], links: [HiddenRowsTests.next])
        let history =
            #"{"resourceType":"Bundle","type":"history","link":[{"relation":"next","url":"\#(HiddenRowsTests.next.1)"}]}"#

        #expect(try Exchange.refused(Exchange.answer(search), Exchange.permit("GET /Observation", .p)).status == 502)
        #expect(
            try Exchange.refused(Exchange.answer(history), Exchange.permit("GET /Observation/o/_history", .p)).status
                == 502)
    }

    static func list(_ id: String, _ other: String) -> String {
        #"{"resourceType":"List","id":"\#(id)","subject":{"reference":"Patient/pA"},"entry":[{"item":{"reference":"Patient/\#(other)"}}]}"#
    }

    @Test(.verifies("attack@ATK-044"))
    func `pages end at the first hidden row of a type that the upstream cannot leave out, and say so`() throws {
        let permit = try Exchange.permit("GET /List", .p)
        func answer(_ rows: [String]) throws -> ReleasedAnswer {
            try Exchange.released(
                Exchange.answer(Records.searchset(rows.map { .init(json: $0) }, links: [HiddenRowsTests.next])), permit,
                pageLink: { _ in "https://gw.example/n" })
        }
        let whole = try answer([HiddenRowsTests.list("a", "pA")])
        let cut = try answer([HiddenRowsTests.list("a", "pA"), HiddenRowsTests.list("b", "pB")])
        let two = try answer([
            HiddenRowsTests.list("a", "pA"), HiddenRowsTests.list("b", "pB"), HiddenRowsTests.list("c", "pB"),
        ])

        #expect(whole.link("next") == "https://gw.example/n")
        #expect(cut.link("next") == nil)
        #expect(cut.ids == ["a", "outcome"])
        #expect(two.body == cut.body)
    }

    // MARK: - what comes along

    @Test(
        .verifies("attack@ATK-056"),
        arguments: [
            "GET /Practitioner?_revinclude=Observation:performer",
            "GET /Organization?_revinclude=Encounter:service-provider",
            "GET /Observation?_include=Observation:performer&_revinclude:iterate=Encounter:practitioner",
        ])
    func `nobody's row does not bring along everybody's`(line: String) throws {
        #expect(
            try Exchange.denial(line, .p)
                == Denial(
                    .parameterNotSupported, parameter: line.contains("iterate") ? "_revinclude:iterate" : "_revinclude")
        )
        #expect(try Exchange.denial(line, .u).status == 400)
        #expect(try Exchange.permit(line, .s).upstreamQuery != nil)
    }

    @Test(.verifies("attack@ATK-054"))
    func `of two entries of one name neither opens the other`() throws {
        let permit = try Exchange.permit("GET /DiagnosticReport?_include=DiagnosticReport:result", .p)
        let json = Records.searchset([
            .init(json: SearchAnswerTests.report),
            .init(json: Records.observation("o", of: "Patient/pB"), mode: "include"),
            .init(json: Records.observation("o"), mode: "include"),
        ])
        let answer = try Exchange.released(Exchange.answer(json), permit)

        #expect(!String(decoding: answer.body.bytes, as: UTF8.self).contains("pB"))
        #expect(answer.ids == ["d", "outcome"])
    }

    @Test func `a long chain of what comes along is followed once`() throws {
        let permit = try Exchange.permit(
            "GET /Observation?_include:iterate=Observation:has-member&_id=o0", .p)
        func row(_ number: Int) -> String {
            Records.observation(
                "o\(number)", extra: #","hasMember":[{"reference":"Observation/o\#(number + 1)"}]"#)
        }
        let count = 3_000
        // The worst order: each round of a naive search finds one.
        let rows =
            [Records.Entry(json: row(0))]
            + (1..<count).reversed().map { Records.Entry(json: row($0), mode: "include") }
        let start = ContinuousClock.now

        let answer = try Exchange.released(Exchange.answer(Records.searchset(rows)), permit)

        #expect(answer.counts.released == count)
        #expect(ContinuousClock.now - start < .seconds(30))
    }
}

extension String {
    fileprivate var removingPercent: String { replacing("%7C", with: "|") }
}
