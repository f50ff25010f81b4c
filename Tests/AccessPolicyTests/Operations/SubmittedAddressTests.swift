import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Under which addresses the entries of a submission go on, and come back (enforcer digest b.9, ADR 0071).
@Suite(.underMutation) struct SubmittedAddressTests {
    /// The text of a body with the names that the entries under these addresses get, in their order, for the seed 0.
    static func renamed(_ body: String, _ addresses: [String]) -> String {
        addresses.enumerated().reduce(body) { text, pair in
            text.replacing(#""\#(pair.element)""#, with: #""\#(name(pair.offset))""#)
        }
    }

    static func name(_ place: Int) -> String {
        let digits = String(place, radix: 16)
        return "urn:uuid:00000000-0000-8000-8000-\(String(repeating: "0", count: 12 - digits.count))\(digits)"
    }

    private static let user = OperationDecisionTests.user
    private static let claim = #"{"resourceType":"Claim","patient":{"reference":"Patient/pA"}}"#

    private static func sent(_ body: String, as token: Token = user) throws -> String {
        let permit = try Exchange.permit("POST /Claim/$submit", token, body: body)
        return String(decoding: try #require(permit.operationBody).bytes, as: UTF8.self)
    }

    /// Addresses that a server could store a Claim by, each in its own way of reading them.
    static let addresses = [
        "https://evil.example/Claim/cB", "https://evil.example/fhir/Claim/cB/_history/1", "urn:uuid:cB",
        "urn:oid:1.2.3",
        "urn:uuid:0b0f1f5e-0000-4000-8000-000000000001", "Claim/cB", "/Claim/cB", "cB", "", "#cB", "Claim?identifier=x",
        "https://GW.example/fhir/Claim/cB", "https://gw.example:443/fhir/Claim/cB", "https://gw.example/fhir//Claim/cB",
        "https://gw.example/fhir/Claim/cB/_history/1", "https://gw.example/fhir/Claim/cB?x=y",
        "http://upstream.internal:9090/r4/Claim/cB#x", "http://upstream.internal:9090/r4/./Claim/cB",
        "https://gw.example/other/Claim/cB", "ftp://gw.example/fhir/Claim/cB", "https://gw.example/fhir/Claim/cB/",
    ]

    @Test(.verifies("house@OPS-03"), arguments: addresses)
    func `no entry goes on under an address that nobody has proven`(address: String) throws {
        let sent = try Self.sent(OperationDecisionTests.bundle([(address, Self.claim)]))

        #expect(sent == OperationDecisionTests.bundle([(Self.name(0), Self.claim)]))
    }

    @Test(.verifies("house@OPS-03"))
    func `what refers to an entry goes on referring to it, and everything else stays byte for byte`() throws {
        let base = "https://ehr.example/fhir"
        let claim = #"""
            {"resourceType":"Claim", "identifier":[{"system":"urn:ietf:rfc3986","value":"urn:uuid:9"}],
            "contained":[{"resourceType":"Organization","id":"x","partOf":{"reference":"Organization/payer"}}],
            "patient":{"reference":"Patient\/pA"}, "insurer":{"reference":"\#(base)/Organization/payer","display":"P"},
            "provider":{"reference":"Organization/other"},
            "insurance":[{"sequence":1,"coverage":{"reference":"Coverage/1"}}],
            "supportingInfo":[{"sequence":1,"valueReference":{"reference":"urn:uuid:9"}}]}
            """#
        let body = OperationDecisionTests.bundle([
            ("\(base)/Claim/1", claim), ("\(base)/Patient/pA", OperationDecisionTests.patient),
            ("\(base)/Coverage/1", #"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/pA"}}"#),
            ("urn:uuid:9", #"{"resourceType":"Observation","subject":{"reference":"\#(base)/Patient/pA"}}"#),
            ("\(base)/Organization/payer", #"{"resourceType":"Organization"}"#),
            (nil, #"{"resourceType":"Observation","subject":{"reference":"Patient/pA"}}"#),
        ])

        let sent = try Self.sent(body)

        // By hand: an entry without an address resolves nothing below another's base, and an identifier is no reference.
        var expected = body
        for (text, place) in [
            (#""fullUrl":"\#(base)/Claim/1""#, 0), (#""fullUrl":"\#(base)/Patient/pA""#, 1),
            (#""fullUrl":"\#(base)/Coverage/1""#, 2), (#""fullUrl":"urn:uuid:9""#, 3),
            (#""fullUrl":"\#(base)/Organization/payer""#, 4),
        ] { expected = expected.replacing(text, with: #""fullUrl":"\#(Self.name(place))""#) }
        for (text, place) in [
            (#""partOf":{"reference":"Organization/payer""#, 4), (#""patient":{"reference":"Patient\/pA""#, 1),
            (#""insurer":{"reference":"\#(base)/Organization/payer""#, 4), (#"e":{"reference":"Coverage/1""#, 2),
            (#""beneficiary":{"reference":"Patient/pA""#, 1), (#""valueReference":{"reference":"urn:uuid:9""#, 3),
            (#""subject":{"reference":"\#(base)/Patient/pA""#, 1),
        ] {
            let head = text.prefix(
                text.distance(from: text.startIndex, to: (text.firstRange(of: #":""#)?.lowerBound ?? text.startIndex)))
            expected = expected.replacing(text, with: #"\#(head):"\#(Self.name(place))""#)
        }
        #expect(sent == expected)
    }

    @Test(.verifies("house@OPS-03"))
    func `two submissions never give the same names`() throws {
        let body = OperationDecisionTests.bundle([("urn:uuid:1", Self.claim), ("urn:uuid:2", Self.claim)])
        var names: Set<String> = []
        for seed in [0, 2, 1 << 40, 1 << 127, UInt128.max - 10] {
            let decision = decide(
                AccessRequest(
                    request: try Exchange.request("POST /Claim/$submit", body: body), access: Self.user.access,
                    userPanel: Self.user.userPanel, systemPanel: Self.user.systemPanel, policy: Exchange.policy,
                    seed: seed))
            guard case .permit(let permit) = decision, let sent = permit.operationBody,
                let json = try? JSONValue(parsing: sent.bytes)
            else {
                Issue.record("no permit: \(decision)")
                return
            }
            for entry in json["entry"]?.array ?? [] {
                let name = try #require(entry["fullUrl"]?.string)
                // RFC 9562 §4, §5.8
                #expect(
                    name.wholeMatch(of: /urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/)
                        != nil)
                names.insert(name)
            }
        }
        #expect(names.count == 10)
    }

    @Test(.verifies("house@OPS-03"))
    func `what comes back keeps the address that it was handed in under`() throws {
        let base = "https://ehr.example/fhir"
        let body = OperationDecisionTests.bundle([
            ("\(base)/Claim/1", Self.claim), ("\(base)/Patient/pA", OperationDecisionTests.patient),
        ])
        let permit = try Exchange.permit("POST /Claim/$submit", Self.user, body: body)
        let answer = OperationDecisionTests.bundle([
            (
                "http://upstream.internal:9090/r4/ClaimResponse/9",
                #"{"resourceType":"ClaimResponse","id":"9","patient":{"reference":"\#(Self.name(1))"},"request":{"reference":"\#(Self.name(0))"},"disposition":"of \#(Self.name(0))"}"#
            ),
            (Self.name(1), OperationDecisionTests.patient),
        ])

        guard case .release(let released) = admitAnswer(Exchange.answer(answer), under: permit, pageLink: { _ in nil })
        else {
            Issue.record("not released")
            return
        }

        let json = try JSONValue(parsing: released.body.bytes)
        #expect(
            json["entry"]?.array?.map { $0["fullUrl"]?.string } == [
                "https://gw.example/fhir/ClaimResponse/9", "\(base)/Patient/pA",
            ])
        let response = json["entry"]?.array?.first?["resource"]
        #expect(response?["patient"]?["reference"]?.string == "\(base)/Patient/pA")
        #expect(response?["request"]?["reference"]?.string == "\(base)/Claim/1")
        // Only a text that is a name and nothing else.
        #expect(response?["disposition"]?.string == "of \(Self.name(0))")
    }

    static let contradictory = [
        ("https://gw.example/fhir/Coverage/covA", claim), ("http://upstream.internal:9090/r4/Patient/pA", claim),
        ("https://ehr.example/Coverage/1", claim), ("Coverage/1", claim),
    ]

    @Test(.verifies("house@OPS-03"), arguments: contradictory)
    func `an address of one type over a resource of another is refused`(address: String, resource: String) throws {
        let denial = try Exchange.denial(
            "POST /Claim/$submit", Self.user, body: OperationDecisionTests.bundle([(address, resource)]))

        #expect(denial.reason == .bodyOutsideBoundary)
    }

    @Test(.verifies("house@OPS-03"))
    func `an entry that says where it is kept is refused`() throws {
        let body =
            #"{"resourceType":"Bundle","type":"collection","entry":[{"resource":\#(Self.claim),"response":{"status":"200","location":"Claim/cB"}}]}"#

        #expect(
            try Exchange.denial("POST /Claim/$submit", Self.user, body: body).reason == .bodyOutsideBoundary)
    }

    static let own = OperationDecisionTests.bundle([
        (
            "https://gw.example/fhir/Claim/cA",
            #"{"resourceType":"Claim","id":"cA","patient":{"reference":"Patient/pA"}}"#
        )
    ])

    @Test(
        .verifies("house@OPS-03"),
        arguments: [
            "user/Claim.crs user/ClaimResponse.rs", "user/Claim.crs user/Claim.u?status=active user/ClaimResponse.rs",
        ])
    func `what is to take a record's place needs the letter for an update of it`(scopes: String) throws {
        let token = Token.user(scopes, panel: ["pA"])

        #expect(throws: Never.self) {
            try Exchange.permit(
                "POST /Claim/$submit", token, body: OperationDecisionTests.bundle([("urn:uuid:1", Self.claim)]))
        }
        let denial = try Exchange.denial("POST /Claim/$submit", token, body: Self.own)
        #expect([.letterNotGranted, .bodyOutsideBoundary].contains(denial.reason))
    }

    @Test(.verifies("house@OPS-03"))
    func `the record whose place is taken is held against the letter for an update`() throws {
        let permit = try Exchange.permit(
            "POST /Claim/$submit", Token.user("user/Claim.cruds user/ClaimResponse.rs", panel: ["pA"]), body: Self.own)

        let proof = try #require(permit.proof)
        func stored(of patient: String) -> String {
            #"{"resourceType":"Claim","id":"cA","patient":{"reference":"Patient/\#(patient)"}}"#
        }
        #expect(permit.isProven(by: Exchange.answer(stored(of: "pA")), to: proof))
        #expect(!permit.isProven(by: Exchange.answer(stored(of: "pB")), to: proof))
    }

    @Test(.verifies("house@OPS-03"))
    func `an entry without an id may be referred to, unless it is the patient`() throws {
        let body = OperationDecisionTests.bundle([
            (
                "urn:uuid:1",
                #"{"resourceType":"Claim","patient":{"reference":"Patient/pA"},"insurance":[{"coverage":{"reference":"urn:uuid:2"}}]}"#
            ),
            ("urn:uuid:2", #"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/pA"}}"#),
        ])
        #expect(try Exchange.permit("POST /Claim/$submit", Self.user, body: body).proofs.isEmpty)

        let nobody = OperationDecisionTests.bundle([
            ("urn:uuid:1", #"{"resourceType":"Claim","patient":{"reference":"urn:uuid:2"}}"#),
            ("urn:uuid:2", #"{"resourceType":"Patient"}"#),
        ])
        #expect(
            try Exchange.denial("POST /Claim/$submit", Self.user, body: nobody).reason == .bodyOutsideBoundary)
    }
}
