import ChaperoneServer
import FHIRCore
import OAuthCore

/// A public SMART app of the tests that goes through the pages as a person with a browser does.
struct TestApp {
    static let redirect = "http://127.0.0.1:8765/callback"
    static let scope =
        "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs patient/Condition.rs"

    let server: RunningServer
    let browser = Browser()
    let verifier = RandomSource.system.identifier(byteCount: 48)
    let state = RandomSource.system.identifier()

    /// The parameters of a good authorization request.
    func parameters(scope: String = scope) -> [(String, String)] {
        let challenge = Base64URL.encode(SHA256Hash.of(Array(verifier.utf8)))
        return [
            ("response_type", "code"), ("client_id", "demo-patient-app"), ("redirect_uri", Self.redirect),
            ("scope", scope), ("state", state), ("aud", server.fhir), ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]
    }

    func authorizeURL(_ parameters: [(String, String)]? = nil) -> String {
        let pairs = (parameters ?? self.parameters()).map {
            "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))"
        }
        return "\(server.issuer)/oauth/authorize?" + pairs.joined(separator: "&")
    }

    /// Follows redirects within the issuer; the first answer that is none.
    func follow(_ answer: Answer) async throws -> Answer {
        var answer = answer
        for _ in 0..<10 {
            guard (300...399).contains(answer.status), let location = answer["location"], location.hasPrefix("/") else {
                break
            }
            answer = try await browser.get(server.issuer + location)
        }
        return answer
    }

    /// From the first request to the consent page.
    func consentPage(as user: String, patient: String? = nil) async throws -> Answer {
        let login = try await follow(try await browser.get(authorizeURL()))
        var page = try await follow(
            try await browser.post(
                server.issuer + "/login",
                Form(login.text).fields + [("username", user), ("password", "demo")]))
        if let patient {
            page = try await follow(
                try await browser.post(server.issuer + "/patient", Form(page.text).fields + [("patient", patient)]))
        }
        return page
    }

    /// The whole launch, to the token response.
    func launch(as user: String = "patient-a", patient: String? = nil) async throws -> JSONValue {
        let consent = try await consentPage(as: user, patient: patient)
        let back = try await browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])
        guard back.status == 303, let location = back["location"], location.hasPrefix(Self.redirect + "?") else {
            throw RunningServer.Failure(description: "\(back.status) \(back["location"] ?? "") \(back.text)")
        }
        let answer = try await redeem(
            try FormParameters(parsing: String(location.dropFirst(Self.redirect.count + 1)))["code"] ?? "")
        guard answer.status == 200 else { throw RunningServer.Failure(description: answer.text) }
        return try answer.json()
    }

    func redeem(_ code: String) async throws -> Answer {
        try await Browser().post(
            server.issuer + "/oauth/token",
            [
                ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Self.redirect),
                ("client_id", "demo-patient-app"), ("code_verifier", verifier),
            ])
    }

    func fhir(_ path: String, _ token: JSONValue) async throws -> Answer {
        try await Browser().get(
            server.fhir + path,
            headers: [
                ("authorization", "Bearer \(token["access_token"]?.string ?? "")"), ("accept", "application/fhir+json"),
            ])
    }
}

/// The fields of a page's main form, as a browser would send them: hidden ones and ticked ones.
struct Form {
    let action: String
    let fields: [(String, String)]

    /// Reads the last form of the page; the sign-out form in the head of the page is not meant.
    init(_ html: String) {
        let forms = html.split(separator: "<form ").dropFirst()
        guard let form = forms.last?.split(separator: "</form>", omittingEmptySubsequences: false).first else {
            (action, fields) = ("", [])
            return
        }
        action = Self.attribute("action", of: String(form)) ?? ""
        fields = form.split(separator: "<input ").dropFirst().compactMap { piece in
            let tag = String(piece.prefix { $0 != ">" })
            guard let name = Self.attribute("name", of: tag), let type = Self.attribute("type", of: tag) else {
                return nil
            }
            guard type == "hidden" || (type == "checkbox" && tag.contains(" checked")) else { return nil }
            return (name, Self.unescape(Self.attribute("value", of: tag) ?? ""))
        }
    }

    private static func attribute(_ name: String, of tag: String) -> String? {
        guard let start = tag.firstRange(of: "\(name)=\"") else { return nil }
        return String(tag[start.upperBound...].prefix { $0 != "\"" })
    }

    private static func unescape(_ text: String) -> String {
        text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"").replacing(
            "&#39;", with: "'"
        )
        .replacing("&amp;", with: "&")
    }
}
