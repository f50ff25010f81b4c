internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore
internal import Synchronization

/// The ward's app of the demo: a confidential SMART app whose tokens stay on its server. It is opened by the EHR and
/// shows the patient and the visit that it was opened for; each tab has a launch of its own.
///
/// Its memory is a class because all requests share it; the lock is in `tabs`.
struct ProviderAppRoutes: Sendable {
    let fhirBase: String
    let address: String
    let pages: PageAnswers
    let http = DemoHTTP()
    private let tabs = Tabs()

    private static let clientID = "demo-provider-app"
    private static let secret = "demo-provider-secret"
    private static let cookie = "ward-viewer"
    private static let scope =
        "launch openid fhirUser offline_access patient/Patient.rs patient/Encounter.rs patient/Condition.rs"

    init(fhirBase: String, address: String, pages: PageAnswers) {
        self.fhirBase = fhirBase
        self.address = address
        self.pages = pages
    }

    /// What the app remembers: launches under way, and open tabs, each with the browser that they belong to.
    private final class Tabs: Sendable {
        struct Begun {
            let browser: String
            let verifier: String
            let endpoint: String
        }

        struct Open {
            let browser: String
            let endpoint: String
            var token: JSONValue
        }

        static let capacity = 200
        private let state = Mutex<(begun: [String: Begun], open: [String: Open])>(([:], [:]))

        func begin(_ launch: Begun, state name: String) {
            state.withLock { state in
                if state.begun.count >= Self.capacity { state.begun.removeAll() }
                state.begun[name] = launch
            }
        }

        func take(_ name: String) -> Begun? { state.withLock { $0.begun.removeValue(forKey: name) } }

        func keep(_ tab: Open, as name: String) {
            state.withLock { state in
                if state.open.count >= Self.capacity { state.open.removeAll() }
                state.open[name] = tab
            }
        }

        func tab(_ name: String, browser: String) -> Open? {
            state.withLock { $0.open[name] }.flatMap { $0.browser == browser ? $0 : nil }
        }
    }

    private var redirect: String { "\(address)/provider/callback" }

    func add(to router: Router<SideContext>) {
        router.get("/provider/launch") { request, _ in try await begin(request) }
        router.get("/provider/callback") { request, _ in try await finish(request) }
        router.get("/provider/view") { request, _ in try await view(request) }
        router.post("/provider/refresh") { request, _ in try await refresh(request) }
        for path in ["/provider/launch", "/provider/callback", "/provider/view"] {
            router.refuseOthers(on: path, than: .get)
        }
        router.refuseOthers(on: "/provider/refresh", than: .post)
    }

    // MARK: - launch

    private func begin(_ request: Request) async throws -> Response {
        guard let form = try? FormParameters(parsing: request.uri.query ?? ""), let launch = form["launch"],
            // Another server's launch would send the person, and later the code, there.
            form["iss"] == fhirBase
        else { return try failed("This launch does not come from the ward's own EHR.") }
        return try await guarded {
            let settings = try await http.json("\(fhirBase)/.well-known/smart-configuration")
            guard let authorize = settings["authorization_endpoint"]?.string,
                let endpoint = settings["token_endpoint"]?.string
            else { throw DemoHTTP.Failure(description: "discovery names no endpoints") }
            let (state, browser) = (random(), browser(of: request) ?? random())
            let verifier = RandomSource.system.identifier(byteCount: 48)
            tabs.begin(.init(browser: browser, verifier: verifier, endpoint: endpoint), state: state)
            let query = [
                ("response_type", "code"), ("client_id", Self.clientID), ("redirect_uri", redirect),
                ("scope", Self.scope), ("launch", launch), ("state", state), ("aud", fhirBase),
                ("code_challenge", Base64URL.encode(SHA256Hash.of(Array(verifier.utf8)))),
                ("code_challenge_method", "S256"),
            ].map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }.joined(separator: "&")
            var response = Answers.seeOther("\(authorize)?\(query)")
            response.headers[.setCookie] = "\(Self.cookie)=\(browser); Path=/provider; HttpOnly; SameSite=Lax"
            return response
        }
    }

    private func finish(_ request: Request) async throws -> Response {
        guard let form = try? FormParameters(parsing: request.uri.query ?? ""), let state = form["state"],
            let begun = tabs.take(state), begun.browser == browser(of: request)
        else { return try failed("This answer belongs to no launch of this browser.") }
        guard let code = form["code"] else {
            return try failed("Access was not given: \(form["error"] ?? "") \(form["error_description"] ?? "")")
        }
        return try await guarded {
            let token = try await http.post(
                [
                    ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect),
                    ("code_verifier", begun.verifier),
                ], to: begun.endpoint, basic: Self.basic)
            let name = random()
            tabs.keep(.init(browser: begun.browser, endpoint: begun.endpoint, token: token), as: name)
            return Answers.seeOther("/provider/view?tab=\(name)")
        }
    }

    private static let basic = Base64.encode(Array("\(clientID):\(secret)".utf8))

    // MARK: - the tab

    private func view(_ request: Request) async throws -> Response {
        guard let form = try? FormParameters(parsing: request.uri.query ?? ""), let name = form["tab"],
            let browser = browser(of: request), let tab = tabs.tab(name, browser: browser)
        else { return try failed("This tab is no longer open.") }
        return try await guarded {
            let context = tab.token
            guard let token = context["access_token"]?.string, let id = context["patient"]?.string else {
                throw DemoHTTP.Failure(description: "the launch brought no patient")
            }
            let secret = Secret(token)
            let patient = try await http.json("\(fhirBase)/Patient/\(id)", token: secret)
            let conditions = try await http.json("\(fhirBase)/Condition?_count=20", token: secret)
            var encounter: String?
            if let visit = context["encounter"]?.string {
                encounter = DemoWords.kind(of: try await http.json("\(fhirBase)/Encounter/\(visit)", token: secret))
            }
            let style = try await color(context["smart_style_url"]?.string)
            var response = try pages.page(
                WardPageFacts(
                    tab: name, patientID: id, patientName: DemoWords.name(of: patient),
                    born: patient["birthDate"]?.string ?? "",
                    needsBanner: context["need_patient_banner"]?.bool != false,
                    encounter: encounter, encounterID: context["encounter"]?.string,
                    intent: context["intent"]?.string, style: style, scope: context["scope"]?.string ?? "",
                    conditions: Self.conditions(conditions)))
            SecurityHeaders.nameOrigin(in: &response.headers)
            return response
        }
    }

    private func refresh(_ request: Request) async throws -> Response {
        guard !request.mayBeFromAnotherSite, request.hasFormBody, let body = try await request.wholeBody(upTo: 4096),
            let form = try? FormParameters(parsing: body), let name = form["tab"],
            let browser = browser(of: request), var tab = tabs.tab(name, browser: browser)
        else { return try failed("This tab is no longer open.") }
        return try await guarded {
            let renewed = try await http.post(
                [
                    ("grant_type", "refresh_token"), ("refresh_token", tab.token["refresh_token"]?.string ?? ""),
                ], to: tab.endpoint, basic: Self.basic)
            tab.token = renewed
            tabs.keep(tab, as: name)
            return Answers.seeOther("/provider/view?tab=\(name)")
        }
    }

    /// The highlight colour of the EHR's style document; nil when there is none to be had.
    private func color(_ address: String?) async throws -> String? {
        guard let address, address.hasPrefix("\(fhirBase.prefix { $0 != ":" }):") else { return nil }
        return try await http.json(address)["color_highlight"]?.string
    }

    private static func conditions(_ bundle: JSONValue) -> [String] {
        (bundle["entry"]?.array ?? []).compactMap { entry in
            let code = entry["resource"]?["code"]
            return code?["text"]?.string ?? code?["coding"]?.array?.first?["display"]?.string
        }
    }

    // MARK: - small things

    private func random() -> String { RandomSource.system.identifier() }

    private func browser(of request: Request) -> String? {
        for header in request.cookieHeaders {
            for pair in header.split(separator: ";") {
                let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
                if parts.count == 2, parts[0] == Self.cookie { return String(parts[1]) }
            }
        }
        return nil
    }

    private func guarded(_ work: () async throws -> Response) async throws -> Response {
        do { return try await work() } catch { return try failed("\(error)") }
    }

    private func failed(_ text: String) throws -> Response {
        try pages.page(
            DemoMessageFacts(heading: "The ward’s app cannot go on", text: text, back: "/ehr", product: "Ward Viewer"),
            status: .badRequest)
    }
}

/// The app's page in one tab.
struct WardPageFacts: Page {
    static let template = "ward"
    let isDemo = true
    let product = "Ward Viewer"
    let home = "/ehr"
    let tab: String
    let patientID: String
    let patientName: String
    let born: String
    let needsBanner: Bool
    let encounter: String?
    let encounterID: String?
    let intent: String?
    let style: String?
    let scope: String
    let conditions: [String]
}
