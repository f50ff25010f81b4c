internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// The way to an identity provider and back.
///
/// Both are plain links: a form would need every provider's origin in the page's policy, and a link to the way there
/// works only with the handle of a launch of the same browser.
struct FederationRoutes: Sendable {
    let federation: FederationEndpoint
    let launches: LaunchRoutes

    func add(to router: Router<SideContext>) {
        router.get("/login/provider") { request, context in
            try await launches.query(of: request) { form in
                let answer = await federation.begin(
                    provider: form["provider"] ?? "", launch: form["launch"].map { Secret($0) },
                    session: launches.session(of: request), from: context.origin(of: request))
                return try respond(answer, to: request, context)
            }
        }
        router.get("/login/callback/:provider") { request, context in
            try await launches.query(of: request) { form in
                let answer = await federation.complete(
                    provider: context.parameters.get("provider") ?? "", form,
                    session: launches.session(of: request), from: context.origin(of: request))
                return try respond(answer, to: request, context)
            }
        }
        router.refuseOthers(on: "/login/provider", than: .get)
        router.refuseOthers(on: "/login/callback/:provider", than: .get)
    }

    private func respond(
        _ answer: FederationAnswer, to request: Request, _ context: SideContext
    ) throws -> Response {
        switch answer {
        case .redirect(let location, let session):
            var response = Answers.seeOther(location)
            launches.setCookie(session, on: &response)
            return response
        case .signedIn(let session):
            var response = Answers.seeOther("/account")
            launches.setCookie(session, on: &response)
            return response
        case .interaction(let interaction):
            if case .unavailable(let cause) = interaction.outcome {
                context.logger.error("a sign-in at a provider failed", metadata: ["error": "\(cause)"])
            }
            return try launches.respond(interaction, to: request, isForm: false)
        }
    }
}

/// The part of the login pages that leads to identity providers.
struct ProviderChooser: Sendable {
    /// Name and id of each.
    var providers: [(id: String, name: String)] = []
    var takesPasswords = true

    /// The one way in, where there is only one: then nobody needs to choose.
    var only: String? { !takesPasswords && providers.count == 1 ? providers[0].id : nil }

    /// The address that leads to a provider.
    static func address(of id: String, launch: String?) -> String {
        "/login/provider?provider=\(id)" + (launch.map { "&launch=\(FormParameters.encode($0))" } ?? "")
    }

    /// What the page's template shows.
    func facts(launch: String?, language: PageLanguage = .english) -> ChooserFacts {
        ChooserFacts(
            takesPasswords: takesPasswords, hasProviders: !providers.isEmpty,
            hasBoth: takesPasswords && !providers.isEmpty,
            or: PageTexts.texts(language)["orLocalAccount"] ?? "",
            providers: providers.map {
                .init(
                    address: Self.address(of: $0.id, launch: launch),
                    label: (PageTexts.texts(language)["continueWith"] ?? "") + " " + $0.name)
            })
    }
}

/// The chooser as its template shows it.
struct ChooserFacts: Sendable {
    let takesPasswords: Bool
    let hasProviders: Bool
    let hasBoth: Bool
    let or: String
    let providers: [Choice]

    struct Choice: Sendable {
        let address: String
        let label: String
    }
}

/// The page after signing out here, on the way to signing out at the provider too.
struct SignedOutPage: Page {
    static let template = "signed-out"
    let isDemo: Bool
    let lang: String
    let t: [String: String]
    let languageLink: String? = nil
    let providerName: String
    let onward: String
    /// Where the app that asked for the sign-out wants the person to go.
    let back: String?

    init(_ frame: PageFrame, providerName: String, onward: String, back: String?) {
        (isDemo, lang, t) = (frame.isDemo, frame.lang, frame.t)
        self.providerName = providerName
        self.onward = onward
        self.back = back
    }
}

extension PageAnswers {
    /// The page that leads on to signing out at the provider. It goes there by itself, by a refresh and not by a redirect:
    /// browsers hold redirects that answer a form to the page's `form-action`.
    func signedOut(
        _ language: PageLanguage, onward: (location: String, name: String), back: String? = nil
    ) throws -> Response {
        var response = try page(
            SignedOutPage(frame(language), providerName: onward.name, onward: onward.location, back: back))
        if let name = HTTPField.Name("Refresh") { response.headers[name] = "0; url=\(onward.location)" }
        return response
    }
}
