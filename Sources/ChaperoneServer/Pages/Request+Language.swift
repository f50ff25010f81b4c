internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// Which language a browser is answered in. The choice is kept in a cookie that says nothing about the person.
extension Request {
    private static let languageCookie = "chaperone-language"

    /// The language of the page that this request gets, given what the app of a launch asked for.
    func language(wished: [String] = []) -> PageLanguage {
        let form = try? FormParameters(parsing: uri.query ?? "", repetition: .noted)
        let remembered = cookieHeaders.flatMap { $0.split(separator: ";") }.map { $0.drop { $0 == " " } }
            .first { $0.hasPrefix("\(Self.languageCookie)=") }?.dropFirst(Self.languageCookie.count + 1)
        let inAddress = (form?["ui_locales"] ?? "").split(separator: " ").prefix(16).map(String.init)
        return PageLanguage.choose(
            asked: form?["lang"], remembered: remembered.map(String.init), wished: wished.isEmpty ? inAddress : wished,
            accepted: headers[.acceptLanguage])
    }

    /// The answer, with the choice of language that stood in the address kept for the next pages.
    func remembering(_ response: Response) -> Response {
        let form = try? FormParameters(parsing: uri.query ?? "", repetition: .noted)
        guard let language = form?["lang"].flatMap(PageLanguage.init(rawValue:)) else { return response }
        var response = response
        response.headers.append(
            HTTPField(
                name: .setCookie,
                value: "\(Self.languageCookie)=\(language.rawValue); Path=/; Max-Age=31536000; SameSite=Lax"))
        return response
    }
}
