import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Conditional writes, patches and Bundles before anything is asked.
@Suite(.underMutation) struct WriteDecisionTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let line: String
        let body: String?
        let token: Token
        /// Nil where it is permitted.
        let status: Int?
        var testDescription: String { "\(line) \(body ?? "") (\(token.scopes)): \(status ?? 0)" }

        init(_ line: String, _ token: Token, _ status: Int?, body: String? = nil) {
            self.line = line
            self.body = body
            self.token = token
            self.status = status
        }
    }

    static func decide(
        _ line: String, _ token: Token, body: String? = nil, prefer: String? = nil,
        policy: ServerPolicy = Exchange.policy
    ) throws -> AccessDecision {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        let target = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var headers = FHIRHeaders()
        headers.prefer = prefer
        let isCreate = words[0] == "POST"
        if isCreate, target.count == 2 { headers.ifNoneExist = target[1] }
        if body != nil {
            headers.contentType = words[0] == "PATCH" ? "application/json-patch+json" : "application/fhir+json"
        }
        let request = try CanonicalRequest(
            FHIRRequest(
                method: FHIRRequest.Method(words[0]), path: target[0],
                query: target.count == 2 && !isCreate ? target[1] : nil, headers: headers,
                body: Array((body ?? "").utf8)))
        return AccessPolicy.decide(
            AccessRequest(
                request: request, access: token.access, userPanel: token.userPanel, systemPanel: token.systemPanel,
                policy: policy))
    }

    static func status(_ row: Row) throws -> Int? {
        switch try decide(row.line, row.token, body: row.body) {
        case .permit: nil
        case .deny(let denial): denial.status
        }
    }

    private static let body = Records.observation("o")
    private static let test = #"[{"op":"test","path":"/status","value":"final"}]"#
    private static let add = #"[{"op":"add","path":"/status","value":"final"}]"#

    @Test(
        .verifies("attack@ATK-129", "attack@ATK-132", "attack@ATK-144", "attack@ATK-135"),
        arguments: [
            Row("PATCH /Observation/o", .p, 403, body: "[]"),
            Row("PATCH /Observation/o", .patient("patient/Observation.u"), 403, body: test),
            Row("PATCH /Observation/o", .patient("patient/Observation.us"), 403, body: test),
            Row("PATCH /Patient/pB", .pw, 404, body: "[]"),
            Row("PATCH /Observation/o", .none, 403, body: "[]"),
            Row("PATCH /Consent/c", .pw, 403, body: "[]"),
            Row("POST /Observation?code=x", .patient("patient/Observation.c"), 403, body: body),
            Row("POST /Observation?code=x", .patient("patient/Observation.s"), 403, body: body),
            Row("POST /Patient?_id=pA", .pw, 403, body: Records.patient("pA")),
            Row("PUT /Observation?code=x", .patient("patient/Observation.u"), 403, body: body),
            Row("PUT /Observation?code=x", .patient("patient/Observation.cs"), 403, body: body),
            Row("PATCH /Observation?code=x", .patient("patient/Observation.u"), 403, body: "[]"),
            Row("DELETE /Observation?code=x", .patient("patient/Observation.d"), 403),
            Row("DELETE /Observation?code=x", .patient("patient/Observation.s"), 403),
            Row("DELETE /Patient?_id=pA", .pw, 403), Row("DELETE /Observation?patient=pB", .pw, 403),
            Row("DELETE /Patient?_id=pB", .uw, 403), Row("DELETE /Observation?unknown=x", .pw, 400),
            Row("DELETE /Observation?performer:Practitioner.name=x", .pw, 400),
            Row("DELETE /Observation?code:not=x", .pw, 400), Row("DELETE /Observation?status:missing=true", .pw, 400),
            Row("DELETE /Observation?_has:Provenance:target:agent=x", .pw, 400),
            Row("POST /", .none, 403, body: #"{"resourceType":"Bundle","type":"batch"}"#),
            Row("POST /", .patient(""), 403, body: #"{"resourceType":"Bundle","type":"transaction"}"#),
            Row("DELETE /Observation?code=x", .none, 403), Row("DELETE /Consent?_id=x", .pw, 403),
        ])
    func `what the token or the condition itself forbids is refused`(row: Row) throws {
        #expect(try Self.status(row) == row.status)
    }

    @Test(arguments: [
        Row("PATCH /Observation/o", .pw, nil, body: test),
        Row("PATCH /Observation/o", .patient("patient/Observation.u"), nil, body: add),
        Row("PATCH /Observation/o", .patient("patient/Observation.u patient/Observation.r"), nil, body: test),
        Row("POST /Observation?code=x", .patient("patient/Observation.cs"), nil, body: body),
        Row("PUT /Observation?code=x", .patient("patient/Observation.us"), nil, body: body),
        Row("DELETE /Observation?code=x", .patient("patient/Observation.ds"), nil),
        Row("DELETE /Observation?_id=a,b&subject=Patient/pA", .pw, nil), Row("DELETE /Patient?_id=pA", .uw, nil),
        Row("DELETE /Observation?date=2020", .pw, nil),
        Row("POST /", .p, nil, body: #"{"resourceType":"Bundle","type":"batch"}"#),
    ])
    func `what the letters allow is permitted`(row: Row) throws {
        #expect(try Self.status(row) == nil)
    }

    private func permit(
        _ line: String, _ token: Token, body: String? = nil, prefer: String? = nil,
        policy: ServerPolicy = Exchange.policy
    ) throws -> Permit {
        guard case .permit(let permit) = try Self.decide(line, token, body: body, prefer: prefer, policy: policy) else {
            Issue.record("\(line) is refused")
            throw Exchange.Unexpected()
        }
        return permit
    }

    @Test func `a condition is narrowed as the search that it is`() throws {
        let permit = try permit("DELETE /Observation?code=1-8", .gw)

        #expect(permit.upstreamInteraction == .search(.observation))
        #expect(
            permit.upstreamQuery?.encoded
                == "code=1-8&patient=Patient/pA&category=http://terminology.hl7.org/CodeSystem/observation-category%7Claboratory"
        )
        #expect(permit.precondition == nil)
    }

    @Test func `no part of a condition is dropped however lenient the handling`() throws {
        guard
            case .deny(let denial) = try Self.decide(
                "DELETE /Observation?_id=o&unknown=x", .pw, prefer: "handling=lenient")
        else {
            Issue.record("a part of the condition was passed over")
            return
        }
        #expect(denial.status == 400)
    }

    @Test func `a parameter that only the server can evaluate needs a server that says that it can`() throws {
        let unknown = ServerPolicy(
            publicBase: Exchange.publicBase, upstreamBase: Exchange.upstreamBase, types: Exchange.policy.types)

        for line in ["DELETE /Observation?date=2020", "DELETE /Observation?value-quantity=1"] {
            guard case .deny(let denial) = try Self.decide(line, .pw, policy: unknown) else {
                Issue.record("\(line) is permitted")
                continue
            }
            #expect(denial.status == 400)
            #expect(try Self.status(Row(line, .pw, nil)) == nil)
        }
    }

    // MARK: - matches

    private func matches(_ line: String, _ token: Token, _ bundle: String) throws -> [String]? {
        guard case .page(let matches, _) = admitMatches(Exchange.answer(bundle), under: try permit(line, token)) else {
            return nil
        }
        return matches.map(\.key.description)
    }

    @Test(.verifies("attack@ATK-143", "attack@ATK-147"))
    func `only what is seen and meets the condition is a match`() throws {
        let bundle = Records.searchset([
            Records.Entry(json: Records.observation("own")),
            Records.Entry(json: Records.observation("foreign", of: "Patient/pB")),
            Records.Entry(json: Records.observation("orphan", of: nil)),
            Records.Entry(json: Records.observation("silent"), mode: nil),
            Records.Entry(json: Records.observation("along"), mode: "include"),
            Records.Entry(json: Records.patient("pA"), mode: nil),
            Records.Entry(json: #"{"resourceType":"OperationOutcome","issue":[]}"#, mode: "outcome"),
        ])

        #expect(try matches("DELETE /Observation?code=1-8", .pw, bundle) == ["Observation/own", "Observation/silent"])
        #expect(
            try matches("DELETE /Observation?code=http://loinc.org%7C1-8&_id=own", .pw, bundle) == ["Observation/own"])
        #expect(try matches("DELETE /Observation?code=9-9", .pw, bundle) == [])
        #expect(try matches("DELETE /Observation?code=1-8", .gw, bundle) == [])
        #expect(
            try matches("DELETE /Observation?subject=Patient/pA&_id=own,foreign", .pw, bundle) == ["Observation/own"])
        #expect(try matches("DELETE /Observation?encounter=Encounter/e", .pw, bundle) == [])
    }

    @Test(arguments: [
        #"{"resourceType":"Bundle","type":"collection"}"#, #"{"resourceType":"Patient","id":"pA"}"#, "[]",
        #"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"id":"x"}}]}"#,
        #"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"https://evil.example/fhir/Observation"}]}"#,
    ])
    func `what is no answer to a search decides nothing`(json: String) throws {
        #expect(try matches("DELETE /Observation?code=1-8", .pw, json) == nil)
    }

    @Test func `what is there already is answered with its place`() throws {
        let permit = try permit("POST /Observation?code=1-8", .pw, body: Records.observation("x"))
        let bundle = Records.searchset([Records.observation("own")])
        guard case .page(let matches, _) = admitMatches(Exchange.answer(bundle), under: permit) else {
            Issue.record("the page is refused")
            return
        }

        let answer = try #require(matches.first).answer()

        #expect(answer.status == 200)
        #expect(answer.location == "https://gw.example/fhir/Observation/own/_history/3")
        #expect(answer.etag == "W/\"3\"")
        #expect(answer.json["id"]?.string == "own")
    }

    // MARK: - patches and siblings

    private func outcome(_ patch: String, _ stored: String, _ token: Token) throws -> Int {
        let permit = try permit("PATCH /Observation/o", token, body: patch)
        let document = try JSONPatch(JSONDocument(Array(patch.utf8)).root)
        switch patched(try Exchange.view(stored), by: document, under: permit) {
        case .body: return 200
        case .refuse(let denial): return denial.status
        }
    }

    @Test(arguments: [
        #"{"op":"remove","path":"/performer"}"#, #"{"op":"replace","path":"/issued","value":"2020-01-01T00:00:00Z"}"#,
        #"{"op":"add","path":"/performer/-","value":{}}"#, #"{"op":"test","path":"/status","value":"final"}"#,
    ])
    func `who may write and not read is not told by a patch what is there`(operation: String) throws {
        func status(_ token: Token, _ operation: String) throws -> Int? {
            guard case .deny(let denial) = try Self.decide("PATCH /Observation/o", token, body: "[\(operation)]") else {
                return nil
            }
            return denial.status
        }
        let writer = Token.patient("patient/Observation.u")

        #expect(try status(writer, operation) == 403)
        #expect(try status(.patient("patient/Observation.ru"), operation) == nil)
        #expect(try status(writer, #"{"op":"add","path":"/status","value":"final"}"#) == nil)
    }

    @Test(.verifies("attack@ATK-128"))
    func `labels and profiles stay within a boundary`() throws {
        for name in ["security", "profile"] {
            let patch = #"[{"op":"add","path":"/meta/\#(name)","value":["x"]}]"#
            #expect(try outcome(patch, Records.observation("o"), .pw) == 403)
            #expect(try outcome(patch, Records.observation("o"), .uw) == 403)
            #expect(try outcome(patch, Records.observation("o"), .sw) == 200)
        }
        #expect(try outcome(#"[{"op":"remove","path":"/meta"}]"#, Records.observation("o"), .pw) == 200)
        #expect(try outcome(#"[{"op":"remove","path":"/nothing"}]"#, Records.observation("o"), .pw) == 422)
    }

    @Test func `a reference to an entry of the same transaction is what that entry is`() throws {
        let name = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
        let json = Records.observation("o", extra: Records.reference("encounter", name))
        let permit = try Exchange.permit("POST /Observation", .pw, body: json)
        func reason(_ siblings: [String: ResourceType]) throws -> WithholdReason? {
            switch admit(try Exchange.view(json), as: .submitted, under: permit, siblings: siblings) {
            case .release, .redact: nil
            case .withhold(let reason): reason
            }
        }

        #expect(try reason([:]) == .referenceForm)
        #expect(try reason(["urn:uuid:other": .encounter]) == .referenceForm)
        #expect(try reason([name: .encounter]) == nil)
        #expect(try reason([name: .patient]) == .outsideBoundary)
        #expect(try reason([name: .group]) == .referenceNotVisible)
    }

    @Test func `the subject is never an entry of the same transaction`() throws {
        let name = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
        let json = Records.observation("o", of: name)
        let permit = try Exchange.permit("POST /Observation", .pw, body: json)

        let admission = admit(try Exchange.view(json), as: .submitted, under: permit, siblings: [name: .patient])

        #expect(admission.released == nil)
    }

    @Test func `an address of ours goes in as the server's own`() throws {
        let json =
            #"{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/pA"},"content":[{"attachment":{"url":"https://gw.example/fhir/Binary/b1","title":"https://gw.example/fhir is ours"}}]}"#
        let permit = try Exchange.permit("POST /DocumentReference", .pw, body: json)
        let file = try #require(InstanceKey("Binary/b1"))
        let released = try #require(
            admit(try Exchange.view(json), as: .submitted, under: permit, visible: [file]).released)
        let text = String(decoding: released.bytes, as: UTF8.self)

        #expect(text.contains(#""url":"http://upstream.internal:9090/r4/Binary/b1""#))
        #expect(text.contains("https://gw.example/fhir is ours"))
    }
}
