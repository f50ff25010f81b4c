import AccessPolicy
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Every capability that discovery names is used here, and what is used is named: neither list can grow alone.
@Suite struct CapabilityUseTests {
    private static let used = [
        "launch-ehr", "context-ehr-patient", "context-ehr-encounter", "context-banner", "context-style",
        "launch-standalone", "context-standalone-patient", "context-standalone-encounter", "authorize-post",
        "client-public", "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect",
        "permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v1",
        "permission-v2",
    ]

    @Test func `the capabilities that are named are those that are used here`() async throws {
        let harness = try await LaunchHarness()
        let named = harness.server.discovery.smartConfiguration["capabilities"]?.array?.compactMap(\.string) ?? []
        #expect(named.sorted() == Self.used.sorted())
    }

    @Test(.verifies("house@capabilities-work"), arguments: used)
    func `a capability that is named works`(_ name: String) async throws {
        switch name {
        case "launch-ehr", "context-ehr-patient", "context-ehr-encounter", "context-banner", "context-style":
            try await launchFromEHR(showing: name)
        case "context-standalone-encounter": try await chooseEncounter()
        default: try await launchStandalone(showing: name)
        }
    }

    private func launchFromEHR(showing name: String) async throws {
        let members = try await Self.launchedByEHR()
        switch name {
        case "context-ehr-encounter": #expect(members["encounter"] == "e-1")
        case "context-banner": #expect(members["need_patient_banner"] == false)
        case "context-style": #expect(members["smart_style_url"] == "https://ehr.example/style.json")
        default: #expect(members["patient"] == "patient-a")
        }
    }

    private func launchStandalone(showing name: String) async throws {
        let harness = try await LaunchHarness()
        switch name {
        case "authorize-post":
            // GET and POST meet at this call; that the route takes both is shown with sockets.
            let begun = try await harness.begin()
            #expect(begun.login != nil)
        case "client-confidential-asymmetric":
            let token = try await EHR.token(harness, client: "service", scope: "system/Patient.rs")
            #expect(!token.isEmpty)
        case "client-confidential-symmetric":
            let response = try await Self.standalone(client: "confidential")
            #expect(!response.accessToken.isEmpty)
        case "context-standalone-patient":
            let response = try await Self.standalone(as: "parent", choosing: "patient-c")
            #expect(response.launch.patient?.text == "patient-c")
        case "sso-openid-connect":
            let response = try await Self.standalone()
            #expect(response.idToken != nil)
        case "permission-offline":
            let response = try await Self.standalone()
            #expect(response.refreshToken != nil && response.scope.contains("offline_access"))
        case "permission-online":
            let response = try await Self.standalone(scope: "launch/patient online_access patient/Patient.rs")
            #expect(response.refreshToken != nil && response.scope.contains("online_access"))
        case "permission-patient": try await grant("launch/patient patient/Observation.rs")
        case "permission-user": try await grant("user/Patient.rs", as: "doctor")
        case "permission-v1": try await grant("launch/patient patient/Patient.read")
        case "permission-v2":
            let category = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
            try await grant("launch/patient patient/Observation.rs?category=\(category)")
        case "launch-standalone", "client-public":
            let response = try await Self.standalone()
            #expect(response.launch.patient?.text == "patient-a")
        default: Issue.record("nothing uses `\(name)`")
        }
    }

    /// The scope is granted as it was asked for, in its own dialect.
    private func grant(_ scope: String, as person: String = "anna") async throws {
        let response = try await Self.standalone(as: person, scope: scope)
        #expect(response.scope == scope)
    }

    // MARK: - moves

    private static func standalone(
        as person: String = "anna", client: String = "app", scope: String? = nil, choosing patient: String? = nil
    ) async throws -> TokenResponse {
        let harness = try await LaunchHarness()
        var changes: [String: String?] = ["client_id": client]
        if let scope { changes["scope"] = scope }
        let code = try await harness.launch(as: person, changes, choosing: patient)
        let isPublic = client == "app"
        let answer = try await harness.exchange(
            code, ["client_id": isPublic ? client : nil],
            authorization: isPublic ? nil : LaunchHarness.basic(client, "\(client)-secret"))
        return try #require(answer.response, "\(String(describing: answer.error))")
    }

    /// The members that a launch from an EHR brings beside the token.
    private static func launchedByEHR() async throws -> [String: JSONValue] {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let made = try await EHR.launch(
            harness,
            [
                "encounter": "e-1", "need_patient_banner": false,
                "smart_style_url": "https://ehr.example/style.json",
            ])
        let code = try await harness.launch(as: "doctor", EHR.request(made))
        let response = try #require(try await harness.exchange(code).response)
        return Dictionary(
            uniqueKeysWithValues: response.launch.responseMembers(.objects).compactMap { name, value in
                value.map { (name, $0) }
            })
    }

    private func chooseEncounter() async throws {
        let harness = try await LaunchHarness(lookup: LookupDouble.lookup)
        let begun = try await harness.begin(["scope": "launch/patient launch/encounter patient/Patient.rs"])
        let login = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "anna", password: Secret("pass-anna"),
            session: begun.newCookie, from: harness.source)
        guard case .page(.chooseEncounter(let page)) = login.outcome else { throw Unexpected() }
        let session = try #require(login.newCookie)
        let chosen = await harness.server.interaction.chooseEncounter(
            transaction: page.transaction, encounter: "e-1", session: session, from: harness.source)
        let decided = try await harness.decide(try #require(chosen.consent), session: session)
        let code = try #require(decided.redirectParameters?["code"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.launch.encounter?.text == "e-1")
    }
}

private struct Unexpected: Error {}
