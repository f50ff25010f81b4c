internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// The way of a person through a launch: authorize, login, choice of a patient, consent, logout.
///
/// Every form is answered with a redirect (303) unless it must be shown again with what was wrong in it, so that a
/// reload or a step back never sends a form twice.
struct LaunchRoutes: Sendable {
    let authorization: AuthorizationEndpoint
    let interaction: InteractionEndpoint
    let federation: FederationEndpoint
    let pages: PageAnswers
    let cookie: SessionCookie
    let clock: Clock
    let logoutTargets: LogoutTargets

    /// Forms of people are small.
    private static let formLimit = 64 << 10
    /// The longest form that is sent again as an address; servers and browsers take about this much.
    private static let queryLimit = 8 << 10
    /// The longest authorization request that is: proxies take lines of 8 kB, with all else that stands in them.
    private static let addressLimit = 4 << 10

    func add(to router: Router<SideContext>) {
        router.get("/oauth/authorize") { request, context in
            try await query(of: request) { try await authorize($0, request, context) }
        }
        router.post("/oauth/authorize") { request, context in
            // A query beside the body would be a second place for the same parameters.
            guard request.uri.query == nil else { return try pages.error(Self.mixed, request.language()) }
            return try await form(of: request, repetition: .noted) { form, body in
                guard session(of: request) != nil else {
                    guard body.count > Self.addressLimit else { return try againByGet(body, request) }
                    // `authorize-post` is there for requests that are too long for an address.
                    let kept = await authorization.keep(posted: form, from: context.origin(of: request))
                    return try respond(kept, to: request, isForm: false)
                }
                return try await authorize(form, request, context)
            }
        }
        for path in ["/login", "/login/code", "/patient", "/encounter", "/consent"] {
            router.get(RouterPath(path)) { request, context in try await show(request, context) }
        }
        router.post("/login") { request, context in try await page(request) { try await login($0, request, context) } }
        router.post("/login/code") { request, context in
            try await page(request) { try await secondFactor($0, request, context) }
        }
        router.post("/login/continue") { request, context in
            try await page(request) { form in
                let answer = await interaction.resume(
                    transaction: Secret(form["launch"] ?? ""), session: session(of: request),
                    from: context.origin(of: request))
                return try respond(answer, to: request, isForm: false)
            }
        }
        router.refuseOthers(on: "/login/continue", than: .post)
        router.post("/patient") { request, context in
            try await page(request) { try await choosePatient($0, request, context) }
        }
        router.post("/encounter") { request, context in
            try await page(request) { try await chooseEncounter($0, request, context) }
        }
        router.post("/consent") { request, context in
            try await page(request) { try await consent($0, request, context) }
        }
        router.get("/oauth/logout") { request, _ in
            try await query(of: request) { try askLogout(request, logoutTargets.target(of: $0)) }
        }
        router.post("/oauth/logout") { request, context in
            try await form(of: request, repetition: .noted) { form, body in
                // An app's own form (RP-Initiated Logout §2) asks; only a form of our page signs out.
                guard form["csrf"] != nil, !request.isFromAnotherSite else {
                    return try againByGet(body, request, to: "/oauth/logout")
                }
                return try await logout(form, request, context)
            }
        }
        for path in [
            "/oauth/authorize", "/login", "/login/code", "/patient", "/encounter", "/consent", "/oauth/logout",
        ] {
            router.refuseOthers(on: path, than: .get, .post)
        }
    }

    private static let mixed = OAuthError(
        .invalidRequest, "parameters belong in the body or in the address, not in both")
    private static let notAForm = OAuthError(.invalidRequest, "the request is not a form")

    // MARK: - steps

    private func authorize(
        _ form: FormParameters, _ request: Request, _ context: SideContext
    ) async throws -> Response {
        let answer = await authorization.begin(form, session: session(of: request), from: context.origin(of: request))
        if case .page(.login(let login)) = answer.outcome, let only = pages.chooser.only {
            var response = Answers.seeOther(ProviderChooser.address(of: only, launch: login.transaction.reveal()))
            setCookie(answer.session, on: &response)
            return response
        }
        return try respond(answer, to: request, isForm: false)
    }

    /// Sends a posted request again by GET.
    ///
    /// A browser leaves a Lax cookie out of a form that another site's page posts, but takes a new one from the answer:
    /// that page could replace a person's session. By GET the cookie comes along (RFC 6265bis §5.6.7.1).
    private func againByGet(
        _ body: [UInt8], _ request: Request, to path: String = "/oauth/authorize"
    ) throws -> Response {
        guard body.count <= Self.queryLimit else { return try tooLarge(request) }
        return Answers.seeOther("\(path)?" + Self.queryText(body))
    }

    /// A form that was decoded without complaint, as a query that means the same: what may not stand raw in an address
    /// (RFC 3986 §3.4) is escaped, everything else stays as it came.
    private static func queryText(_ body: [UInt8]) -> String {
        body.reduce(into: "") { text, byte in
            let character = String(Unicode.Scalar(byte))
            text += "%&=+".contains(character) ? character : FormParameters.encode(character)
        }
    }

    private func show(_ request: Request, _ context: SideContext) async throws -> Response {
        try await query(of: request) { form in
            guard let handle = form["launch"] else { return try pages.notFound(request.language()) }
            let answer = await interaction.show(
                transaction: Secret(handle), search: PatientSearch(text: form["q"] ?? "", page: form["page"]),
                session: session(of: request), from: context.origin(of: request))
            return request.remembering(try respond(answer, to: request, isForm: true))
        }
    }

    private func login(_ form: FormParameters, _ request: Request, _ context: SideContext) async throws -> Response {
        let handle = Secret(form["launch"] ?? "")
        if form["cancel"] != nil { return try await cancel(handle, request, context) }
        let username = form["username"] ?? ""
        let answer = await interaction.login(
            transaction: handle, username: username, password: Secret(form["password"] ?? ""),
            session: session(of: request), from: context.origin(of: request))
        return try respond(answer, to: request, isForm: false, username: username)
    }

    private func secondFactor(
        _ form: FormParameters, _ request: Request, _ context: SideContext
    ) async throws -> Response {
        let handle = Secret(form["launch"] ?? "")
        if form["cancel"] != nil { return try await cancel(handle, request, context) }
        let answer = await interaction.secondFactor(
            transaction: handle, code: Secret(form["code"] ?? ""), session: session(of: request),
            from: context.origin(of: request))
        return try respond(answer, to: request, isForm: false)
    }

    private func choosePatient(
        _ form: FormParameters, _ request: Request, _ context: SideContext
    ) async throws -> Response {
        let handle = Secret(form["launch"] ?? "")
        if form["cancel"] != nil { return try await cancel(handle, request, context) }
        let answer = await interaction.choosePatient(
            transaction: handle, patient: form["patient"] ?? "", session: session(of: request),
            from: context.origin(of: request))
        return try respond(answer, to: request, isForm: false)
    }

    private func chooseEncounter(
        _ form: FormParameters, _ request: Request, _ context: SideContext
    ) async throws -> Response {
        let handle = Secret(form["launch"] ?? "")
        if form["cancel"] != nil { return try await cancel(handle, request, context) }
        let answer = await interaction.chooseEncounter(
            transaction: handle, encounter: form["encounter"] ?? "", session: session(of: request),
            from: context.origin(of: request))
        return try respond(answer, to: request, isForm: false)
    }

    private func consent(_ form: FormParameters, _ request: Request, _ context: SideContext) async throws -> Response {
        let answer = await interaction.consent(
            transaction: Secret(form["launch"] ?? ""), form: form, session: session(of: request),
            from: context.origin(of: request))
        return try respond(answer, to: request, isForm: false)
    }

    private func cancel(_ handle: Secret, _ request: Request, _ context: SideContext) async throws -> Response {
        let answer = await interaction.cancel(
            transaction: handle, session: session(of: request), from: context.origin(of: request))
        return try respond(answer, to: request, isForm: false)
    }

    // MARK: - logout

    private func askLogout(_ request: Request, _ target: LogoutTarget?) throws -> Response {
        guard let token = logoutToken(request) else {
            // Nobody is signed in, so there is nothing to ask.
            return try target.map { Answers.seeOther($0.location) } ?? signedOut(request)
        }
        let page = LogoutPage(pages.frame(request.language()), csrf: token, parameters: target?.parameters ?? [])
        return request.remembering(try pages.page(page, formTargets: target.map { [$0.registered] } ?? []))
    }

    private func logout(_ form: FormParameters, _ request: Request, _ context: SideContext) async throws -> Response {
        guard let token = logoutToken(request) else { return try signedOut(request) }
        // Only a page of this session knows the token: nobody signs a person out from elsewhere.
        let target = logoutTargets.target(of: form)
        guard let sent = form["csrf"], Secret(sent) == Secret(token) else { return try askLogout(request, target) }
        let onward = await federation.endSessionLocation(session: session(of: request))
        let answer = await interaction.signOut(session: session(of: request), from: context.origin(of: request))
        if case .unavailable = answer.outcome { return try pages.unavailable(request.language()) }
        var response =
            try onward.map { try pages.signedOut(request.language(), onward: $0, back: target?.location) }
            ?? Answers.seeOther(target?.location ?? "/oauth/logout")
        setCookie(answer.session, on: &response)
        return response
    }

    private func signedOut(_ request: Request) throws -> Response {
        let frame = pages.frame(request.language())
        return try pages.page(MessagePage(frame, heading: "signedOutHeading", text: "signedOutText"))
    }

    /// A token that belongs to the session and cannot be computed without its cookie.
    private func logoutToken(_ request: Request) -> String? {
        session(of: request).map { SecretHash(of: Secret("logout:" + $0.reveal())).text }
    }

    // MARK: - answers

    /// The answer of one step as HTTP.
    ///
    /// - Parameter isForm: whether the page itself is asked for; otherwise the browser is sent to the page's own address.
    func respond(
        _ answer: InteractionAnswer, to request: Request, isForm: Bool, username: String = ""
    ) throws -> Response {
        var response: Response
        switch answer.outcome {
        case .page(let page): response = try self.page(page, request, isForm: isForm, username: username)
        case .redirect(let redirect): response = Answers.seeOther(redirect.location)
        case .again(let query): response = Answers.seeOther("/oauth/authorize?\(query)")
        case .shownToUser(let error): response = try pages.error(error, request.language())
        case .unavailable: response = try pages.unavailable(request.language())
        }
        setCookie(answer.session, on: &response)
        return response
    }

    private func page(
        _ page: InteractionPage, _ request: Request, isForm: Bool, username: String
    ) throws -> Response {
        let frame = pages.frame(request.language(wished: page.uiLocales))
        switch page {
        case .login(let login):
            guard isForm || login.problem != nil else { return Self.toPage("/login", login.transaction) }
            let facts = LoginPageFacts(login, username: username, chooser: pages.chooser, frame: frame)
            var response = try pages.page(
                facts, status: Self.status(login.problem), formTargets: [login.redirectURI])
            if case .tooManyAttempts(let seconds) = login.problem { response.headers[.retryAfter] = "\(seconds)" }
            return response
        case .secondFactor(let factor):
            guard let handle = factor.transaction else { return try pages.notFound(frame.language) }
            guard isForm || factor.problem != nil else { return Self.toPage("/login/code", handle) }
            var response = try pages.page(
                SecondFactorPageFacts(factor, action: "/login/code", frame: frame), status: Self.status(factor.problem),
                formTargets: [factor.redirectURI].compactMap { $0 })
            if case .tooManyAttempts(let seconds) = factor.problem { response.headers[.retryAfter] = "\(seconds)" }
            return response
        case .recoveryCodes(let codes):
            // Shown in the answer to the form: they stand nowhere from which they could be shown again.
            return try pages.page(
                RecoveryCodesPageFacts(codes.codes, launch: codes.transaction, frame: frame),
                formTargets: [codes.redirectURI].compactMap { $0 })
        case .choosePatient(let choice):
            guard isForm || choice.hasProblem else { return Self.toPage("/patient", choice.transaction) }
            return try pages.page(
                PatientPageFacts(choice, frame: frame), status: choice.hasProblem ? .badRequest : .ok,
                formTargets: [choice.redirectURI])
        case .chooseEncounter(let choice):
            guard isForm || choice.hasProblem else { return Self.toPage("/encounter", choice.transaction) }
            return try pages.page(
                EncounterPageFacts(choice, frame: frame), status: choice.hasProblem ? .badRequest : .ok,
                formTargets: [choice.redirectURI])
        case .consent(let consent):
            guard isForm else { return Self.toPage("/consent", consent.transaction) }
            let facts = ConsentPageFacts(consent, logoutCSRF: logoutToken(request) ?? "", frame: frame)
            return try pages.page(facts, formTargets: [consent.redirectURI])
        case .leaving(let leaving):
            return try pages.page(LeavingPageFacts(leaving, frame: frame), status: .badRequest)
        }
    }

    private static func status(_ problem: LoginProblem?) -> HTTPResponse.Status {
        switch problem {
        case nil: .ok
        case .wrongCredentials?: .badRequest
        case .tooManyAttempts?: .tooManyRequests
        case .busy?: .serviceUnavailable
        }
    }

    static func status(_ problem: SecondFactorProblem?) -> HTTPResponse.Status {
        switch problem {
        case nil: .ok
        case .wrongCode?, .wrongPassword?, .changedMeanwhile?: .badRequest
        case .tooManyAttempts?: .tooManyRequests
        case .busy?: .serviceUnavailable
        }
    }

    private static func toPage(_ path: String, _ handle: Secret) -> Response {
        Answers.seeOther("\(path)?launch=\(handle.reveal())")
    }

    func setCookie(_ instruction: SessionInstruction, on response: inout Response) {
        switch instruction {
        case .keep: break
        case .set(let value, let expiresAt):
            let maxAge = Int(max(expiresAt - clock.now(), 0))
            response.headers.append(HTTPField(name: .setCookie, value: cookie.setting(value.reveal(), maxAge: maxAge)))
        case .clear: response.headers.append(HTTPField(name: .setCookie, value: cookie.removal))
        }
    }

    // MARK: - requests

    func session(of request: Request) -> Secret? {
        cookie.value(in: request.cookieHeaders).map { Secret($0) }
    }

    /// A form that a page of ours sent.
    private func page(_ request: Request, _ work: (FormParameters) async throws -> Response) async throws -> Response {
        guard !request.isFromAnotherSite else {
            return try pages.error(
                OAuthError(.invalidRequest, "the form was not sent from a page of this site"), request.language())
        }
        return try await form(of: request, repetition: .refused) { form, _ in try await work(form) }
    }

    private func form(
        of request: Request, repetition: FormParameters.Repetition,
        _ work: (FormParameters, [UInt8]) async throws -> Response
    ) async throws -> Response {
        guard request.hasFormBody else {
            var response = try pages.error(Self.notAForm, request.language())
            response.status = .unsupportedMediaType
            return response
        }
        guard let body = try await request.wholeBody(upTo: Self.formLimit) else { return try tooLarge(request) }
        let form: FormParameters
        // A consent page has a field for each scope and each kind within it.
        var limits = FormParameters.Limits()
        limits.maxParameters = 4096
        do { form = try FormParameters(parsing: body, repetition: repetition, limits: limits) } catch {
            return try pages.error(error, request.language())
        }
        return try await work(form, body)
    }

    private func tooLarge(_ request: Request) throws -> Response {
        var response = try pages.error(OAuthError(.invalidRequest, "the form is too large"), request.language())
        response.status = .contentTooLarge
        return response
    }

    /// The parameters of an address; repeated ones are noted, for the endpoint to refuse.
    func query(
        of request: Request, _ work: (FormParameters) async throws -> Response
    ) async throws -> Response {
        let form: FormParameters
        do { form = try FormParameters(parsing: request.uri.query ?? "", repetition: .noted) } catch {
            return try pages.error(error, request.language())
        }
        return try await work(form)
    }
}
