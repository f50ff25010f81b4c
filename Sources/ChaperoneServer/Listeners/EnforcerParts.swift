internal import AccessPolicy
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import OAuthCore
internal import SandboxFHIR

/// What an enforcer is made of from a configuration.
enum EnforcerParts {
    /// The tokens of a configured issuer that is not us.
    static func foreignTokens(
        _ issuer: Configuration.TokenIssuer, bases: [String], egress: Configuration.Egress
    ) throws -> ForeignTokens {
        let fetch = egress.fetch(alsoPrivate: issuer.isOnPrivateNetwork ? issuer.address : nil)
        let mapping = issuer.mapping(bases: bases)
        switch issuer.check {
        case .keySet(let url):
            let rules = JWSRules(
                algorithms: issuer.algorithms, types: issuer.tokenTypes,
                typeIsOptional: issuer.tokenTypes.contains("none"))
            return ForeignTokens(
                mapping: mapping, way: .keys(KeySetSource { try await keys(at: url, by: fetch) }, rules))
        case .introspection(let url, let clientID, let secretFile, let keptSeconds):
            let secret = Secret(try Configuration.firstLine(of: secretFile))
            let source = IntrospectionSource(keptSeconds: Int64(keptSeconds)) { token in
                try await introspect(token, at: url, clientID: clientID, secret: secret, by: fetch)
            }
            return ForeignTokens(mapping: mapping, way: .introspection(source))
        }
    }

    /// The key set that is published at a configured address.
    static func keys(at url: String, by fetch: some OutboundFetching) async throws -> [UInt8] {
        try await fetch.document(at: url, trust: .configured, longestAnswer: JWKSet.maxBytes).body
    }

    /// Asks an introspection endpoint about a token (RFC 7662 §2.1), as a client with a secret (RFC 6749 §2.3.1).
    private static func introspect(
        _ token: String, at url: String, clientID: String, secret: Secret, by fetch: some OutboundFetching
    ) async throws -> JSONValue {
        let credentials = FormParameters.encode(clientID) + ":" + FormParameters.encode(secret.reveal())
        let answer = try await fetch.send(
            OutboundRequest(
                url, trust: .configured,
                method: .postForm("token=\(FormParameters.encode(token))&token_type_hint=access_token"),
                headers: [.init("authorization", "Basic " + Base64.encode(Array(credentials.utf8)))],
                milliseconds: 5000))
        guard answer.status == 200 else { throw OutboundFailure.status(answer.status) }
        return try JSONValue(parsing: answer.body)
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
