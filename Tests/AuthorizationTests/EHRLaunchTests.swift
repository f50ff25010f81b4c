import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Launches that an EHR makes (SMART 2.2 app-launch; the L group of the attack catalogue).
@Suite struct EHRLaunchTests {
    private static let scope = "launch openid fhirUser offline_access patient/Patient.rs user/Patient.rs"

    // MARK: - making launches

    @Test(.verifies("oauth-attack@L-15"))
    func `without a token, and with one that is not good, no launch is made`() async throws {
        let harness = try await LaunchHarness()
        let document = EHR.document()
        guard case .unauthorized(nil) = await harness.server.launch.create(document, token: .none, from: harness.source)
        else { throw Unexpected() }
        for token in ["junk", try await EHR.token(harness) + "x"] {
            let answer = await harness.server.launch.create(
                document, token: PresentedAccessToken(authorizationHeader: "Bearer \(token)"), from: harness.source)
            guard case .unauthorized(.some) = answer else { throw Unexpected() }
        }
    }

    @Test(.verifies("oauth-attack@L-15"))
    func `a token without the scope makes no launch, whoever's it is`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let person = try #require(try await harness.exchange(code).response)
        let service = try await EHR.token(harness, client: "service", scope: "system/Patient.rs")
        for token in [person.accessToken.reveal(), service] {
            let answer = await harness.server.launch.create(
                EHR.document(), token: .bearer(Secret(token)), from: harness.source)
            guard case .forbidden(let error) = answer else { throw Unexpected() }
            #expect(error.code == .insufficientScope)
        }
    }

    @Test(.verifies("oauth-attack@L-15"))
    func `a revoked token makes no launch`() async throws {
        let harness = try await LaunchHarness()
        let token = try await EHR.token(harness)
        _ = try await harness.server.access.revoke(
            .client(ClientID("ehr")), because: .clientSuspended, by: "test", from: harness.source)
        let answer = await harness.server.launch.create(
            EHR.document(), token: .bearer(Secret(token)), from: harness.source)
        guard case .unauthorized(.some) = answer else { throw Unexpected() }
    }

    @Test(
        .verifies("oauth-attack@L-15"),
        arguments: [
            ["user": "doctor", "patient": "patient-b"], ["user": "anna", "patient": "patient-b"],
            ["user": "nobody", "patient": "patient-a"], ["user": "Practitioner/stranger", "patient": "patient-a"],
            ["user": "clerk", "patient": "patient-a"],
        ])
    func `nobody is launched into a record that the user may not open`(_ changes: [String: String]) async throws {
        let harness = try await LaunchHarness()
        let answer = try await EHR.create(harness, changes.mapValues { .string($0) })
        guard case .forbidden(let error) = answer else { throw Unexpected() }
        // One text, so that nobody's account is found out.
        #expect(error.summary == "the user is not known or may not open the patient's record")
        let record = try #require(harness.log.records.last)
        #expect(record.kind == .launch && record.outcome == .refused(reason: "access_denied"))
    }

    @Test(
        .verifies("oauth-attack@L-23"),
        arguments: [
            ("fhirContext", JSONValue.array(Array(repeating: ["reference": "ImagingStudy/1"], count: 10_000))),
            ("fhirContext", ["ImagingStudy/1"]), ("fhirContext", [["role": "launch"]]),
            ("fhirContext", [["reference": "Patient/patient-b"]]),
            ("fhirContext", [["reference": "https://evil.example/ImagingStudy/1"]]),
            ("fhirContext", [["reference": "ImagingStudy/1", "role": ""]]),
            ("fhirContext", [["reference": "ImagingStudy/1", "deep": [[[[["x"]]]]]]]),
            ("fhirContext", [["identifier": ["system": "s", "value": ["deep": "x"]]]]),
            ("fhirContext", [["canonical": "http://x", "type": "NoSuchType"]]), ("fhirContext", "x"),
            ("patient", "Patient/patient-a"), ("patient", 7), ("encounter", "../1"), ("unknown", "x"),
            ("need_patient_banner", "true"), ("smart_style_url", "http://ehr.example/style.json"),
            ("smart_style_url", "javascript:alert(1)"), ("intent", "a\nb"), ("user", 5), ("client_id", "no-such"),
            ("client_id", "service"), ("aud", "https://as.example/other"),
        ] as [(String, JSONValue)])
    func `a launch that is not well formed is refused`(_ name: String, _ value: JSONValue) async throws {
        let harness = try await LaunchHarness()
        guard case .refused(let error) = try await EHR.create(harness, [name: value]) else { throw Unexpected() }
        #expect(error.status == 400)
        #expect(!harness.log.records.contains { $0.kind == .launch && $0.outcome == .succeeded })
    }

    @Test func `an encounter that is not the patient's is refused`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        guard case .refused(let error) = try await EHR.create(harness, ["encounter": "e-of-another"]) else {
            throw Unexpected()
        }
        #expect(error.code == .invalidRequest)
        guard case .created = try await EHR.create(harness, ["encounter": "e-1"]) else { throw Unexpected() }
    }

    @Test func `a patient who is not there is refused, also to who may open every record`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        guard case .forbidden(let error) = try await EHR.create(harness, ["user": "chief", "patient": "patient-z"])
        else { throw Unexpected() }
        #expect(error.code == .accessDenied)
        guard case .created = try await EHR.create(harness, ["user": "chief"]) else { throw Unexpected() }
    }

    @Test func `a handle is kept as a hash and told once`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let stored = try #require(try await harness.store.launch(made.handle.hash))
        #expect(stored.clientID.text == "app" && stored.madeBy.text == "ehr")
        #expect(stored.usedAt == nil)
        #expect(made.handle.reveal().utf8.count >= 43)
        #expect(!harness.log.records.contains { ($0.detail ?? "").contains(made.handle.reveal()) })
    }

    // MARK: - using them

    @Test func `an app that the EHR opened gets the EHR's whole context`() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let made = try await EHR.launch(
            harness,
            [
                "encounter": "e-1", "intent": "order-review", "need_patient_banner": false, "tenant": "ward-3",
                "smart_style_url": "https://ehr.example/style.json",
                "fhirContext": [["reference": "ImagingStudy/1"], ["canonical": "http://q.example/Questionnaire/1"]],
            ])
        let code = try await harness.launch(as: "doctor", EHR.request(made))
        let response = try #require(try await harness.exchange(code).response)
        let members = Dictionary(uniqueKeysWithValues: response.launch.responseMembers(.objects).map { ($0.0, $0.1) })
        #expect(members["patient"] == "patient-a")
        #expect(members["encounter"] == "e-1")
        #expect(members["intent"] == "order-review")
        #expect(members["need_patient_banner"] == false)
        #expect(members["smart_style_url"] == "https://ehr.example/style.json")
        #expect(members["tenant"] == "ward-3")
        #expect(members["fhirContext"]??.array?.count == 2)
        #expect(response.scope.split(separator: " ").contains("launch"))
        #expect(try harness.access(response).access.launch.encounter?.text == "e-1")
        #expect(try harness.access(response).access.launch.fhirUser?.description == "Practitioner/doctor")
    }

    @Test func `what the EHR leaves open gets a value that errs on the safe side`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let code = try await harness.launch(as: "doctor", EHR.request(made))
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.launch.needPatientBanner == true)
        #expect(response.launch.smartStyleURL == "https://as.example/smart-style/1.json")
    }

    @Test func `a user can be named by their FHIR identity`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness, ["user": "Practitioner/doctor"])
        _ = try await harness.launch(as: "doctor", EHR.request(made))
    }

    @Test(.verifies("oauth-attack@L-09"))
    func `a launch is used once`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        _ = try await harness.launch(as: "doctor", EHR.request(made))
        let again = try await harness.begin(EHR.request(made))
        #expect(again.redirectParameters?["error"] == "invalid_request")
        #expect(again.redirectParameters?["state"] == "state-1")
        let record = try #require(harness.log.records.last)
        #expect(record.kind == .authorizationRefused && record.detail == "the launch was used before")
    }

    @Test(.verifies("house@SILENT-LAUNCH"))
    func `a silent request that needs a page leaves the launch for the one with pages`() async throws {
        let harness = try await LaunchHarness()
        let first = try await EHR.launch(harness)
        let (page, session) = try await harness.reachConsent(as: "doctor", EHR.request(first))
        _ = try await harness.decide(page, session: session)
        let made = try await EHR.launch(harness)
        var silent = EHR.request(made)
        silent["prompt"] = "none"
        for _ in 0..<2 {
            let asked = try await harness.begin(silent, session: session)
            #expect(asked.redirectParameters?["error"] == "consent_required", "\(asked.outcome)")
        }
        #expect(try await harness.store.launch(made.handle.hash)?.usedAt == nil)
        let shown = try await harness.begin(EHR.request(made), session: session)
        #expect(shown.consent != nil, "\(shown.outcome)")
        #expect(try await harness.begin(silent, session: session).redirectParameters?["error"] == "invalid_request")
    }

    @Test(.verifies("house@SILENT-LAUNCH", "oauth-attack@L-09"))
    func `of parallel silent requests with one launch one gets a code`() async throws {
        let harness = try await LaunchHarness()
        let first = try await EHR.launch(harness)
        let (page, session) = try await harness.reachConsent(as: "doctor", EHR.request(first))
        var fields = [("decision", "allow"), ("remember", "yes")]
        for item in page.offer.items {
            fields.append((item.field, item.value))
            for part in item.parts { fields.append((part.field, part.value)) }
        }
        let given = await harness.server.interaction.consent(
            transaction: page.transaction, form: try LaunchHarness.form(fields), session: session, from: harness.source)
        #expect(given.redirectParameters?["code"] != nil)
        let made = try await EHR.launch(harness)
        var request = EHR.request(made)
        request["prompt"] = "none"
        let silent = request
        let answers = try await withThrowingTaskGroup(of: InteractionAnswer.self) { group in
            for _ in 0..<16 { group.addTask { try await harness.begin(silent, session: session) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.filter { $0.redirectParameters?["code"] != nil }.count == 1)
        #expect(answers.filter { $0.redirectParameters?["error"] != nil }.count == 15)
        #expect(try await harness.store.launch(made.handle.hash)?.usedAt != nil)
    }

    @Test(.verifies("oauth-attack@L-09"))
    func `of 32 parallel requests with one launch one begins`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let answers = try await withThrowingTaskGroup(of: InteractionAnswer.self) { group in
            for _ in 0..<32 { group.addTask { try await harness.begin(EHR.request(made)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.compactMap(\.login).count == 1)
        #expect(answers.filter { $0.redirectParameters?["error"] == "invalid_request" }.count == 31)
    }

    @Test func `the page of a launch can be loaded again`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let begun = try await harness.begin(EHR.request(made))
        let login = try #require(begun.login)
        let again = await harness.server.interaction.show(
            transaction: login.transaction, session: begun.newCookie, from: harness.source)
        #expect(again.login != nil)
    }

    @Test(.verifies("oauth-attack@L-10", "oauth-attack@L-21"))
    func `a launch for one person is of no use to another`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let begun = try await harness.begin(EHR.request(made))
        let login = try #require(begun.login)
        let answer = await harness.server.interaction.login(
            transaction: login.transaction, username: "chief", password: Secret("pass-chief"),
            session: begun.newCookie, from: harness.source)
        #expect(answer.redirectParameters?["error"] == "access_denied")
        #expect(harness.log.records.last?.kind == .consentDenied)
        // It is spent: the thief has burned it.
        #expect(try await harness.begin(EHR.request(made)).redirectParameters?["error"] == "invalid_request")
    }

    @Test(.verifies("oauth-attack@L-11"))
    func `a launch for one app is of no use to another, and not spoilt by it`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let other = try await harness.begin(EHR.request(made).merging(["client_id": "app-2"]) { $1 })
        #expect(other.redirectParameters?["error"] == "invalid_request")
        #expect(harness.log.records.last?.detail == "the launch was made for another client")
        _ = try await harness.launch(as: "doctor", EHR.request(made))
    }

    @Test(.verifies("oauth-attack@L-05"))
    func `a launch for one FHIR server is of no use at another`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let other = try await harness.begin(EHR.request(made).merging(["aud": "https://as.example/other"]) { $1 })
        #expect(other.redirectParameters?["error"] == "invalid_request")
        #expect(harness.log.records.last?.detail == "the launch was made for another FHIR server")
    }

    @Test(.verifies("oauth-attack@L-12", "oauth-attack@L-14"))
    func `an expired, guessed or changed launch begins nothing, and all are told the same`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let changed = String(made.handle.reveal().dropLast()) + (made.handle.reveal().hasSuffix("A") ? "E" : "A")
        var texts: Set<String> = []
        for value in ["guess", changed] {
            let answer = try await harness.begin(["scope": Self.scope, "launch": value])
            #expect(answer.redirectParameters?["error"] == "invalid_request")
            texts.insert(try #require(answer.redirectParameters?["error_description"]))
        }
        harness.clock.advance(seconds: 300)
        let late = try await harness.begin(EHR.request(made))
        #expect(late.redirectParameters?["error"] == "invalid_request")
        texts.insert(try #require(late.redirectParameters?["error_description"]))
        #expect(texts.count == 1)
    }

    @Test(.verifies("oauth-attack@L-13"))
    func `the scope without a launch is refused, a launch without the scope is not looked at`() async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(harness)
        let missing = try await harness.begin(["scope": Self.scope])
        #expect(missing.redirectParameters?["error"] == "invalid_request")
        let standalone = try await harness.begin(["launch": made.handle.reveal()])
        #expect(standalone.login != nil)
        #expect(try await harness.store.launch(made.handle.hash)?.usedAt == nil)
    }

    @Test func `a panel that shrank after the launch was made ends it`() async throws {
        let directory = DirectoryDouble()
        let harness = try await LaunchHarness(directory: directory)
        let made = try await EHR.launch(harness)
        directory.follow(LocalMemberDirectory(links: harness.store, panels: PractitionerPanels()))
        let begun = try await harness.begin(EHR.request(made))
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "doctor", password: Secret("pass-doctor"),
            session: begun.newCookie, from: harness.source)
        #expect(answer.redirectParameters?["error"] == "access_denied")
    }

    // MARK: - two launches at a time

    @Test(.verifies("oauth-attack@L-07", "oauth-attack@L-08"), arguments: ["app", "app-2"])
    func `two launches in one browser for two patients keep their own, also when refreshed`(_ second: String)
        async throws
    {
        let harness = try await LaunchHarness()
        let one = try await EHR.launch(harness, ["patient": "patient-a"])
        let two = try await EHR.launch(harness, ["patient": "patient-c", "client_id": .string(second)])
        let (firstPage, session) = try await harness.reachConsent(as: "doctor", EHR.request(one))
        let secondRequest = EHR.request(two).merging(["client_id": second]) { $1 }
        let (secondPage, _) = try await harness.reachConsent(as: "doctor", secondRequest, session: session)
        // The second tab ends first.
        let secondEnd = try await harness.decide(secondPage, session: session)
        let firstEnd = try await harness.decide(firstPage, session: session)
        let secondCode = try #require(secondEnd.redirectParameters?["code"])
        let firstCode = try #require(firstEnd.redirectParameters?["code"])
        let b = try #require(try await harness.exchange(secondCode, ["client_id": second]).response)
        let a = try #require(try await harness.exchange(firstCode).response)
        #expect(a.launch.patient?.text == "patient-a")
        #expect(b.launch.patient?.text == "patient-c")
        var (tokenA, tokenB) = (try #require(a.refreshToken).reveal(), try #require(b.refreshToken).reveal())
        for _ in 0..<3 {
            let againA = try #require(try await harness.refresh(tokenA).response)
            let againB = try #require(try await harness.refresh(tokenB, client: second).response)
            tokenA = try #require(againA.refreshToken).reveal()
            tokenB = try #require(againB.refreshToken).reveal()
            #expect(try harness.access(againA).access.launch.patient?.text == "patient-a")
            #expect(try harness.access(againB).access.launch.patient?.text == "patient-c")
        }
    }

    // MARK: - dialects

    @Test(arguments: [("app", true, true), ("smart2", true, false), ("smart1", false, false)])
    func `further context is told in the words of the client's version`(
        _ client: String, _ isTold: Bool, _ asObjects: Bool
    ) async throws {
        let harness = try await LaunchHarness()
        let made = try await EHR.launch(
            harness,
            [
                "client_id": .string(client),
                "fhirContext": [["reference": "ImagingStudy/1"], ["canonical": "http://q.example/Questionnaire/1"]],
            ])
        var request = EHR.request(made)
        request["client_id"] = client
        let isConfidential = client != "app"
        let code = try await harness.launch(as: "doctor", request)
        let answer = try await harness.exchange(
            code, ["client_id": isConfidential ? nil : client],
            authorization: isConfidential ? LaunchHarness.basic(client, "\(client)-secret") : nil)
        let response = try #require(answer.response)
        let body = try JSONValue(parsing: response.json)
        #expect((body["fhirContext"] != nil) == isTold)
        guard isTold else { return }
        let expected: JSONValue =
            asObjects
            ? [["reference": "ImagingStudy/1"], ["canonical": "http://q.example/Questionnaire/1"]] : ["ImagingStudy/1"]
        #expect(body["fhirContext"] == expected)
    }
}

private struct Unexpected: Error {}

/// What an EHR does.
enum EHR {
    static func document(_ changes: [String: JSONValue] = [:]) -> JSONValue {
        var members: [String: JSONValue] = ["client_id": "app", "user": "doctor", "patient": "patient-a"]
        for (name, value) in changes { members[name] = value }
        return .object(members.map { JSONMemberValue($0.key, $0.value) })
    }

    static func token(
        _ harness: LaunchHarness, client: String = "ehr", scope: String = "__launch.create"
    ) async throws -> String {
        let claims: JSONValue = [
            "iss": .string(client), "sub": .string(client), "aud": "https://as.example/oauth/token",
            "jti": .string(RandomSource.system.identifier()), "exp": .int(harness.clock.now + 300),
        ]
        let answer = try await harness.token([
            "grant_type": "client_credentials", "scope": scope,
            "client_assertion": try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ])
        return try #require(answer.response, "\(String(describing: answer.error))").accessToken.reveal()
    }

    static func create(_ harness: LaunchHarness, _ changes: [String: JSONValue] = [:]) async throws -> LaunchAnswer {
        let token = try await token(harness)
        return await harness.server.launch.create(
            document(changes), token: .bearer(Secret(token)), from: harness.source)
    }

    static func launch(_ harness: LaunchHarness, _ changes: [String: JSONValue] = [:]) async throws -> CreatedLaunch {
        guard case .created(let made) = try await create(harness, changes) else { throw Unexpected() }
        return made
    }

    /// The parameters of an app that was opened with the launch.
    static func request(_ made: CreatedLaunch) -> [String: String?] {
        [
            "scope": "launch openid fhirUser offline_access patient/Patient.rs user/Patient.rs",
            "launch": made.handle.reveal(),
        ]
    }
}

/// Stands for the look-ups in the FHIR server: three patients with names, and two encounters of patient-a.
enum LookupDouble {
    static let patients = [("patient-a", "Anna Alder"), ("patient-b", "Ben Birch"), ("patient-c", "Carl Cedar")]

    static var lookup: ContextLookup {
        let all = patients.compactMap { id, name in ResourceID(id).map { LinkedPatient(id: $0, label: name) } }
        let encounters = ["e-1", "e-2"].compactMap { ResourceID($0) }.map {
            ContextLookup.Encounter(id: $0, label: "Visit \($0.text)")
        }
        return ContextLookup(
            patients: { name, page, _, _ in
                let found = all.filter { $0.label.lowercased().hasPrefix(name.lowercased()) }
                let start = page.flatMap { Int($0) } ?? 0
                return .init(
                    patients: Array(found.dropFirst(start).prefix(2)),
                    next: found.count > start + 2 ? String(start + 2) : nil)
            },
            patient: { id, _ in all.first { $0.id == id } },
            encounters: { patient, _ in patient.text == "patient-a" ? encounters : [] },
            encounter: { id, patient, _ in
                patient.text == "patient-a" ? encounters.first { $0.id == id } : nil
            })
    }
}
