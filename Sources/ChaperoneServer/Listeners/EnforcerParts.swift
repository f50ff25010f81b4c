internal import AccessPolicy
internal import Enforcement
internal import FHIRCore
internal import OAuthCore
internal import SandboxFHIR

/// What an enforcer is made of from a configuration.
enum EnforcerParts {
    /// The tokens of a configured issuer that is not us.
    static func foreignTokens(_ issuer: Configuration.TokenIssuer, bases: [String]) throws -> ForeignTokens {
        let fetch = GuardedFetch(allowsPrivateNetworks: issuer.isOnPrivateNetwork)
        let mapping = issuer.mapping(bases: bases)
        switch issuer.check {
        case .keySet(let url):
            let rules = JWSRules(
                algorithms: issuer.algorithms, types: issuer.tokenTypes,
                typeIsOptional: issuer.tokenTypes.contains("none"))
            return ForeignTokens(mapping: mapping, way: .keys(KeySetSource { try await fetch.get(url) }, rules))
        case .introspection(let url, let clientID, let secretFile, let keptSeconds):
            let secret = Secret(try Configuration.firstLine(of: secretFile))
            let source = IntrospectionSource(keptSeconds: Int64(keptSeconds)) { token in
                try await fetch.introspect(token, at: url, clientID: clientID, secret: secret)
            }
            return ForeignTokens(mapping: mapping, way: .introspection(source))
        }
    }
}

extension Configuration {
    /// The base of the protected server; the demo's own when none is named.
    var upstreamBase: String {
        fhirServer.upstream.isEmpty ? "http://\(listeners.sandbox)\(SandboxServer.basePath)" : fhirServer.upstream
    }

    /// What the enforcer must know about the protected server.
    func serverPolicy() throws -> ServerPolicy {
        var policy = ServerPolicy(publicBase: fhirBase, upstreamBase: upstreamBase, types: try typeTable())
        policy.operations = try operationTable()
        policy.allowsReverseChaining = fhirServer.allowsReverseChaining
        return policy
    }
}
