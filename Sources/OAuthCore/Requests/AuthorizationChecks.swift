/// The single checks of an authorization request, each a pure function of the form.
enum AuthorizationChecks {
    /// Type and mode of the answer, and the parameters that would replace the request by another.
    static func response(_ form: FormParameters) throws(OAuthError) {
        guard let type = form["response_type"] else { throw OAuthError(.invalidRequest, "response_type is missing") }
        guard type == "code" else { throw OAuthError(.unsupportedResponseType) }
        if let mode = form["response_mode"], mode != "query" {
            throw OAuthError(.invalidRequest, "the response_mode is not supported")
        }
        if form["request"] != nil { throw OAuthError(.requestNotSupported) }
        if form["request_uri"] != nil { throw OAuthError(.requestURINotSupported) }
        if form["registration"] != nil { throw OAuthError(.registrationNotSupported) }
    }

    /// RFC 7636 §4.3–4.4.1; `plain`, also by leaving the method out, is refused (SMART 2.2 app-launch).
    static func codeChallenge(_ form: FormParameters, isRequired: Bool) throws(OAuthError) -> CodeChallenge? {
        guard let text = form["code_challenge"] else {
            guard !isRequired, form["code_challenge_method"] == nil else {
                throw OAuthError(.invalidRequest, "code_challenge is missing")
            }
            return nil
        }
        guard form["code_challenge_method"] == "S256" else {
            throw OAuthError(.invalidRequest, "code_challenge_method must be S256")
        }
        guard let challenge = CodeChallenge(text) else {
            throw OAuthError(.invalidRequest, "code_challenge is malformed")
        }
        return challenge
    }

    /// SMART's `aud`, with RFC 8707's `resource` as a synonym; both may come if they agree.
    static func audience(_ form: FormParameters, among audiences: Set<String>) throws(OAuthError) -> String {
        guard let audience = form["aud"] ?? form["resource"] else {
            throw OAuthError(.invalidRequest, "aud is missing")
        }
        if let resource = form["resource"], resource != audience {
            throw OAuthError(.invalidTarget, "aud and resource differ")
        }
        guard audience.isVisibleASCII, audiences.contains(audience) else {
            throw OAuthError(.invalidTarget, detail: "aud `\(audience.prefix(200))` is not a FHIR base of ours")
        }
        return audience
    }

    /// OpenID Connect Core §3.1.2.1: `none` stands alone.
    static func prompts(_ form: FormParameters) throws(OAuthError) -> Set<AuthorizationRequest.Prompt> {
        guard let text = form["prompt"] else { return [] }
        let words = text.split(separator: " ")
        let prompts = Set(words.compactMap { AuthorizationRequest.Prompt(rawValue: String($0)) })
        guard words.count <= 8, words.allSatisfy({ AuthorizationRequest.Prompt(rawValue: String($0)) != nil }),
            !prompts.contains(.none) || prompts.count == 1
        else { throw OAuthError(.invalidRequest, "the prompt is not supported") }
        return prompts
    }

    static func maxAge(_ form: FormParameters) throws(OAuthError) -> Int64? {
        guard let text = form["max_age"] else { return nil }
        guard text.utf8.count <= 10, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let age = Int64(text) else {
            throw OAuthError(.invalidRequest, "max_age is not a number of seconds")
        }
        return age
    }

    /// A list of words that are wishes only (OpenID Connect Core §3.1.2.1): what is no such list is not looked at (U-17).
    static func words(_ name: String, of form: FormParameters) -> [String] {
        guard let text = form[name], text.utf8.count <= 1024, text.isVisibleASCII else { return [] }
        return text.split(separator: " ").prefix(16).map(String.init)
    }

    /// The thumbprint of a key (RFC 7638); nil where none is named. What is no thumbprint is refused: the binding that was
    /// meant must not be left out.
    static func thumbprint(_ name: String, of form: FormParameters) throws(OAuthError) -> String? {
        guard let text = form[name] else { return nil }
        // The one encoding of a SHA-256 digest (RFC 7638 §3.1), as thumbprints are compared letter by letter.
        guard text.utf8.count == 43, let digest = Base64URL.decode(text), digest.count == 32 else {
            throw OAuthError(.invalidRequest, "\(name) is not the thumbprint of a key")
        }
        return text
    }

    static func limited(_ name: String, of form: FormParameters, to maxBytes: Int) throws(OAuthError) -> String? {
        guard let text = form[name] else { return nil }
        guard text.utf8.count <= maxBytes else { throw OAuthError(.invalidRequest, "\(name) is too long") }
        guard text.unicodeScalars.allSatisfy(\.isVisible) else {
            throw OAuthError(.invalidRequest, "\(name) holds a control character")
        }
        return text
    }
}
