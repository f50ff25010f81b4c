internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// Renders pages with the headers that go with them.
struct PageAnswers: Sendable {
    let library: PageLibrary
    let isDemo: Bool
    /// What the login pages lead to.
    var chooser = ProviderChooser()

    /// A page whose forms may end at the given redirect URIs beside our own origin.
    func page(_ page: some Page, status: HTTPResponse.Status = .ok, formTargets: [String] = []) throws -> Response {
        var response = Answers.text(try library.render(page), "text/html; charset=utf-8", status: status)
        let targets = formTargets.compactMap(SecurityHeaders.formTarget)
        SecurityHeaders(formTargets: targets).apply(to: &response.headers)
        return response
    }

    /// An error that has nowhere to go but to the person.
    func error(_ error: OAuthError) throws -> Response {
        try page(
            MessagePage(
                isDemo: isDemo, heading: "That did not work", text: "Nothing was shared with any app.",
                advice: [
                    "Go back to the app and start again: a page like this one is valid only once and for a short time.",
                    "If it happens again, tell the makers of the app what stands below.",
                ], code: error.code.rawValue, detail: error.summary),
            status: HTTPResponse.Status(code: error.status))
    }

    /// Something of ours is out of order.
    func unavailable() throws -> Response {
        var response = try page(
            MessagePage(
                isDemo: isDemo, heading: "Not available just now",
                text: "Something on our side is out of order. Nothing was shared with any app.",
                advice: ["Try again in a few minutes."], code: "temporarily_unavailable"),
            status: .serviceUnavailable)
        response.headers[.retryAfter] = "30"
        return response
    }

    /// There is no such page.
    func notFound() throws -> Response {
        try page(
            MessagePage(
                isDemo: isDemo, heading: "There is no such page",
                text: "The address may be mistyped, or the page was valid only once."), status: .notFound)
    }
}
