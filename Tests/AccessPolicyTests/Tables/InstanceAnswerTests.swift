import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Answers about one resource: read, version, history, write.
@Suite(.underMutation) struct InstanceAnswerTests {
    @Test(
        .verifies("attack@ATK-003", "attack@ATK-004", "attack@ATK-012"),
        arguments: [
            Records.observation("o", of: "Patient/pB"), Records.observation("o", of: nil),
        ])
    func `what is not the patient's is answered like what was never there`(json: String) throws {
        let permit = try Exchange.permit("GET /Observation/o", .p)

        let hidden = try Exchange.refused(Exchange.answer(json, etag: "W/\"3\""), permit)
        let absent = try Exchange.refused(Exchange.answer("{}", status: 404), permit)
        let deleted = try Exchange.refused(Exchange.answer("{}", status: 410), permit)

        #expect(hidden == Denial(.notFound))
        #expect(hidden == absent)
        #expect(hidden == deleted)
        #expect(try Exchange.denial("GET /Patient/pB", .p) == hidden)
    }

    @Test(arguments: [
        (304, 502), (301, 502), (401, 502), (403, 502), (500, 502), (503, 503), (429, 503), (204, 502), (206, 502),
    ])
    func `an upstream's failure is told in our own words`(status: Int, ours: Int) throws {
        let permit = try Exchange.permit("GET /Observation/o", .p)

        #expect(try Exchange.refused(Exchange.answer(Records.observation("o"), status: status), permit).status == ours)
    }

    @Test(arguments: [
        Records.observation("other"), Records.patient("pA"), "{", "", #"{"resourceType":"OperationOutcome"}"#,
        #"{"resourceType":"Observation","id":"o","id":"o","subject":{"reference":"Patient/pA"}}"#,
    ])
    func `an answer that is not what was asked for is refused`(json: String) throws {
        let permit = try Exchange.permit("GET /Observation/o", .p)

        #expect(try Exchange.refused(Exchange.answer(json), permit).reason == .upstreamUnverifiable)
    }

    @Test func `a read passes with its version and its bytes`() throws {
        let permit = try Exchange.permit("GET /Observation/o", .p)
        let answer = try Exchange.released(Exchange.answer(Records.observation("o"), etag: "evil\r\nX: y"), permit)

        #expect(answer.status == 200)
        #expect(answer.etag == "W/\"3\"")
        #expect(answer.body.bytes == Array(Records.observation("o").utf8))
    }

    @Test(.verifies("attack@ATK-006"))
    func `a condition is looked at only after the judgement`() throws {
        let permit = try Exchange.permit("GET /Observation/o", .p, ifNoneMatch: "W/\"3\"")

        let same = try Exchange.released(Exchange.answer(Records.observation("o")), permit)
        let hidden = try Exchange.refused(Exchange.answer(Records.observation("o", of: "Patient/pB")), permit)

        #expect(same.status == 304)
        #expect(same.body.bytes.isEmpty)
        #expect(hidden.status == 404)
    }

    @Test(.verifies("attack@ATK-008"))
    func `a deleted resource is not told from one that never was`() throws {
        let permit = try Exchange.permit("GET /Observation/gone", .p)

        #expect(try Exchange.refused(Exchange.answer("{}", status: 410), permit) == Denial(.notFound))
    }

    @Test func `what was cut has no version to compare with`() throws {
        let permit = try Exchange.permit("GET /Appointment/a", .p)
        let json =
            #"{"resourceType":"Appointment","id":"a","meta":{"versionId":"2"},"participant":[{"actor":{"reference":"Patient/pA"}},{"actor":{"reference":"Patient/pB"}}]}"#
        let answer = try Exchange.released(Exchange.answer(json, etag: "W/\"2\""), permit)

        #expect(answer.etag == nil)
        #expect(answer.counts.redacted == 1)
    }

    @Test(.verifies("attack@ATK-098", "attack@ATK-099"))
    func `a version passes only as that version, and after the current one`() throws {
        let permit = try Exchange.permit("GET /Observation/o/_history/3", .p)
        let moved = Records.observation("o", of: "Patient/pB")

        #expect(permit.precondition != nil)
        #expect(admit(try Exchange.view(moved), as: .stored, under: permit).released == nil)
        #expect(try Exchange.refused(Exchange.answer(moved), permit) == Denial(.notFound))
        #expect(try Exchange.released(Exchange.answer(Records.observation("o")), permit).status == 200)
        let other = try Exchange.permit("GET /Observation/o/_history/2", .p)
        #expect(try Exchange.refused(Exchange.answer(Records.observation("o")), other).status == 502)
    }

    @Test(.verifies("attack@ATK-097"))
    func `each version of a history is judged`() throws {
        let permit = try Exchange.permit("GET /Observation/o/_history?_count=5", .p)
        func entry(_ json: String) -> String {
            #"{"fullUrl":"x","resource":\#(json),"request":{"method":"PUT","url":"http://upstream.internal:9090/r4/Observation/o"},"response":{"status":"200 OK","outcome":{"resourceType":"OperationOutcome"},"location":"http://upstream.internal:9090/r4/Observation/o/_history/3"}}"#
        }
        let deletion = #"{"request":{"method":"DELETE","url":"Observation/o"},"response":{"status":"204"}}"#
        let foreign = #"{"request":{"method":"DELETE","url":"Observation/other"}}"#
        let json =
            #"{"resourceType":"Bundle","type":"history","total":9,"entry":["#
            + [
                entry(Records.observation("o")), deletion, foreign, entry(Records.observation("o", of: "Patient/pB")),
                entry(Records.observation("other")),
            ].joined(separator: ",") + "]}"

        let answer = try Exchange.released(Exchange.answer(json), permit)
        let text = String(decoding: answer.body.bytes, as: UTF8.self)

        #expect(answer.json["entry"]?.array?.count == 2)
        #expect(answer.json["total"] == nil)
        #expect(answer.counts.withheld == [.outsideBoundary: 1, .unexpected: 1])
        #expect(!text.contains("upstream.internal"))
        #expect(answer.link("self") == "https://gw.example/fhir/Observation/o/_history?_count=5")
        #expect(permit.upstreamQuery?.encoded == "_count=5")
    }

    // MARK: - writes

    static let body = Records.observation("new")

    @Test(.verifies("attack@ATK-137"))
    func `writing does not include reading what was written`() throws {
        let location = "http://upstream.internal:9090/r4/Observation/new/_history/3"
        let blind = try Exchange.permit(
            "POST /Observation", .patient("patient/Observation.c"), body: InstanceAnswerTests.body)
        let seeing = try Exchange.permit("POST /Observation", .pw, body: InstanceAnswerTests.body)
        let answer = Exchange.answer(InstanceAnswerTests.body, status: 201, location: location)

        let unseen = try Exchange.released(answer, blind)
        let seen = try Exchange.released(answer, seeing)

        #expect(unseen.status == 201)
        #expect(unseen.body.bytes.isEmpty)
        #expect(seen.body.bytes == Array(InstanceAnswerTests.body.utf8))
        #expect(seen.location == "https://gw.example/fhir/Observation/new/_history/3")
    }

    @Test(
        .verifies("attack@ATK-255"),
        arguments: [
            "http://elsewhere.example/r4/Observation/new", "http://upstream.internal:9090/r4/Patient/new",
            "http://upstream.internal:9090/admin", "//evil", "Observation?x=y",
        ])
    func `a place that cannot be one of ours is not passed on`(location: String) throws {
        let permit = try Exchange.permit("POST /Observation", .pw, body: InstanceAnswerTests.body)

        #expect(
            try Exchange.refused(Exchange.answer(InstanceAnswerTests.body, status: 201, location: location), permit)
                .status == 502)
    }

    @Test func `an echo that is somebody else's does not pass`() throws {
        let permit = try Exchange.permit("POST /Observation", .pw, body: InstanceAnswerTests.body)
        let foreign = Records.observation("new", of: "Patient/pB")
        let answer = try Exchange.released(
            Exchange.answer(foreign, status: 201, location: "Observation/new"), permit)

        #expect(answer.body.bytes.isEmpty)
        #expect(answer.counts.withheld == [.outsideBoundary: 1])
    }

    @Test(
        .verifies("attack@ATK-254"),
        arguments: [(400, 422), (422, 422), (409, 409), (412, 412), (404, 404), (500, 502)])
    func `an upstream's refusal of a write loses its text`(status: Int, ours: Int) throws {
        let permit = try Exchange.permit("PUT /Observation/new", .pw, body: InstanceAnswerTests.body)
        let outcome =
            #"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"identifier in use by Patient/pB"}]}"#

        let denial = try Exchange.refused(Exchange.answer(outcome, status: status), permit)

        #expect(denial.status == ours)
        #expect(!String(decoding: denial.operationOutcome(), as: UTF8.self).contains("pB"))
    }

    @Test func `a delete is answered without a body, and only what is stored and admitted is deleted`() throws {
        let permit = try Exchange.permit("DELETE /Observation/new", .pw)
        let answer = try Exchange.released(Exchange.answer(InstanceAnswerTests.body, status: 200), permit)

        #expect(answer.status == 204)
        #expect(answer.body.bytes.isEmpty)
        #expect(admit(try Exchange.view(InstanceAnswerTests.body), as: .stored, under: permit).released != nil)
        let foreign = Records.observation("new", of: "Patient/pB")
        #expect(admit(try Exchange.view(foreign), as: .stored, under: permit).released == nil)
    }
}
