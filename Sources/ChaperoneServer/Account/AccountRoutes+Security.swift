internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// The second factor on the account pages: the second step of their login, and setting up, renewing and removing.
extension AccountRoutes {
    func addSecurity(to router: Router<SideContext>) {
        router.get("/account/login/code") { request, _ in
            guard let page = try await interaction.secondStep(session: session(of: request)) else {
                return Answers.seeOther("/account")
            }
            return request.remembering(try codePage(page, request))
        }
        router.post("/account/login/code") { request, context in try await secondStep(request, context) }
        router.get("/account/security") { request, _ in try await show(request) { try await security($0) } }
        router.post("/account/security/begin") { request, context in
            try await change(request) { form, visitor in
                let answer = try await secondFactors.begin(
                    for: visitor.account, password: Secret(form["password"] ?? ""),
                    in: visitor.id, from: context.origin(of: request))
                switch answer {
                case .done(let enrolment): return try await security(visitor, enrolment: enrolment)
                case .refused(let problem): return try await security(visitor, problem: problem)
                }
            }
        }
        router.post("/account/security/confirm") { request, context in
            try await change(request) { try await confirm($0, $1, request, context.origin(of: request)) }
        }
        router.post("/account/security/renew") { request, context in
            try await change(request) { form, visitor in
                let answer = try await secondFactors.renewRecoveryCodes(
                    of: visitor.account, password: Secret(form["password"] ?? ""), code: Secret(form["code"] ?? ""),
                    from: context.origin(of: request))
                switch answer {
                case .done(let codes): return try codesPage(codes, visitor)
                case .refused(let problem): return try await security(visitor, problem: problem)
                }
            }
        }
        router.post("/account/security/remove") { request, context in
            try await change(request) { form, visitor in
                let answer = try await secondFactors.remove(
                    from: visitor.account, password: Secret(form["password"] ?? ""), code: Secret(form["code"] ?? ""),
                    from: context.origin(of: request))
                switch answer {
                case .done: return try await security(visitor, notice: "removed")
                case .refused(let problem): return try await security(visitor, problem: problem)
                }
            }
        }
        router.refuseOthers(on: "/account/login/code", than: .get, .post)
        router.refuseOthers(on: "/account/security", than: .get)
        for path in ["begin", "confirm", "renew", "remove"] {
            router.refuseOthers(on: "/account/security/\(path)", than: .post)
        }
    }

    private func session(of request: Request) -> Secret? {
        cookie.value(in: request.cookieHeaders).map { Secret($0) }
    }

    // MARK: - the second step of the login

    private func secondStep(_ request: Request, _ context: SideContext) async throws -> Response {
        guard !request.isFromAnotherSite, request.hasFormBody,
            let body = try await request.wholeBody(upTo: Self.formLimit),
            let form = try? FormParameters(parsing: body)
        else { return try pages.error(Self.notOurs, request.language()) }
        let answer = await interaction.secondStep(
            code: Secret(form["code"] ?? ""), session: session(of: request), from: context.origin(of: request))
        switch answer {
        case .signedIn(_, let instruction):
            var response = Answers.seeOther("/account")
            setCookie(instruction, on: &response)
            return response
        case .recoveryCodes(let page, let instruction):
            let frame = pages.frame(request.language())
            var response = try pages.page(RecoveryCodesPageFacts(page.codes, launch: nil, frame: frame))
            setCookie(instruction, on: &response)
            return response
        case .asked(let page): return try codePage(page, request)
        case .nothingPending: return Answers.seeOther("/account")
        case .unavailable(let cause):
            context.logger.error("a login failed", metadata: ["error": "\(cause)"])
            return try pages.unavailable(request.language())
        }
    }

    private func codePage(_ page: SecondFactorPage, _ request: Request) throws -> Response {
        let facts = SecondFactorPageFacts(
            page, action: "/account/login/code", frame: pages.frame(request.language()))
        return limited(try pages.page(facts, status: LaunchRoutes.status(page.problem)), page.problem)
    }

    func limited(_ response: Response, _ problem: SecondFactorProblem?) -> Response {
        guard case .tooManyAttempts(let seconds) = problem else { return response }
        var response = response
        response.headers[.retryAfter] = "\(seconds)"
        return response
    }

    // MARK: - the page

    func security(
        _ visitor: Visitor, enrolment: SecondFactorEnrolment? = nil, problem: SecondFactorProblem? = nil,
        passwordError: String? = nil, notice: String? = nil, status: HTTPResponse.Status? = nil
    ) async throws -> Response {
        let factor = try await secondFactors.confirmed(of: visitor.account.subject)
        let facts = SecurityPageFacts(
            try await frame(visitor, notice: notice), factor: factor,
            since: factor?.confirmedAt.map { Self.minute($0 * 1000) } ?? "",
            isDemanded: try await secondFactors.isDemanded(of: visitor.account),
            canSetUp: secondFactors.canSetUp(visitor.account), enrolment: enrolment,
            error: problem.map { pages.frame(visitor.language).text($0) },
            shortestPassword: passwords.shortest, passwordError: passwordError,
            hasApps: try await desk.hasAnythingToEnd(of: visitor.account.subject))
        return limited(try pages.page(facts, status: status ?? LaunchRoutes.status(problem)), problem)
    }

    private func confirm(
        _ form: FormParameters, _ visitor: Visitor, _ request: Request, _ source: RequestSource
    ) async throws -> Response {
        let outcome = try await interaction.confirmSecondFactor(
            code: Secret(form["code"] ?? ""), session: visitor.secret, from: source)
        switch outcome.answer {
        case .done(let codes):
            var response = try codesPage(codes, visitor)
            setCookie(outcome.session, on: &response)
            return response
        case .refused(let problem):
            let enrolment = try await secondFactors.waiting(for: visitor.account, in: visitor.id)
            return try await security(visitor, enrolment: enrolment, problem: problem)
        }
    }

    private func codesPage(_ codes: [RecoveryCode], _ visitor: Visitor) throws -> Response {
        try pages.page(RecoveryCodesPageFacts(codes, launch: nil, frame: pages.frame(visitor.language)))
    }
}
