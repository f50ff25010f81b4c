internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

extension Configuration {
    /// Reads one client; what is missing is a mistake, nothing is made up for it.
    static func client(_ reader: SettingReader, isRegulated: Bool) -> ConfiguredClient {
        var reader = reader
        let id = reader.requiredText("id")
        let kind: ConfiguredClient.Kind? = reader.choice("kind")
        if kind == nil, !reader.has("kind") { reader.fail("kind", "is required") }
        let program: APIProgram? = reader.choice("program")
        if program == nil, !reader.has("program") {
            reader.fail("program", "is required: every client is approved for one program, there is no default")
        }
        if program == .general, isRegulated {
            reader.fail("program", "`general` needs `fhir-server.regulated: false`")
        }
        let grantTypes = grantTypes(&reader)
        let client = ConfiguredClient(
            id: id, name: reader.text("name", default: id), kind: kind ?? .public,
            profile: reader.choice("profile") ?? .smart22, profileUntil: day("profile-until", &reader),
            isTrusted: reader.flag("trusted", default: false), program: program ?? .patientAccess,
            redirectURIs: reader.texts("redirect-uris"), postLogoutRedirectURIs: postLogout(&reader),
            launchURL: reader.text("launch-url"),
            isNative: reader.flag("native", default: false),
            grantTypes: grantTypes, scopes: scopes(&reader), secretFile: reader.text("secret-file"),
            secretUntil: day("secret-until", &reader), previousSecretFile: reader.text("previous-secret-file"),
            previousSecretUntil: day("previous-secret-until", &reader),
            keysFile: reader.text("keys-file"), keysURL: keysURL(&reader),
            certificateSubject: certificateSubject(&reader),
            bindsTokensToCertificate: reader.flag("certificate-bound-tokens", default: false),
            accessTokenSeconds: reader.has("access-token")
                ? reader.integer("access-token", default: 300, in: 30...3600) : nil,
            usesReferenceTokens: reader.flag("reference-tokens", default: false),
            wildcardsUntil: day("wildcards-until", &reader),
            systemPanel: systemPanel(&reader), demoSecret: nil, demoKeys: nil)
        check(client, reader)
        reader.finish()
        return client
    }

    private static func certificateSubject(_ reader: inout SettingReader) -> CertificateSubject? {
        let kinds: [(String, (String) -> CertificateSubject)] = [
            ("certificate-subject", { .name($0) }), ("certificate-dns", { .dns($0) }),
            ("certificate-uri", { .uri($0) }), ("certificate-ip", { .address($0) }),
            ("certificate-email", { .email($0) }),
        ]
        var found: [(key: String, subject: CertificateSubject)] = []
        for (key, make) in kinds { if let text = reader.text(key) { found.append((key, make(text))) } }
        for extra in found.dropFirst() { reader.fail(extra.key, "stands beside `\(found[0].key)`: one name is enough") }
        if let first = found.first, !first.subject.isUsable { reader.fail(first.key, "is not such a name") }
        return found.first?.subject
    }

    private static func keysURL(_ reader: inout SettingReader) -> String? {
        guard let text = reader.text("jwks-uri") else { return nil }
        if FetchTarget(text)?.isSecure != true { reader.fail("jwks-uri", "must be an https address, not `\(text)`") }
        return text
    }

    private static func grantTypes(_ reader: inout SettingReader) -> [ConfiguredClient.GrantType] {
        let words = reader.texts("grant-types")
        let known = words.compactMap(ConfiguredClient.GrantType.init(rawValue:))
        if known.count != words.count {
            let all = ConfiguredClient.GrantType.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
            reader.fail("grant-types", "may hold \(all)")
        }
        if words.isEmpty { reader.fail("grant-types", "is required") }
        return known
    }

    /// Addresses that are compared byte for byte, as redirects are.
    private static func postLogout(_ reader: inout SettingReader) -> [String] {
        let texts = reader.texts("post-logout-redirect-uris")
        for text in texts where (try? RedirectURI(text, rules: .init(isNative: true, isDemonstration: true))) == nil {
            reader.fail("post-logout-redirect-uris", "`\(text)` is not an acceptable address")
        }
        return texts
    }

    /// A day as Unix seconds of its beginning.
    private static func day(_ key: String, _ reader: inout SettingReader) -> Int64? {
        guard let text = reader.text(key) else { return nil }
        if text.utf8.count == 10, let milliseconds = Timestamp.milliseconds(text) { return milliseconds / 1000 }
        reader.fail(key, "must be a day such as `2027-12-31`, not `\(text)`")
        return nil
    }

    private static func scopes(_ reader: inout SettingReader) -> String {
        let text = reader.requiredText("scopes").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard !text.isEmpty else { return text }
        for word in text.split(separator: " ") {
            switch Scope(parsing: String(word)) {
            case .malformed, .unrecognised: reader.fail("scopes", "`\(word)` is not a scope that can grant anything")
            default: break
            }
        }
        return text
    }

    private static func systemPanel(_ reader: inout SettingReader) -> ConfiguredClient.SystemPanel {
        let ids = reader.texts("system-patients")
        if ids == ["*"] { return .everyone }
        for id in ids where ResourceID(id) == nil { reader.fail("system-patients", "`\(id)` is not a patient id") }
        return ids.isEmpty ? .none : .patients(ids)
    }

    private static func check(_ client: ConfiguredClient, _ reader: SettingReader) {
        if client.grantTypes.contains(.authorizationCode), client.redirectURIs.isEmpty {
            reader.fail("redirect-uris", "is required with `authorization_code`")
        }
        if client.grantTypes.contains(.clientCredentials), client.kind != .asymmetric {
            // SMART Backend Services authenticates with a signed assertion only.
            reader.fail("kind", "must be `asymmetric` with `client_credentials`")
        }
        if client.profile == .smart10, client.profileUntil == nil {
            reader.fail("profile-until", "is required with `smart-1.0`: the exception needs an end")
        }
        if client.profile == .smart10, client.kind == .public {
            reader.fail("profile", "`smart-1.0` has no PKCE, so a `public` client cannot have it")
        }
        if client.wildcardsUntil == nil {
            for word in client.riskyWildcards {
                reader.fail(
                    "scopes", "`\(word)` needs `wildcards-until`: name the types, or the day the exception ends")
            }
        }
        if (client.kind == .certificate) != (client.certificateSubject != nil) {
            reader.fail("certificate-subject", "or another name of its certificate belongs to a `certificate` client")
        }
        if client.bindsTokensToCertificate, client.kind == .public {
            reader.fail("certificate-bound-tokens", "needs a client that can keep a secret")
        }
        if client.kind != .symmetric, client.secretUntil != nil || client.previousSecretFile != nil {
            reader.fail(
                client.secretUntil == nil ? "previous-secret-file" : "secret-until", "belongs to a `symmetric` client")
        }
        if (client.previousSecretFile == nil) != (client.previousSecretUntil == nil) {
            reader.fail("previous-secret-until", "and `previous-secret-file` belong together")
        }
        switch client.kind {
        case .certificate:
            if client.secretFile != nil || client.keysFile != nil || client.keysURL != nil {
                reader.fail("kind", "a `certificate` client has neither a secret nor keys")
            }
        case .public:
            if client.secretFile != nil || client.keysFile != nil || client.keysURL != nil {
                reader.fail("kind", "a `public` client has neither `secret-file` nor `keys-file` nor `jwks-uri`")
            }
        case .symmetric:
            if client.secretFile == nil { reader.fail("secret-file", "is required for a `symmetric` client") }
        case .asymmetric, .selfSigned:
            if (client.keysFile == nil) == (client.keysURL == nil) {
                reader.fail(
                    "keys-file", "is required for an `\(client.kind.rawValue)` client, or `jwks-uri` in its place")
            }
        }
    }

    /// Reads one local account.
    static func user(_ reader: SettingReader) -> ConfiguredUser {
        var reader = reader
        let login = reader.requiredText("login")
        let fhirUser = reader.text("fhir-user")
        if let fhirUser, !isReference(fhirUser, to: ["Patient", "Practitioner", "RelatedPerson", "Person"]) {
            reader.fail("fhir-user", "must be a reference such as `Patient/p1`, not `\(fhirUser)`")
        }
        let roleWords = reader.texts("roles")
        let roles = roleWords.compactMap(ConfiguredUser.Role.init(rawValue:))
        if roles.count != roleWords.count {
            let all = ConfiguredUser.Role.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
            reader.fail("roles", "may hold \(all)")
        }
        let patients = reader.maps("patients").map { patient in
            var patient = patient
            let id = patient.requiredText("id")
            if !id.isEmpty, ResourceID(id) == nil { patient.fail("id", "`\(id)` is not a patient id") }
            let read = ConfiguredUser.ConfiguredPatient(
                id: id, name: patient.text("name", default: id), relation: patient.text("relation", default: "self"))
            patient.finish()
            return read
        }
        let user = ConfiguredUser(
            login: login, name: reader.text("name", default: login), fhirUser: fhirUser, patients: patients,
            roles: roles, passwordFile: reader.requiredText("password-file"), demoPassword: nil)
        reader.finish()
        return user
    }
}
