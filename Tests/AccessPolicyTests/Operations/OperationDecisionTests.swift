import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Which calls of operations are let through, and in what form (enforcer digest b.9).
@Suite(.underMutation) struct OperationDecisionTests {
    static let claims = Token.system("system/Claim.cruds system/ClaimResponse.rs system/Patient.rs system/Coverage.rs")

    static let refused: [(line: String, token: Token, status: Int)] = [
        // no descriptor: one refusal whatever the name
        ("GET /Patient/pA/$unknown", .p, 403), ("GET /Patient/pA/$meta", .p, 403),
        ("GET /Patient/pA/$meta-add", .s, 403),
        ("GET /Patient/$match", .p, 403), ("GET /$export", .p, 403), ("GET /Patient/$export", .p, 403),
        ("GET /Group/g1/$export", .p, 403), ("GET /Observation/$stats?subject=Patient/pB", .p, 403),
        ("GET /Composition/compA/$document?persist=true", .p, 403), ("GET /Patient/pA/$graph?graph=x", .p, 403),
        ("GET /$graphql", .s, 403), ("GET /$process-message", .s, 403), ("GET /$reindex", .s, 403),
        ("GET /$expunge", .s, 403), ("GET /Patient/$purge", .s, 403), ("GET /$import", .s, 403),
        ("GET /Observation/$everything", .p, 403), ("GET /$everything", .s, 403),
        // $everything
        ("GET /Patient/pB/$everything", .p, 404),
        ("GET /Patient/pA/$everything", .patient("patient/Observation.rs"), 403),
        ("GET /Patient/pA/$everything?_type=Condition", .po, 403), ("GET /Patient/pA/$everything?_type=X", .po, 400),
        ("GET /Patient/pA/$everything?patient=pB", .p, 400), ("GET /Patient/pA/$everything?_count=0", .p, 400),
        ("GET /Patient/pA/$everything?start=Patient/pB", .p, 403), ("GET /Patient/pA/$everything?start:not=x", .p, 400),
        ("GET /Patient/pA/$everything?start=1&start=2", .p, 400), ("GET /Patient/$everything", .u, 403),
        ("GET /Patient/pA/$everything", .none, 403),
        // $docref
        ("GET /DocumentReference/$docref?patient=pB", .p, 403),
        ("GET /DocumentReference/$docref?patient=Patient/pB", .p, 403),
        ("GET /DocumentReference/$docref?patient=https://other.example/fhir/Patient/pA", .p, 403),
        ("GET /DocumentReference/$docref?patient=Group/pA", .p, 400),
        ("GET /DocumentReference/$docref?patient=pA&patient=pB", .p, 400),
        ("GET /DocumentReference/$docref", .user("user/*.rs", panel: ["pA", "pB"]), 400),
        ("GET /DocumentReference/$docref?on-demand=perhaps", .p, 400), ("GET /DocumentReference/$docref", .po, 403),
        ("GET /DocumentReference/$docref", .patient("patient/DocumentReference.r"), 403),
        // $lastn
        ("GET /Observation/$lastn?patient=pB", .p, 403), ("GET /Observation/$lastn?max=x", .p, 400),
        ("GET /Observation/$lastn?_include=Observation:performer", .p, 400), ("GET /Observation/$lastn?foo=1", .p, 400),
        ("GET /Observation/$lastn", .pr, 403), ("GET /Observation/$lastn?_summary=count", .p, 400),
        (
            "GET /Observation/$lastn",
            .patient("patient/Observation.rs?category=a patient/Observation.rs?code=b"), 400
        ),
        // terminology
        ("GET /ValueSet/$expand?url=x", .po, 403), ("GET /ValueSet/$expand?urll=x", .p, 400),
        ("GET /ValueSet/$expand?filter=Patient/pB", .p, 403), ("GET /CodeSystem/$lookup?coding=x", .p, 400),
        // payers
        ("GET /Claim/$submit", claims, 403), ("POST /Claim/$submit", .pw, 403), ("GET /Patient/$member-match", .p, 403),
        ("GET /Group/$bulk-member-match", .p, 403),
        (
            "GET /Patient/$member-match",
            .system("system/Patient.rs?gender=male system/Coverage.rs"), 403
        ),
    ]

    @Test(
        .verifies(
            "attack@ATK-073", "attack@ATK-219", "attack@ATK-232", "attack@ATK-235", "attack@ATK-236", "attack@ATK-243",
            "attack@ATK-246", "attack@ATK-248", "attack@ATK-250", "attack@ATK-251"), arguments: refused.indices)
    func `a call that its descriptor does not carry is refused before anything is asked`(place: Int) throws {
        let row = Self.refused[place]
        let body = row.line.hasPrefix("POST") ? #"{"resourceType":"Parameters"}"# : nil

        #expect(try Exchange.refusal(row.line, row.token, body: body) == row.status, "\(row.line) \(row.token.scopes)")
    }

    @Test(.verifies("attack@ATK-251"))
    func `names that are known and refused look like names that are not known`() throws {
        let unknown = try Exchange.denial("GET /Patient/pA/$unknown", .p)

        for name in ["meta", "match", "purge", "member-match"] {
            let known = try Exchange.denial("GET /Patient/pA/$\(name)", .p)
            #expect(known == unknown)
            #expect(known.operationOutcome() == unknown.operationOutcome())
        }
        #expect(try Exchange.denial("GET /Patient/$member-match", .p) == unknown)
    }

    static let permitted: [(line: String, token: Token, interaction: String, query: String)] = [
        ("GET /Patient/pA/$everything", .p, "Patient/pA", ""),
        ("GET /Patient/pA/$everything?_count=9999999&start=2020", .p, "Patient/pA", "_count=1000&start=2020"),
        ("GET /Patient/pA/$everything", .po, "Patient/pA", "_type=Observation,Patient"),
        ("GET /Patient/$everything", .po, "Patient/pA", "_type=Observation,Patient"),
        ("GET /Patient/$everything", .s, "Patient", ""), ("GET /Patient/pB/$everything", .s, "Patient/pB", ""),
        ("GET /DocumentReference/$docref", .p, "DocumentReference", "patient=pA"),
        ("GET /DocumentReference/$docref?patient=pA", .p, "DocumentReference", "patient=pA"),
        (
            "GET /DocumentReference/$docref?patient=https://gw.example/fhir/Patient/pA&start=2020", .p,
            "DocumentReference",
            "patient=Patient/pA&start=2020"
        ),
        ("GET /Observation/$lastn?max=3&code=1-8", .g, "Observation", ""),
        ("GET /ValueSet/$expand?url=http://x&filter=y&count=10", .p, "ValueSet", "url=http://x&filter=y&count=10"),
    ]

    @Test(
        .verifies("attack@ATK-233", "attack@ATK-234", "attack@ATK-249"), arguments: permitted.indices)
    func `a call goes on as its descriptor reads it, tied to the patient`(place: Int) throws {
        let row = Self.permitted[place]
        let permit = try Exchange.permit(row.line, row.token)

        guard case .operation(_, let level) = permit.upstreamInteraction else {
            Issue.record("not an operation")
            return
        }
        let called =
            switch level {
            case .system: ""
            case .type(let type): type.rawValue
            case .instance(let key): key.description
            }
        #expect(called == row.interaction)
        let sent = (permit.upstreamQuery?.terms ?? []).map { "\($0.fullName)=\($0.rawValue)" }.joined(separator: "&")
        if row.line.contains("$lastn") {
            #expect(sent == "code=1-8&patient=Patient/pA&category=\(SearchNarrowingTests.lab)&max=3")
        } else {
            #expect(sent == row.query)
        }
        #expect(!permit.changesUpstream && permit.operationBody == nil)
    }

    // MARK: - bodies

    @Test func `parameters in a body are printed anew and tied to the patient`() throws {
        let body =
            #"{"resourceType":"Parameters","id":"x","parameter":[{"name":"start","valueDate":"2020-01-01"},{"name":"on-demand","valueBoolean":false}]}"#
        let permit = try Exchange.permit("POST /DocumentReference/$docref", .p, body: body)

        #expect(
            permit.operationBody.map { String(decoding: $0.bytes, as: UTF8.self) }
                == #"{"resourceType":"Parameters","parameter":[{"name":"start","valueDate":"2020-01-01"},{"name":"on-demand","valueBoolean":false},{"name":"patient","valueId":"pA"}]}"#
        )
    }

    static let malformed = [
        #"{"resourceType":"Patient","id":"pA"}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"patient","valueId":"pB"}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/pB"}}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"identifier":{"value":"b"}}}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"x","valueId":"pA"}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"start","part":[]}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"start"}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"start","valueDate":"2020","valueId":"x"}]}"#,
        #"{"resourceType":"Parameters","parameter":[{"name":"start","resource":{"resourceType":"Patient"}}]}"#,
        #"{"resourceType":"Parameters","parameter":{"name":"start","valueDate":"2020"}}"#,
        #"{"resourceType":"Parameters","extension":[{"url":"x"}]}"#,
    ]

    @Test(arguments: malformed)
    func `a body with anything that is not described is refused`(body: String) throws {
        let status = try Exchange.refusal("POST /DocumentReference/$docref", .p, body: body)

        #expect([400, 403].contains(status))
    }

    @Test func `URL and body do not both hold parameters`() throws {
        let body = #"{"resourceType":"Parameters","parameter":[]}"#

        #expect(try Exchange.refusal("POST /DocumentReference/$docref?patient=pA", .p, body: body) == 400)
    }

    // MARK: - what is handed in

    static func bundle(_ entries: [(String?, String)]) -> String {
        let list = entries.map { address, resource in
            (address.map { #"{"fullUrl":"\#($0)","resource":"# } ?? #"{"resource":"#) + resource + "}"
        }.joined(separator: ",")
        return #"{"resourceType":"Bundle","type":"collection","entry":[\#(list)]}"#
    }

    static func claim(_ patient: String, extra: String = "") -> String {
        #"{"resourceType":"Claim","id":"c","patient":{"reference":"\#(patient)"}\#(extra)}"#
    }

    static let user = Token.user("user/*.cruds", panel: ["pA"])
    static let patient = #"{"resourceType":"Patient","id":"pA"}"#
    static let own = [
        bundle([(nil, claim("Patient/pA"))]),
        bundle([("urn:uuid:1", claim("urn:uuid:2")), ("urn:uuid:2", patient)]),
        bundle([
            ("https://gw.example/fhir/Claim/c", claim("https://gw.example/fhir/Patient/pA")),
            ("https://gw.example/fhir/Patient/pA", patient),
            ("http://ehr.example/Organization/o", #"{"resourceType":"Organization"}"#),
        ]),
        #"{"resourceType":"Parameters","parameter":[{"name":"resource","resource":\#(bundle([(nil, claim("Patient/pA"))]))}]}"#,
    ]
    static let foreign = [
        bundle([(nil, claim("Patient/pB"))]), bundle([(nil, claim("Patient/pA")), (nil, claim("Patient/pB"))]),
        bundle([("urn:uuid:1", claim("urn:uuid:2")), ("urn:uuid:2", #"{"resourceType":"Patient","id":"pB"}"#)]),
        bundle([("urn:uuid:1", claim("urn:uuid:3")), ("urn:uuid:2", patient)]),
        // an address that says one patient over a resource that says another
        bundle([
            ("https://gw.example/fhir/Claim/c", claim("https://gw.example/fhir/Patient/pB")),
            ("https://gw.example/fhir/Patient/pB", patient),
        ]),
        bundle([("urn:uuid:2", patient), ("urn:uuid:2", #"{"resourceType":"Patient","id":"pA","active":true}"#)]),
        bundle([(nil, #"{"resourceType":"Claim","id":"c"}"#)]),
        bundle([(nil, claim("Patient/pA", extra: #","payee":{"party":{"reference":"Patient/pB"}}"#))]),
        bundle([(nil, claim("Patient?identifier=b"))]), bundle([(nil, claim("#p"))]), bundle([]),
        bundle([(nil, bundle([(nil, claim("Patient/pB"))]))]),
        bundle([
            (nil, #"{"resourceType":"Claim","id":"c","patient":{"reference":"Patient/pA","identifier":{"value":"b"}}}"#)
        ]),
        bundle([(nil, #"{"resourceType":"Group","id":"g"}"#)]),
        #"{"resourceType":"Bundle","type":"batch","entry":[{"resource":\#(claim("Patient/pA")),"request":{"method":"DELETE","url":"Claim/c"}}]}"#,
    ]

    @Test(arguments: own) func `a submission about the patients inside goes on byte for byte`(body: String) throws {
        let permit = try Exchange.permit("POST /Claim/$submit", Self.user, body: body)
        let sent = permit.operationBody.map { String(decoding: $0.bytes, as: UTF8.self) }

        // But for ids and addresses that nobody has proven, which a server could store by; see `SubmissionTests` and
        // `SubmittedAddressTests`.
        let stored =
            body.contains("gw.example")
            ? SubmittedAddressTests.renamed(body, ["http://ehr.example/Organization/o"])
            : SubmittedAddressTests.renamed(body, ["urn:uuid:1", "urn:uuid:2"])
                .replacing(#""Claim","id":"c","#, with: #""Claim","#)
        #expect(permit.changesUpstream)
        #expect(sent == stored)
        let inquiry = try Exchange.permit("POST /Claim/$inquire", Self.user, body: body)
        #expect(!inquiry.changesUpstream)
        #expect(inquiry.operationBody.map { String(decoding: $0.bytes, as: UTF8.self) } == body)
    }

    @Test(.verifies("attack@ATK-244"), arguments: foreign, ["$submit", "$inquire"])
    func `a submission that is about anybody else is refused`(body: String, operation: String) throws {
        let denial = try Exchange.denial("POST /Claim/\(operation)", Self.user, body: body)

        #expect(denial.reason == .bodyOutsideBoundary)
    }

    // MARK: - descriptors of a site

    static func descriptor(
        _ name: String = "report", levels: Set<OperationDescriptor.Level> = [.type],
        types: Set<ResourceType> = [.observation], contexts: Set<ScopeLevel> = [.system],
        requirements: [OperationDescriptor.Requirement] = [.init(.search, .observation)],
        binding: OperationDescriptor.PatientBinding = .population,
        parameters: [String: OperationDescriptor.Parameter] = [:],
        answers: Set<OperationDescriptor.AnswerKind> = [.bundle], changesState: Bool = false
    ) -> OperationDescriptor {
        OperationDescriptor(
            name, levels: levels, types: types, contexts: contexts, requirements: requirements, binding: binding,
            parameters: parameters, answers: answers, changesState: changesState)
    }

    static let faults: [OperationDescriptor] = [
        descriptor("graphql"), descriptor("expunge"), descriptor("Upper"), descriptor(""), descriptor("a b"),
        descriptor(levels: []), descriptor(types: []), descriptor(contexts: []), descriptor(requirements: []),
        descriptor(answers: []), descriptor(contexts: [.patient]), descriptor(contexts: [.user], binding: .nobody),
        descriptor(binding: .patient), descriptor(binding: .instance), descriptor(binding: .parameter("p")),
        descriptor(binding: .parameter("p"), parameters: ["p": .init(.text)]),
        descriptor(binding: .parameter("p"), parameters: ["p": .init(.patient, repeats: true)]),
        descriptor(binding: .search, changesState: true), descriptor(binding: .submission),
    ]

    @Test(arguments: faults.indices)
    func `a descriptor that leaves a hole is no descriptor`(place: Int) throws {
        #expect(Self.faults[place].fault != nil)
        #expect(throws: OperationTable.Fault.self) { try OperationTable.builtIn.adding([Self.faults[place]]) }
    }

    @Test func `a site's descriptor opens exactly what it says`() throws {
        var policy = Exchange.policy
        let own = Self.descriptor(binding: .population, changesState: true)
        policy.operations = try OperationTable.builtIn.adding([own])

        guard case .deny(let get) = try Exchange.decide("GET /Observation/$report", .s, policy: policy),
            case .deny(let patient) = try Exchange.decide(
                "POST /Observation/$report", .p, body: #"{"resourceType":"Parameters"}"#, policy: policy),
            case .permit(let permit) = try Exchange.decide(
                "POST /Observation/$report", .s, body: #"{"resourceType":"Parameters"}"#, policy: policy)
        else {
            Issue.record("expected two refusals and a permit")
            return
        }
        #expect(get.reason == .operationNotSupported && patient.reason == .operationNotSupported)
        #expect(permit.changesUpstream)
        #expect(throws: OperationTable.Fault.self) { try OperationTable.builtIn.adding([own, own]) }
    }
}
