internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// A small EHR of the demo: it has its own patients open, asks the server for a launch as `demo-ehr`, and opens the
/// ward's app with it (SMART 2.2 app-launch, EHR launch).
struct EHRSimulatorRoutes: Sendable {
    /// The FHIR base that apps are told.
    let fhirBase: String
    let issuer: String
    /// The EHR's own database: the embedded store, which it does not ask through the gateway.
    let records: String
    let pages: PageAnswers
    let http = DemoHTTP()

    private static let user = "Practitioner/clinician-a"
    private static let userName = "Dr. Adaeze Okafor"
    private static let ward = ["patient-a", "patient-c"]

    func add(to router: Router<SideContext>) {
        router.get("/ehr") { _, _ in try await show() }
        router.post("/ehr/launch") { request, _ in try await launch(request) }
        router.refuseOthers(on: "/ehr", than: .get)
        router.refuseOthers(on: "/ehr/launch", than: .post)
    }

    // MARK: - the list

    private func show() async throws -> Response {
        do {
            var patients: [EHRPageFacts.Patient] = []
            for id in Self.ward {
                let patient = try await http.json("\(records)/Patient/\(id)")
                let found = try await http.json("\(records)/Encounter?patient=\(id)&_count=5")
                let encounters = (found["entry"]?.array ?? []).compactMap { $0["resource"] }.compactMap { resource in
                    resource["id"]?.string.map { EHRPageFacts.Encounter(id: $0, label: DemoWords.kind(of: resource)) }
                }
                patients.append(
                    EHRPageFacts.Patient(
                        id: id, name: DemoWords.name(of: patient), born: patient["birthDate"]?.string ?? "",
                        encounters: encounters))
            }
            var response = try pages.page(
                EHRPageFacts(userName: Self.userName, patients: patients), formTargets: [issuer])
            SecurityHeaders.nameOrigin(in: &response.headers)
            return response
        } catch {
            return try failed("The ward's list could not be read: \(error)")
        }
    }

    // MARK: - a launch

    private func launch(_ request: Request) async throws -> Response {
        // Nobody signs in here, so nothing but the origin tells that the ward's own page sent this.
        guard !request.mayBeFromAnotherSite, request.hasFormBody, let body = try await request.wholeBody(upTo: 4096),
            let form = try? FormParameters(parsing: body), let patient = form["patient"], Self.ward.contains(patient)
        else { return try failed("That is not one of the ward's patients.") }
        do {
            var document: [JSONMemberValue] = [
                .init("client_id", "demo-provider-app"), .init("user", .string(Self.user)),
                .init("patient", .string(patient)), .init("intent", "review"), .init("need_patient_banner", true),
                .init("tenant", "demo-hospital"),
            ]
            if let encounter = form["encounter"], !encounter.isEmpty {
                document.append(.init("encounter", .string(encounter)))
            }
            let made = try await http.post(.object(document), to: "\(issuer)/launch", token: try await token())
            guard let address = made["launch_url"]?.string else {
                return try failed("The app has no launch address.")
            }
            return Answers.seeOther(address)
        } catch {
            return try failed("The launch could not be made: \(error)")
        }
    }

    /// A token of the EHR's own, by a signed assertion (SMART 2.2 backend-services).
    private func token() async throws -> Secret {
        guard let text = Assets.text("demo/keys/demo-ehr.TEST-ONLY.jwk.json"),
            let document = try JSONValue(parsing: Array(text.utf8))["keys"]?.array?.first
        else { throw DemoHTTP.Failure(description: "the EHR has no key") }
        let key = try PrivateJWK(parsing: document)
        let endpoint = "\(issuer)/oauth/token"
        let claims: JSONValue = [
            "iss": "demo-ehr", "sub": "demo-ehr", "aud": .string(endpoint),
            "jti": .string(RandomSource.system.identifier()), "exp": .int(Clock.system.now() + 240),
        ]
        let answer = try await http.post(
            [
                ("grant_type", "client_credentials"), ("scope", "__launch.create"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", try JWS.sign(claims, type: "JWT", with: key)),
            ], to: endpoint)
        guard let token = answer["access_token"]?.string else { throw DemoHTTP.Failure(description: "no token came") }
        return Secret(token)
    }

    private func failed(_ text: String) throws -> Response {
        try pages.page(
            DemoMessageFacts(heading: "That did not work", text: text, back: "/ehr", product: "Ward Desk"),
            status: .badGateway)
    }
}

/// The EHR's page.
struct EHRPageFacts: Page {
    static let template = "ehr"
    let isDemo = true
    let product = "Ward Desk"
    let home = "/ehr"
    let userName: String
    let patients: [Patient]

    struct Patient: Sendable {
        let id: String
        let name: String
        let born: String
        let encounters: [Encounter]
    }

    struct Encounter: Sendable {
        let id: String
        let label: String
    }
}

/// A plain message of one of the demo's programs.
struct DemoMessageFacts: Page {
    static let template = "demo-message"
    let isDemo = true
    let heading: String
    let text: String
    let back: String
    let product: String
    var home: String { back }
}
