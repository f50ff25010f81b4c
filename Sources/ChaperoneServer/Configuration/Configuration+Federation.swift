public import Authorization
public import FHIRCore
public import OAuthCore
internal import AccessPolicy

extension Configuration {
    /// An OpenID Provider at which people sign in.
    public struct ConfiguredProvider: Hashable, Sendable {
        /// How we prove who we are there.
        public enum TokenAuthentication: String, Hashable, Sendable, CaseIterable {
            case secretBasic = "client_secret_basic"
            case secretPost = "client_secret_post"
            case privateKey = "private_key_jwt"
        }

        public var id: String
        public var name: String
        public var issuer: String
        public var clientID: String
        public var authentication: TokenAuthentication
        public var secretFile: String?
        /// A private JWK.
        public var keyFile: String?
        public var algorithms: Set<SignatureAlgorithm>
        public var scope: String
        public var contexts: [String]
        public var contextOrder: [String]
        /// By what of its ID token two factors are known to have been shown.
        public var secondFactor: SecondFactorEvidence
        /// The hosts that its discovery document may name as we may.
        public var documentHosts: [String]
        public var maxAge: Int?
        /// The claim that names the member.
        public var claim: String
        public var source: ConfiguredSource
        public var rules: MemberRules
    }

    /// Where it stands who the logins of a provider are.
    public enum ConfiguredSource: Hashable, Sendable {
        case links
        /// From values of the claim to references.
        case table([String: InstanceKey])
        case search(MemberSearch)
        /// A service of the site, and the file of the key with which it is asked.
        case service(url: String, keyFile: String)
        case roster(file: String, longestAge: Int?, reloadSeconds: Int)
    }

    /// Who signs in, and where.
    public struct SignInSettings: Hashable, Sendable {
        public var providers: [ConfiguredProvider] = []
        /// Whether people may sign in with a name and a password of this server.
        public var takesPasswords = true
        public var assurance = AssuranceRules()

        public init() {}
    }

    private enum SourceWord: String, CaseIterable { case links, table, search, service, roster }

    static func signIn(_ top: inout SettingReader, issuer: IssuerAddress?) -> SignInSettings {
        var settings = SignInSettings()
        settings.providers = top.maps("identity-providers").map {
            provider($0, allowsPlain: issuer?.isLoopback == true)
        }
        settings.takesPasswords = top.flag("local-accounts", default: true)
        settings.assurance = assurance(&top, providers: settings.providers)
        if !settings.takesPasswords, settings.providers.isEmpty {
            top.fail("local-accounts", "`false` needs `identity-providers`: otherwise nobody can sign in")
        }
        for (name, values) in [("id", settings.providers.map(\.id)), ("issuer", settings.providers.map(\.issuer))]
        where Set(values).count != values.count {
            top.fail("identity-providers", "two of them have the same `\(name)`")
        }
        return settings
    }

    private static func provider(_ reader: SettingReader, allowsPlain: Bool) -> ConfiguredProvider {
        var map = reader
        let id = map.requiredText("id")
        let isPlain = id.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D
        }
        if !isPlain || id.utf8.count > 32 { map.fail("id", "must be lower-case letters, digits and hyphens") }
        let issuer = map.requiredText("issuer")
        if !issuer.isEmpty, issuer.contains("?") || !ProviderMetadata.isEndpoint(issuer, allowsPlain: allowsPlain) {
            map.fail("issuer", "must be an https address without query, not `\(issuer)`")
        }
        let authentication: ConfiguredProvider.TokenAuthentication = map.choice("client-authentication") ?? .secretBasic
        let (secretFile, keyFile) = (map.text("client-secret-file"), map.text("client-key-file"))
        switch authentication {
        case .secretBasic, .secretPost:
            if secretFile == nil { map.fail("client-secret-file", "is required with `\(authentication.rawValue)`") }
            if keyFile != nil { map.fail("client-key-file", "has a meaning only with `private_key_jwt`") }
        case .privateKey:
            if keyFile == nil { map.fail("client-key-file", "is required with `private_key_jwt`") }
            if secretFile != nil { map.fail("client-secret-file", "has no meaning with `private_key_jwt`") }
        }
        let scope = map.text("scope", default: "openid")
        if !scope.split(separator: " ").contains("openid") { map.fail("scope", "must hold `openid`") }
        let algorithms = map.has("signing-algorithms") ? map.texts("signing-algorithms") : ["RS256"]
        let known = algorithms.compactMap { SignatureAlgorithm(rawValue: $0) }
        if known.count != algorithms.count || known.isEmpty {
            map.fail(
                "signing-algorithms", "may hold \(SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        var members = map.map("members")
        if !map.has("members") { map.fail("members", "is required: it says who the logins of this provider are") }
        let claim = members.text("claim", default: "sub")
        if IdentityProvider.claimsThatNameNobody.contains(claim) {
            members.fail("claim", "nobody is found by `\(claim)`: it is shared, changed or claimed by the person")
        }
        let source = source(&members, allowsPlain: allowsPlain)
        let rules = MemberRules(
            several: members.choice("several") ?? .member,
            coverageGraceDays: members.integer("coverage-grace-days", default: 0, in: 0...3660),
            ageOfMajority: members.integer("age-of-majority", default: 18, in: 12...25))
        members.finish()
        let provider = ConfiguredProvider(
            id: id, name: map.text("name", default: id), issuer: issuer, clientID: map.requiredText("client-id"),
            authentication: authentication, secretFile: secretFile, keyFile: keyFile, algorithms: Set(known),
            scope: scope, contexts: map.texts("acr-values"), contextOrder: order(&map),
            secondFactor: secondFactorEvidence(&map), documentHosts: hosts(&map, "document-hosts"),
            maxAge: map.has("max-age") ? map.integer("max-age", default: 0, in: 0...31_536_000) : nil, claim: claim,
            source: source, rules: rules)
        map.finish()
        return provider
    }

    private static func order(_ map: inout SettingReader) -> [String] {
        let order = map.texts("acr-order")
        if Set(order).count != order.count { map.fail("acr-order", "names one of its contexts twice") }
        return order
    }

    /// `second-factor-acr`, `second-factor-amr`, `second-factor-kinds`.
    private static func secondFactorEvidence(_ map: inout SettingReader) -> SecondFactorEvidence {
        var evidence = SecondFactorEvidence()
        evidence.contexts = Set(map.texts("second-factor-acr"))
        if map.has("second-factor-amr") { evidence.methods = Set(map.texts("second-factor-amr")) }
        for method in evidence.methods.sorted() where SecondFactorEvidence.singleMethods.contains(method) {
            map.fail("second-factor-amr", "`\(method)` alone is not two factors (RFC 8176)")
        }
        evidence.countsKinds = map.flag("second-factor-kinds", default: false)
        return evidence
    }

    private static func source(_ map: inout SettingReader, allowsPlain: Bool) -> ConfiguredSource {
        let word: SourceWord? = map.choice("source")
        switch word {
        case nil:
            if !map.has("source") {
                map.fail(
                    "source", "is required: \(SourceWord.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", "))")
            }
            return .links
        case .links?: return .links
        case .table?:
            var entries = map.map("table")
            var table: [String: InstanceKey] = [:]
            for value in entries.keys {
                let text = entries.requiredText(value)
                guard let key = InstanceKey(text), isReference(text, to: personTypes) else {
                    entries.fail(value, "must be a reference such as `Patient/p1`, not `\(text)`")
                    continue
                }
                table[value] = key
            }
            entries.finish()
            if table.isEmpty { map.fail("table", "is required with `table`") }
            return .table(table)
        case .search?:
            let types = MemberSearch.types.map(\.rawValue)
            let type = map.text("resource-type", default: "Patient")
            if !types.contains(type) { map.fail("resource-type", "must be one of \(types.joined(separator: ", "))") }
            return .search(
                MemberSearch(
                    type: ResourceType(rawValue: type) ?? .patient, system: map.requiredText("identifier-system")))
        case .service?:
            let url = map.requiredText("address")
            if !url.isEmpty, !ProviderMetadata.isEndpoint(url, allowsPlain: allowsPlain) {
                map.fail("address", "must be an https address, not `\(url)`")
            }
            return .service(url: url, keyFile: map.requiredText("key-file"))
        case .roster?:
            return .roster(
                file: map.requiredText("file"),
                longestAge: map.has("max-age-days") ? map.integer("max-age-days", default: 0, in: 1...3660) : nil,
                reloadSeconds: map.integer("reload", default: 30, in: 1...3600))
        }
    }

    private static let personTypes = ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"]

    /// `minimum-acr`: what is demanded by program and by scope.
    private static func assurance(_ top: inout SettingReader, providers: [ConfiguredProvider]) -> AssuranceRules {
        var map = top.map("minimum-acr")
        var rules = AssuranceRules()
        let known = Set(providers.flatMap(\.contextOrder))
        func read(_ key: String, _ isKnown: (String) -> Bool, _ what: String) -> [String: String] {
            var entries = map.map(key)
            var result: [String: String] = [:]
            for name in entries.keys {
                let context = entries.requiredText(name)
                if !isKnown(name) { entries.fail(name, "is no \(what)") }
                if !context.isEmpty, !known.contains(context) {
                    entries.fail(name, "`\(context)` stands in no provider's `acr-order`, so nobody could meet it")
                }
                result[name] = context
            }
            entries.finish()
            return result
        }
        rules.programs = read("programs", { APIProgram(rawValue: $0) != nil }, "program")
        rules.scopes = read(
            "scopes",
            {
                switch Scope(parsing: $0) {
                case .malformed, .unrecognised: false
                default: true
                }
            }, "scope")
        map.finish()
        return rules
    }
}

extension Configuration.ConfiguredSource {
    /// The source's name, for the record of the configuration.
    var word: String {
        switch self {
        case .links: "links"
        case .table: "table"
        case .search(let search): "search of \(search.type.rawValue) by \(search.system)"
        case .service(let url, _): "service \(url)"
        case .roster(let file, _, _): "roster \(file)"
        }
    }
}

extension SecondFactorEvidence {
    /// What counts as two factors, for the record of the configuration.
    var words: String {
        "acr \(contexts.sorted()), amr \(methods.sorted())" + (countsKinds ? ", two kinds" : "")
    }
}
