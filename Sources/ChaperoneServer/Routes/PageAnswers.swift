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

    /// What every page in a language shares.
    func frame(_ language: PageLanguage) -> PageFrame { PageFrame(isDemo: isDemo, language: language) }

    /// An error that has nowhere to go but to the person.
    func error(_ error: OAuthError, _ language: PageLanguage) throws -> Response {
        try page(
            MessagePage(
                frame(language), heading: "failedHeading", text: "failedText",
                advice: ["failedAdvice1", "failedAdvice2"], code: error.code.rawValue, detail: error.summary),
            status: HTTPResponse.Status(code: error.status))
    }

    /// Something of ours is out of order.
    func unavailable(_ language: PageLanguage) throws -> Response {
        var response = try page(
            MessagePage(
                frame(language), heading: "unavailableHeading", text: "unavailableText",
                advice: ["unavailableAdvice"], code: "temporarily_unavailable"),
            status: .serviceUnavailable)
        response.headers[.retryAfter] = "30"
        return response
    }

    /// There is no such page.
    func notFound(_ language: PageLanguage) throws -> Response {
        try page(
            MessagePage(frame(language), heading: "notFoundHeading", text: "notFoundText"), status: .notFound)
    }
}
