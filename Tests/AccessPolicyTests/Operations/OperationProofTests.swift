import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What a call of an operation hangs on: the instance, the patient, the rows (enforcer digest b.9).
@Suite struct OperationProofTests {
    private static func policy(_ own: OperationDescriptor, _ base: ServerPolicy = Exchange.policy) throws
        -> ServerPolicy
    {
        var policy = base
        policy.operations = try OperationTable.builtIn.adding([own])
        return policy
    }

    // MARK: - on an instance

    private static let review = OperationDescriptor(
        "review", levels: [.instance], types: [.observation], contexts: [.patient, .user],
        requirements: [.init(.update, .observation)], binding: .instance, answers: [.bundle])
    private static let userReview = OperationDescriptor(
        "review", levels: [.instance], types: [.observation], contexts: [.user],
        requirements: [.init(.update, .observation)], binding: .instance, answers: [.bundle])

    private static func token(_ scopes: String, panel ids: [String]) -> Token {
        Token(scopes: scopes, patient: "pA", fhirUser: "Practitioner/dr1", userPanel: Token.panel(ids))
    }

    private static func isProven(
        _ record: String, _ descriptor: OperationDescriptor, _ token: Token
    ) throws -> Bool? {
        let decision = try Exchange.decide(
            "GET /Observation/o1/$review", token, policy: try policy(descriptor))
        guard case .permit(let permit) = decision else { return nil }
        let proof = try #require(permit.proof)
        #expect(proof.request.interaction == .read(try #require(InstanceKey("Observation/o1"))))
        return permit.isProven(by: Exchange.answer(record), to: proof)
    }

    private static let lab = Records.observation("o1", category: "laboratory")
    private static let vitals = Records.observation("o1", category: "vital-signs")
    private static let foreign = Records.observation("o1", of: "Patient/pB", category: "laboratory")

    @Test(.verifies("house@OPS-01"))
    func `the letter that an operation needs has to hold for the very resource that it is called on`() throws {
        // One grant reads it, and another one has the letter, for somebody else.
        let split = Self.token("patient/Observation.r user/Observation.u", panel: ["pB"])
        // One grant has the letter under a constraint that this resource does not meet.
        let limited = Self.token("user/Observation.r user/Observation.u?\(Token.lab)", panel: ["pA"])

        #expect(try Self.isProven(Self.lab, Self.review, split) == false)
        #expect(try Self.isProven(Self.foreign, Self.review, split) == false)
        #expect(try Self.isProven(Self.vitals, Self.userReview, limited) == false)
        #expect(try Self.isProven(Self.foreign, Self.userReview, limited) == false)
        #expect(try Self.isProven(Self.lab, Self.userReview, limited) == true)
    }

    @Test(.verifies("house@OPS-01"))
    func `a grant of a context that does not carry the operation reads nothing for it`() throws {
        let outside = Self.token("patient/Observation.r user/Observation.u", panel: ["pA"])
        let inside = Self.token("user/Observation.ru", panel: ["pA"])

        #expect(try Self.isProven(Self.lab, Self.userReview, outside) == nil)
        #expect(try Self.isProven(Self.lab, Self.userReview, inside) == true)
    }

    // MARK: - on a patient

    @Test(.verifies("house@OPS-01"))
    func `a letter that must be whole is not met for a patient by one under a constraint`() throws {
        let descriptor = OperationDescriptor(
            "report", levels: [.type], types: [.observation], contexts: [.patient, .user],
            requirements: [.init(.search, .observation), .init(.search, .condition, whole: true)],
            binding: .parameter("patient"), parameters: ["patient": .init(.patient)], answers: [.bundle])
        let policy = try Self.policy(descriptor)
        func isPermitted(_ scopes: String) throws -> Bool {
            let token = Self.token(scopes, panel: ["pB"])
            if case .permit = try Exchange.decide("GET /Observation/$report?patient=pA", token, policy: policy) {
                return true
            }
            return false
        }

        #expect(try !isPermitted("patient/Observation.rs patient/Condition.rs?category=x user/Condition.rs"))
        #expect(try isPermitted("patient/Observation.rs patient/Condition.rs"))
    }

    @Test(.verifies("house@OPS-01"))
    func `a call on everybody needs each letter for everybody`() throws {
        let descriptor = OperationDescriptor(
            "census", levels: [.type], types: [.patient], contexts: [.patient, .system],
            requirements: [.init(.read, .patient), .init(.read, .observation)], binding: .patient, answers: [.bundle])
        let policy = try Self.policy(descriptor)
        let mixed = Token(scopes: "system/Patient.r patient/Observation.r", systemPanel: .everyone)

        guard case .deny(let denial) = try Exchange.decide("GET /Patient/$census", mixed, policy: policy),
            case .permit = try Exchange.decide("GET /Patient/$census", .s, policy: policy)
        else {
            Issue.record("expected a refusal, and a permit for who has every letter for everybody")
            return
        }
        #expect(denial.reason == .operationNotSupported)
    }

    // MARK: - over rows

    @Test(.verifies("house@OPS-01"))
    func `what is computed from rows stands where a count of them would`() throws {
        func isPermitted(_ type: ResourceType, _ token: Token, _ base: ServerPolicy) throws -> Bool {
            let descriptor = OperationDescriptor(
                "stats", levels: [.type], types: [type], contexts: [.patient, .system],
                requirements: [.init(.search, type)], binding: .search, answers: [.parameters])
            let decision = try Exchange.decide(
                "GET /\(type.rawValue)/$stats", token, policy: try Self.policy(descriptor, base))
            if case .permit = decision { return true }
            return false
        }
        let silent = ServerPolicy(
            publicBase: Exchange.publicBase, upstreamBase: Exchange.upstreamBase, types: Exchange.policy.types)
        let distrusted = Exchange.policy.knowing(
            Exchange.policy.supportedParameters, distrusting: [.observation])

        #expect(try !isPermitted(.observation, .p, silent))
        #expect(try !isPermitted(.observation, .p, distrusted))
        #expect(try !isPermitted(.list, .p, Exchange.policy))
        #expect(try isPermitted(.observation, .p, Exchange.policy))
        #expect(try isPermitted(.list, .s, Exchange.policy))
    }

    // MARK: - what is answered

    @Test(
        .verifies("house@OPS-02"),
        arguments: [
            #"collection","entry":[{"resource":{"resourceType":"Patient","id":"pB"}}],"x":""#, "searchsets", "", "x\ny",
        ])
    func `a Bundle that says what no Bundle says is none`(type: String) throws {
        let body = OperationDecisionTests.bundle([(nil, OperationDecisionTests.claim("Patient/pA"))])
        let permit = try Exchange.permit("POST /Claim/$submit", OperationDecisionTests.user, body: body)
        let text = String(decoding: JSONValue.string(type).serialized, as: UTF8.self)
        let hostile = #"{"resourceType":"Bundle","type":\#(text),"entry":[]}"#

        #expect(try Exchange.refused(Exchange.answer(hostile), permit).reason == .upstreamUnverifiable)
        let nested = #"{"resourceType":"Parameters","parameter":[{"name":"return","resource":\#(hostile)}]}"#
        let released = try Exchange.released(Exchange.answer(nested), permit)
        #expect(released.json["parameter"] == nil)
        #expect(!String(decoding: released.body.bytes, as: UTF8.self).contains("pB"))
    }

    @Test func `an operation in pages that changes something has no opening record, so it is none`() {
        let descriptor = OperationDecisionTests.descriptor(answers: [.pages], changesState: true)

        #expect(descriptor.fault != nil)
    }
}
