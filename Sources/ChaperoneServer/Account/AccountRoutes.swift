internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// The pages on which a person sees and ends what they allowed (SMART 2.2, `management_endpoint`): connected apps, who
/// read what, sign-ins. They need no script.
struct AccountRoutes: Sendable {
    let desk: AccountDesk
    let interaction: InteractionEndpoint
    let federation: FederationEndpoint
    let secondFactors: SecondFactorDesk
    let passwords: PasswordDesk
    let pages: PageAnswers
    let cookie: SessionCookie
    let clock: Clock

    static let formLimit = 16 << 10

    /// Who asks: the account, the session and its cookie.
    struct Visitor {
        let account: UserAccount
        var secret: Secret
        let language: PageLanguage
        var id: SessionID { SessionID(presented: secret) }
    }

    func add(to router: Router<SideContext>) {
        router.get("/account") { request, _ in
            let form = try? FormParameters(parsing: request.uri.query ?? "", repetition: .noted)
            return try await show(request) {
                try await apps($0, notice: nil, after: form?["after"].flatMap { GrantPlace($0) })
            }
        }
        router.get("/account/activity") { request, context in
            try await show(request) { try await activity(request, context, $0) }
        }
        router.get("/account/sessions") { request, _ in
            try await show(request) { try await sessions($0, notice: nil) }
        }
        router.post("/account/login") { request, context in try await login(request, context) }
        router.post("/account/sign-out") { request, context in
            try await change(request) { _, visitor in
                let onward = await federation.endSessionLocation(session: visitor.secret)
                let answer = await interaction.signOut(session: visitor.secret, from: context.origin(of: request))
                // The session lives on: nobody must walk away from it believing that it ended.
                if case .unavailable = answer.outcome { return try pages.unavailable(request.language()) }
                var response =
                    try onward.map { try pages.signedOut(request.language(), onward: $0) }
                    ?? Answers.seeOther("/account")
                response.headers[.setCookie] = cookie.removal
                return response
            }
        }
        router.post("/account/end") { request, context in
            try await change(request) { try await end($0, $1, context.origin(of: request)) }
        }
        router.post("/account/sessions/end") { request, context in
            try await change(request) { try await endSession($0, $1, context.origin(of: request)) }
        }
        addSecurity(to: router)
        addPassword(to: router)
        for path in ["/account", "/account/activity", "/account/sessions"] { router.refuseOthers(on: path, than: .get) }
        for path in ["/account/login", "/account/sign-out", "/account/end", "/account/sessions/end"] {
            router.refuseOthers(on: path, than: .post)
        }
    }

    // MARK: - who asks

    func visitor(of request: Request) async throws -> Visitor? {
        guard let value = cookie.value(in: request.cookieHeaders) else { return nil }
        let secret = Secret(value)
        guard let account = try await interaction.signedIn(session: secret) else { return nil }
        return Visitor(account: account, secret: secret, language: request.language())
    }

    /// A page for whoever is signed in, or the login.
    func show(_ request: Request, _ work: (Visitor) async throws -> Response) async throws -> Response {
        guard let visitor = try await visitor(of: request) else {
            return request.remembering(try loginPage(request.language(), username: "", problem: nil))
        }
        return request.remembering(try await work(visitor))
    }

    /// A form that a page of this session sent.
    func change(
        _ request: Request, _ work: (FormParameters, Visitor) async throws -> Response
    ) async throws -> Response {
        guard !request.isFromAnotherSite, request.hasFormBody,
            let body = try await request.wholeBody(upTo: Self.formLimit),
            let form = try? FormParameters(parsing: body)
        else { return try pages.error(Self.notOurs, request.language()) }
        guard let visitor = try await visitor(of: request) else {
            return try loginPage(request.language(), username: "", problem: nil)
        }
        guard let sent = form["csrf"], Secret(sent) == Secret(Self.token(of: visitor.secret)) else {
            return try pages.error(Self.notOurs, request.language())
        }
        return try await work(form, visitor)
    }

    static let notOurs = OAuthError(.invalidRequest, "the form was not sent from a page of this session")

    /// A token that belongs to the session and cannot be computed without its cookie.
    private static func token(of session: Secret) -> String {
        SecretHash(of: Secret("account:" + session.reveal())).text
    }

    func frame(_ visitor: Visitor, notice: String?) async throws -> AccountFrame {
        let t = PageTexts.texts(visitor.language)
        let circle = await desk.circle(of: visitor.account.subject)
        let others = (circle?.people ?? []).filter { InstanceKey(type: .patient, id: $0.id) != circle?.identity }
        let notice = notice ?? (circle == nil ? "peopleUnknown" : nil)
        return AccountFrame(
            isDemo: pages.isDemo, lang: visitor.language.rawValue, t: t, csrf: Self.token(of: visitor.secret),
            personName: visitor.account.displayName, actsFor: others.map(\.label), notice: notice.flatMap { t[$0] })
    }

    // MARK: - login

    func loginPage(_ language: PageLanguage, username: String, problem: String?) throws -> Response {
        let t = PageTexts.texts(language)
        var response = try pages.page(
            AccountLoginPageFacts(
                isDemo: pages.isDemo, lang: language.rawValue, t: t, username: username,
                error: problem.flatMap { t[$0] }, chooser: pages.chooser.facts(launch: nil, language: language)),
            status: problem == nil ? .ok : problem == "tooMany" ? .tooManyRequests : .badRequest)
        SecurityHeaders.nameOrigin(in: &response.headers)
        return response
    }

    private func login(_ request: Request, _ context: SideContext) async throws -> Response {
        // Nobody may be signed in as somebody else by another site: there is no session yet that could protect the form.
        guard !request.mayBeFromAnotherSite, request.hasFormBody,
            let body = try await request.wholeBody(upTo: Self.formLimit),
            let form = try? FormParameters(parsing: body)
        else { return try pages.error(Self.notOurs, request.language()) }
        guard pages.chooser.takesPasswords else { return try pages.error(Self.notOurs, request.language()) }
        let username = form["username"] ?? ""
        let answer = await interaction.signIn(
            username: username, password: Secret(form["password"] ?? ""),
            session: cookie.value(in: request.cookieHeaders).map { Secret($0) },
            from: context.origin(of: request))
        let language = request.language()
        switch answer {
        case .signedIn(_, let instruction):
            var response = Answers.seeOther("/account")
            setCookie(instruction, on: &response)
            return response
        case .secondFactor(_, let instruction):
            var response = Answers.seeOther("/account/login/code")
            setCookie(instruction, on: &response)
            return response
        case .refused(.wrongCredentials): return try loginPage(language, username: username, problem: "wrong")
        case .refused(.tooManyAttempts(let seconds)):
            var response = try loginPage(language, username: username, problem: "tooMany")
            response.headers[.retryAfter] = "\(seconds)"
            return response
        case .refused(.busy): return try loginPage(language, username: username, problem: "busy")
        case .unavailable(let cause):
            context.logger.error("a login failed", metadata: ["error": "\(cause)"])
            return try pages.unavailable(language)
        }
    }

    func setCookie(_ instruction: SessionInstruction, on response: inout Response) {
        guard case .set(let value, let expiresAt) = instruction else { return }
        response.headers[.setCookie] = cookie.setting(value.reveal(), maxAge: Int(max(expiresAt - clock.now(), 0)))
    }

    // MARK: - apps

    func apps(_ visitor: Visitor, notice: String?, after place: GrantPlace? = nil) async throws -> Response {
        let frame = try await frame(visitor, notice: notice)
        let people = await desk.circle(of: visitor.account.subject)?.people ?? []
        var apps: [AppsPageFacts.App] = []
        let page = try await desk.grants(of: visitor.account.subject, after: place)
        for grant in page.grants {
            let client = try await desk.stores.clients.client(grant.clientID)
            let patient = grant.launch.patient.map { id in
                people.first { $0.id == id }?.label ?? "Patient/\(id.text)"
            }
            let scopes = grant.scopes.intersection(client?.approvedScopes ?? grant.scopes)
            apps.append(
                AppsPageFacts.App(
                    grant: grant.id.text, name: client?.name ?? grant.clientID.text, patient: patient,
                    since: Self.day(grant.createdAt * 1000),
                    lastUse: try await desk.lastUse(of: grant.id).map(Self.minute) ?? frame.t["never"] ?? "",
                    duration: Self.duration(of: grant, frame.t),
                    scopes: ScopeSentences.sentences(for: scopes, language: visitor.language.sentences)))
        }
        return try pages.page(
            AppsPageFacts(
                frame, apps: apps, older: page.next.map { "/account?after=\(FormParameters.encode($0.text))" },
                isOlder: place != nil))
    }

    private static func duration(of grant: Grant, _ t: [String: String]) -> String {
        guard let end = grant.expiresAt else { return t["offline"] ?? "" }
        return "\(t["until"] ?? "") \(minute(end * 1000))"
    }

    private func end(_ form: FormParameters, _ visitor: Visitor, _ source: RequestSource) async throws -> Response {
        let ended = try await desk.end(
            GrantID(form["grant"] ?? ""), of: visitor.account.subject, from: source)
        return try await apps(visitor, notice: ended ? "ended" : "endedNone")
    }

    // MARK: - activity

    private func activity(_ request: Request, _ context: SideContext, _ visitor: Visitor) async throws -> Response {
        let form = (try? FormParameters(parsing: request.uri.query ?? "", repetition: .noted))
        let people = try await desk.people(of: visitor.account.subject)
        let asked = form?["patient"]
        // Only those whom the person may act for; anybody else is as if not asked for.
        let chosen = people.first { $0.id.text == asked } ?? people.first
        let cursor = form?["after"].flatMap { AuditCursor($0) }
        let report = try await desk.report(
            about: chosen?.id, for: visitor.account.subject, after: cursor,
            from: context.origin(of: request))
        let frame = try await frame(visitor, notice: nil)
        // What happened to the account stands on the first page; the older ones are about the records alone.
        let notices = cursor == nil ? try await desk.notices(of: visitor.account.subject) : []
        var names: [String: String] = [:]
        var entries: [ActivityPageFacts.Entry] = []
        for record in report.records {
            entries.append(try await entry(record, of: chosen?.id.text, visitor, frame.t, &names))
        }
        let older = report.next.map { next in
            "/account/activity?after=\(FormParameters.encode(next.text))"
                + (chosen.map { "&patient=\($0.id.text)" } ?? "")
        }
        return try pages.page(
            ActivityPageFacts(
                frame, people: people.map { .init(id: $0.id.text, label: $0.label, isChosen: $0.id == chosen?.id) },
                entries: entries,
                notices: notices.map { notice in
                    ActivityPageFacts.Notice(
                        when: Self.minute(notice.at), what: frame.t[Self.word(for: notice.kind)] ?? "",
                        source: notice.sourceAddress)
                }, older: older, isOlder: cursor != nil))
    }

    private static func word(for notice: AccountNotice) -> String {
        switch notice {
        case .passwordChanged: "noticePasswordChanged"
        case .passwordSet: "noticePasswordSet"
        case .factorSetUp: "noticeFactorSetUp"
        case .factorRemoved: "noticeFactorRemoved"
        case .codesRenewed: "noticeCodesRenewed"
        case .codeUsed: "noticeCodeUsed"
        }
    }

    private func entry(
        _ record: AccessRecord, of patient: String?, _ visitor: Visitor, _ t: [String: String],
        _ names: inout [String: String]
    ) async throws -> ActivityPageFacts.Entry {
        var app = ""
        if let id = record.clientID {
            if names[id.text] == nil { names[id.text] = try await desk.stores.clients.client(id)?.name ?? id.text }
            app = names[id.text] ?? id.text
        }
        let person: String
        switch record.subject {
        case nil: person = t["byItself"] ?? ""
        case visitor.account.subject?: person = t["you"] ?? ""
        case let subject?:
            if names[subject.text] == nil {
                names[subject.text] = try await desk.stores.users.user(subject)?.displayName ?? record.fhirUser ?? "?"
            }
            person = names[subject.text] ?? "?"
        }
        let outcome = ActivityOutcome.words(for: record, of: patient, t)
        let verb = t[record.interaction.rawValue] ?? t["other"] ?? ""
        let what =
            [verb, record.resourceType ?? record.operation.map { "$\($0)" } ?? record.path]
            .joined(separator: " ") + (record.resourceID.map { "/\($0)" } ?? "")
        return ActivityPageFacts.Entry(
            when: Self.minute(record.startedAt), who: "\(app) (\(person))", what: what, scopes: record.scopes,
            program: record.program.flatMap { t[$0] ?? $0 } ?? "", result: outcome.text,
            isRefused: outcome.isRefused)
    }

    // MARK: - sessions

    private func sessions(_ visitor: Visitor, notice: String?) async throws -> Response {
        let frame = try await frame(visitor, notice: notice)
        let list = try await desk.sessions(of: visitor.account.subject)
        return try pages.page(
            SessionsPageFacts(
                frame,
                sessions: list.map { session in
                    SessionsPageFacts.Session(
                        id: session.id.hash.text, isThis: session.id == visitor.id,
                        begun: Self.minute(session.begunAt * 1000),
                        seen: Self.minute(session.lastSeenAt * 1000))
                }))
    }

    private func endSession(
        _ form: FormParameters, _ visitor: Visitor, _ source: RequestSource
    ) async throws -> Response {
        var ended = false
        if let hash = SecretHash(text: form["session"] ?? "") {
            ended = try await desk.endSession(
                SessionID(hash: hash), of: visitor.account.subject, from: source)
        }
        return try await sessions(visitor, notice: ended ? "sessionEnded" : "sessionGone")
    }

    // MARK: - times

    /// `2026-01-31`.
    private static func day(_ milliseconds: Int64) -> String {
        String(Timestamp.text(milliseconds: milliseconds).prefix(10))
    }

    /// `2026-01-31 12:00 UTC`.
    static func minute(_ milliseconds: Int64) -> String {
        let text = Timestamp.text(milliseconds: milliseconds)
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC"
    }
}
