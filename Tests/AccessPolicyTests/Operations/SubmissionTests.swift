import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What a submission refers to beside what stands in it (enforcer digest b.8, b.9).
@Suite struct SubmissionTests {
    private static func bundle(_ extra: String, at address: String? = nil) -> String {
        OperationDecisionTests.bundle([(address, OperationDecisionTests.claim("Patient/pA", extra: extra))])
    }

    private static func insurance(_ coverage: String) -> String {
        #","insurance":[{"sequence":1,"focal":true,"coverage":{"reference":"\#(coverage)"}}]"#
    }

    static let foreign = [
        // a file of the protected server, in any spelling that it reads
        bundle(#","extension":[{"url":"http://x","valueUrl":"http://upstream.internal:9090/r4/Binary/binB"}]"#),
        bundle(#","extension":[{"url":"http://x","valueUrl":"https://gw.example/fhir/Binary/binB"}]"#),
        bundle(#","supportingInfo":[{"sequence":1,"valueAttachment":{"url":"Binary/binB"}}]"#),
        // somebody by an identifier alone, where the compartment looks
        bundle(#","payee":{"party":{"identifier":{"value":"B"}}}"#),
        // what may be about anybody
        bundle(#","related":[{"claim":{"reference":"Group/g1"}}]"#),
        bundle(#","related":[{"claim":{"reference":"http://upstream.internal:9090/r4/Claim/claimB"}}]"#),
    ]

    @Test(.verifies("house@OPS-03"), arguments: foreign, ["$submit", "$inquire"])
    func `a submission opens no file and names nobody whom the boundary does not hold`(
        body: String, operation: String
    ) throws {
        let denial = try Exchange.denial("POST /Claim/\(operation)", OperationDecisionTests.user, body: body)

        #expect(denial.reason == .bodyOutsideBoundary)
    }

    static let lookedUp = [
        bundle(insurance("Coverage/covB")), bundle(insurance("https://gw.example/fhir/Coverage/covB")),
        // An entry of the Bundle under another address is not what the server would find.
        OperationDecisionTests.bundle([
            (nil, OperationDecisionTests.claim("Patient/pA", extra: insurance("Coverage/covB"))),
            (nil, #"{"resourceType":"Coverage","id":"covB","beneficiary":{"reference":"Patient/pA"}}"#),
        ]),
        OperationDecisionTests.bundle([
            ("urn:uuid:1", OperationDecisionTests.claim("Patient/pA", extra: insurance("Coverage/covB"))),
            (
                "https://other.example/Coverage/covB",
                #"{"resourceType":"Coverage","id":"covB","beneficiary":{"reference":"Patient/pA"}}"#
            ),
        ]),
    ]

    private static func coverage(of patient: String) -> String {
        #"{"resourceType":"Coverage","id":"covB","status":"active","beneficiary":{"reference":"Patient/\#(patient)"}}"#
    }

    @Test(.verifies("house@OPS-03"), arguments: lookedUp, ["$submit", "$inquire"])
    func `a record that does not stand in the Bundle must be shown to be within reach`(
        body: String, operation: String
    ) throws {
        let permit = try Exchange.permit("POST /Claim/\(operation)", OperationDecisionTests.user, body: body)

        #expect(permit.proofs.map(\.request.interaction) == [.read(try #require(InstanceKey("Coverage/covB")))])
        let proof = try #require(permit.proof)
        #expect(!permit.isProven(by: Exchange.answer(Self.coverage(of: "pB")), to: proof))
        #expect(!permit.isProven(by: Exchange.answer("", status: 404), to: proof))
        #expect(permit.isProven(by: Exchange.answer(Self.coverage(of: "pA")), to: proof))
        #expect(permit.unprovenDenial.reason == .referenceNotVisible)
    }

    @Test(arguments: ["https://gw.example/fhir", "http://upstream.internal:9090/r4"])
    func `an entry under the server's own address takes no place of somebody else's record`(base: String) throws {
        let body = OperationDecisionTests.bundle([
            ("urn:uuid:1", OperationDecisionTests.claim("Patient/pA", extra: Self.insurance("\(base)/Coverage/covB"))),
            ("\(base)/Coverage/covB", Self.coverage(of: "pA")),
        ])
        let permit = try Exchange.permit("POST /Claim/$submit", OperationDecisionTests.user, body: body)

        #expect(permit.proofs.map(\.request.interaction) == [.read(try #require(InstanceKey("Coverage/covB")))])
        let proof = try #require(permit.proof)
        #expect(!permit.isProven(by: Exchange.answer(Self.coverage(of: "pB")), to: proof))
        #expect(permit.isProven(by: Exchange.answer(Self.coverage(of: "pA")), to: proof))
    }

    private static func sent(_ body: String, as token: Token = OperationDecisionTests.user) throws -> String? {
        try Exchange.permit("POST /Claim/$submit", token, body: body).operationBody
            .map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test(
        .verifies("house@OPS-03"),
        arguments: [
            nil, "urn:uuid:1", "http://ehr.example/Claim/c", "https://gw.example/other/Claim/c",
            "https://gw.example/fhir2/Claim/c",
        ])
    func `an id that a server could store by and that nobody has proven does not go on`(address: String?) throws {
        let coverage = #"{"id":"covB","resourceType":"Coverage","beneficiary":{"reference":"Patient/pA"},"_id":{}}"#
        let entries = OperationDecisionTests.bundle([
            (address, OperationDecisionTests.claim("Patient/pA")), ("urn:uuid:2", coverage),
            ("urn:uuid:3", OperationDecisionTests.patient),
            ("urn:uuid:4", #"{"resourceType":"Organization","id":"o","name":"x"}"#),
            ("urn:uuid:5", #"{"resourceType":"Practitioner","id":"dr"}"#),
        ])
        let body = entries.replacing(#""Bundle","#, with: #""Bundle","id":"b","#)
        let parameters = #"{"resourceType":"Parameters","parameter":[{"name":"resource","resource":\#(body)}]}"#

        let sent = try [body, parameters].map { try #require(try Self.sent($0)) }

        let addresses = [address].compactMap { $0 } + (2...5).map { "urn:uuid:\($0)" }
        let expected = SubmittedAddressTests.renamed(entries, addresses).replacing(
            #""Claim","id":"c","#, with: #""Claim","#
        )
        .replacing(#"{"id":"covB","#, with: "{").replacing(#","_id":{}"#, with: "")
        .replacing(#","id":"o""#, with: "").replacing(#","id":"dr""#, with: "")
        #expect(sent[0] == expected)
        #expect(sent[1] == parameters.replacing(body, with: expected))
    }

    @Test(.verifies("house@OPS-03"))
    func `ids of those who reach everybody stay, as do those of what is not stored`() throws {
        let body = OperationDecisionTests.bundle([("urn:uuid:1", OperationDecisionTests.claim("Patient/pA"))])
        let everybody = Token(
            scopes: "user/*.cruds", patient: nil, fhirUser: "Practitioner/dr1", userPanel: .everyone)

        #expect(try Self.sent(body, as: everybody) == body)
        let inquiry = try Exchange.permit("POST /Claim/$inquire", OperationDecisionTests.user, body: body)
        #expect(inquiry.operationBody.map { String(decoding: $0.bytes, as: UTF8.self) } == body)
    }

    @Test(
        .verifies("house@OPS-03"), arguments: ["https://gw.example/fhir", "http://upstream.internal:9090/r4"],
        ["Organization", "Practitioner"])
    func `what is everybody's is not replaced from inside a boundary`(base: String, type: String) throws {
        let body = OperationDecisionTests.bundle([
            ("urn:uuid:1", OperationDecisionTests.claim("Patient/pA")),
            ("\(base)/\(type)/o", #"{"resourceType":"\#(type)","id":"o"}"#),
        ])

        let denial = try Exchange.denial("POST /Claim/$submit", OperationDecisionTests.user, body: body)

        #expect(denial.reason == .bodyOutsideBoundary)
        #expect(throws: Never.self) {
            try Exchange.permit("POST /Claim/$inquire", OperationDecisionTests.user, body: body)
        }
    }

    @Test(.verifies("house@OPS-03"))
    func `what may not be looked up at all is not referred to`() throws {
        let unread = Token.user("user/Claim.cruds user/ClaimResponse.rs", panel: ["pA"])
        let many = (0..<17).map { #"{"sequence":\#($0 + 1),"coverage":{"reference":"Coverage/c\#($0)"}}"# }
        let body = Self.bundle(#","insurance":[\#(many.joined(separator: ","))]"#)

        for operation in ["$submit", "$inquire"] {
            let denial = try Exchange.denial(
                "POST /Claim/\(operation)", unread, body: Self.bundle(Self.insurance("Coverage/covB")))
            #expect(denial.reason == .referenceNotVisible)
            #expect(
                try Exchange.denial("POST /Claim/\(operation)", OperationDecisionTests.user, body: body).reason
                    == .referenceNotVisible)
        }
    }

    static let inside = [
        OperationDecisionTests.bundle([
            ("urn:uuid:1", OperationDecisionTests.claim("Patient/pA", extra: insurance("urn:uuid:2"))),
            ("urn:uuid:2", coverage(of: "pA")),
        ]),
        OperationDecisionTests.bundle([
            (
                "http://payer.example/Claim/c",
                OperationDecisionTests.claim("Patient/pA", extra: insurance("Coverage/covB"))
            ),
            ("http://payer.example/Coverage/covB", coverage(of: "pA")),
        ]),
        OperationDecisionTests.bundle([
            (
                nil,
                OperationDecisionTests.claim("Patient/pA", extra: insurance("http://payer.example/Coverage/covB"))
            ),
            ("http://payer.example/Coverage/covB", coverage(of: "pA")),
        ]),
        bundle(#","provider":{"reference":"Organization/o1"},"insurer":{"identifier":{"value":"payer"}}"#),
    ]

    @Test(arguments: inside)
    func `what stands in the Bundle, or is nobody's, is not looked up`(body: String) throws {
        let permit = try Exchange.permit("POST /Claim/$submit", OperationDecisionTests.user, body: body)

        #expect(permit.proofs.isEmpty)
        #expect(permit.operationSubjects.map(\.text) == ["pA"])
    }
}
