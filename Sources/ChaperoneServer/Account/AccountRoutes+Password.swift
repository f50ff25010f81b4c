internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// The change of the password on the account pages, and the end of all access at once.
extension AccountRoutes {
    func addPassword(to router: Router<SideContext>) {
        router.post("/account/security/password") { request, context in
            try await change(request) { form, visitor in
                try await changePassword(form, visitor, context.origin(of: request))
            }
        }
        router.post("/account/end-all") { request, context in
            try await change(request) { form, visitor in
                let ended = try await desk.endAll(of: visitor.account.subject, from: context.origin(of: request))
                return try await apps(visitor, notice: ended ? "endedAll" : "endedNone")
            }
        }
        for path in ["/account/security/password", "/account/end-all"] { router.refuseOthers(on: path, than: .post) }
    }

    private func changePassword(
        _ form: FormParameters, _ visitor: Visitor, _ source: RequestSource
    ) async throws -> Response {
        let change = PasswordChange(
            present: Secret(form["present"] ?? ""), new: Secret(form["new"] ?? ""),
            repeated: Secret(form["again"] ?? ""), code: Secret(form["code"] ?? ""))
        switch try await passwords.change(change, of: visitor.account, session: visitor.secret, from: source) {
        case .failure(let problem):
            var factor: SecondFactorProblem?
            if case .notProved(let missing) = problem { factor = missing }
            return limited(
                try await security(
                    visitor, passwordError: pages.frame(visitor.language).text(problem),
                    status: factor.map { LaunchRoutes.status($0) } ?? .badRequest), factor)
        case .success(let instruction):
            var next = visitor
            // The page belongs to the session's new value: its forms must be good in it.
            if case .set(let value, _) = instruction { next.secret = value }
            var response = try await security(next, notice: "passwordChanged")
            setCookie(instruction, on: &response)
            return response
        }
    }
}

extension PageFrame {
    func text(_ problem: PasswordProblem) -> String {
        switch problem {
        case .notProved(let missing): text(missing)
        case .unusable(let shortest): "\(text("newPasswordShort")) \(shortest)."
        case .repetitionDiffers: text("newPasswordDiffers")
        case .unchanged: text("newPasswordSame")
        }
    }
}
