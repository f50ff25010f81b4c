/// A login as its identity provider vouches for it: what a source of members is asked about.
public struct ExternalIdentity: Hashable, Sendable {
    /// The provider's name in the configuration.
    public let provider: String
    public let issuer: String
    /// The provider's `sub`.
    public let subject: String
    /// The value of the claim that names the member at the site, from the latest sign-in; the `sub` itself where no other
    /// claim is configured.
    public let identifier: String

    public init(provider: String, issuer: String, subject: String, identifier: String) {
        self.provider = provider
        self.issuer = issuer
        self.subject = subject
        self.identifier = identifier
    }
}

/// Where it stands who the logins of a provider are.
public enum MemberSource: Sendable {
    /// In links that an administrator makes, one by one.
    case links
    /// In something of the site's that is asked at each sign-in and each refresh. Throws when it cannot answer; the
    /// caller then refuses.
    case asked(@Sendable (ExternalIdentity) async throws -> MemberDirectoryAnswer)

    /// A table from values of the claim to FHIR identities; compared byte by byte.
    public static func table(_ table: [String: MemberFacts]) -> MemberSource {
        let byBytes = Dictionary(uniqueKeysWithValues: table.map { (Array($0.key.utf8), $0.value) })
        return .asked { identity in byBytes[Array(identity.identifier.utf8)].map { .known($0) } ?? .unknown }
    }
}

/// What is known about the members of one provider.
public struct MemberSourceRules: Sendable {
    public let source: MemberSource
    /// The issuer of the provider: of the logins of another one, which bore the provider's name before, nothing is known.
    public let issuer: String
    public let rules: MemberRules

    public init(source: MemberSource, issuer: String, rules: MemberRules = MemberRules()) {
        self.source = source
        self.issuer = issuer
        self.rules = rules
    }
}
