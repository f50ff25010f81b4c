/// A redirect URI that was matched against its client's registration: the only place to which an answer may be sent.
public struct ValidatedRedirect: Hashable, Sendable {
    /// The URI as the client sent it.
    public let uri: String

    // INVARIANT: only the matcher below makes one from a request.
    init(uri: String) { self.uri = uri }

    /// Matches what a request asks for with what the client registered: the same bytes, or for a native client the
    /// same loopback address with another port (RFC 8252 §7.3). Nil when nothing matches.
    public init?(requested: String, registered: [RedirectURI], clientIsNative: Bool) {
        let isExact = registered.contains { $0.text.utf8.elementsEqual(requested.utf8) }
        let isLoopback =
            clientIsNative && registered.contains { Self.isSameLoopback(requested: requested, registered: $0) }
        guard isExact || isLoopback else { return nil }
        self.init(uri: requested)
    }

    private static func isSameLoopback(requested: String, registered: RedirectURI) -> Bool {
        // Only IP literals: `localhost` may resolve elsewhere.
        guard case .loopback(let prefix, let rest) = registered.target, requested.utf8.count <= RedirectURI.maxBytes,
            requested.utf8.starts(with: prefix.utf8), requested.utf8.allSatisfy(RedirectURI.isURICharacter)
        else { return false }
        let authority = requested.dropFirst("http://".count).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let parts = HostAndPort(authority), "http://\(parts.host)" == prefix else { return false }
        let requestedRest = requested.dropFirst("http://".count + authority.count)
        return requestedRest.utf8.elementsEqual(rest.utf8)
    }

    /// The address of an answer: the URI with parameters added to its query, each escaped (RFC 6749 §4.1.2).
    public func location(adding parameters: [(name: String, value: String)]) -> String {
        let query = parameters.map { "\(FormParameters.encode($0.name))=\(FormParameters.encode($0.value))" }
            .joined(separator: "&")
        guard let mark = uri.firstIndex(of: "?") else { return "\(uri)?\(query)" }
        let hasQuery = uri.index(after: mark) != uri.endIndex
        return hasQuery ? "\(uri)&\(query)" : "\(uri)\(query)"
    }
}

/// How an authorization request fails: the type says where the failure may be told.
public enum AuthorizationFailure: Error, Hashable, Sendable {
    /// Before the redirect is trusted: a page of ours, never a redirect.
    case shownToUser(OAuthError)
    /// After: a redirect to the client, with the `state` it sent when that was usable.
    case sentToClient(OAuthError, ValidatedRedirect, state: String?)

    /// What is wrong.
    public var error: OAuthError {
        switch self {
        case .shownToUser(let error): error
        case .sentToClient(let error, _, _): error
        }
    }

    /// The address that tells the client, or nil when only the user may be told. `issuer` is the `iss` parameter
    /// (RFC 9207).
    public func location(issuer: String) -> String? {
        guard case .sentToClient(let error, let redirect, let state) = self else { return nil }
        var parameters = [("error", error.code.rawValue), ("error_description", error.summary)]
        if let state { parameters.append(("state", state)) }
        parameters.append(("iss", issuer))
        return redirect.location(adding: parameters.map { (name: $0.0, value: $0.1) })
    }
}
