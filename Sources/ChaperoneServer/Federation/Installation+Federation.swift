internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension Configuration {
    /// The providers with their secrets, for the authorization server.
    func federation(sources: [String: MemberSourceRules], fetch: any OutboundFetching) throws -> Federation {
        Federation(
            providers: try signIn.providers.map(identityProvider), sources: sources, assurance: signIn.assurance,
            panels: practitionerPanels, fetch: fetch)
    }

    private func identityProvider(_ settings: ConfiguredProvider) throws -> IdentityProvider {
        IdentityProvider(
            id: settings.id, name: settings.name, issuer: settings.issuer, clientID: settings.clientID,
            authentication: try authentication(settings), algorithms: settings.algorithms, scope: settings.scope,
            claim: settings.claim, contexts: settings.contexts, contextOrder: settings.contextOrder,
            secondFactor: settings.secondFactor, documentHosts: Set(settings.documentHosts),
            maxAge: settings.maxAge.map { Int64($0) }, allowsPlain: issuer.isLoopback)
    }

    private func authentication(_ settings: ConfiguredProvider) throws -> ProviderAuthentication {
        switch settings.authentication {
        case .secretBasic: return .secretBasic(Secret(try Self.firstLine(of: settings.secretFile ?? "")))
        case .secretPost: return .secretPost(Secret(try Self.firstLine(of: settings.secretFile ?? "")))
        case .privateKey:
            let file = settings.keyFile ?? ""
            try PrivateFile.demandPrivate(file)
            return .privateKey(
                try PrivateJWK(parsing: try JSONValue(parsing: Array(try Self.content(of: file).utf8))))
        }
    }
}

extension Configuration {
    /// The addresses to which clients may have a browser sent after a sign-out.
    var logoutAddresses: [ClientID: [String]] {
        Dictionary(
            clients.map { (ClientID($0.id), $0.postLogoutRedirectURIs) }, uniquingKeysWith: { first, _ in first })
    }
}
