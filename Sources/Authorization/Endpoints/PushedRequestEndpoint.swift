internal import AccessPolicy
internal import Audit
internal import FHIRCore
public import OAuthCore

/// What a client gets for a request that it pushed.
public enum PushedRequestAnswer: Sendable {
    /// 201: the JSON with `request_uri` and `expires_in`.
    case kept([UInt8])
    case refused(OAuthError)
    case tooManyRequests(retryAfter: Int64)
}

/// Where clients leave an authorization request before the browser comes (RFC 9126).
public struct PushedRequestEndpoint: Sendable {
    static let prefix = "urn:ietf:params:oauth:request_uri:"
    let parts: ServerParts
    let authenticator: ClientAuthenticator
    let authorization: AuthorizationEndpoint

    /// The nonce for the next proof, to be sent with every answer (RFC 9449 §8.2); nil where none is demanded.
    public var nextProofNonce: String? { parts.nextProofNonce }

    /// Checks a request as the authorization endpoint would, and keeps it. A proof of a key that comes with it binds the
    /// code to the key, as `dpop_jkt` does (RFC 9449 §10.1).
    ///
    /// `proofs` are the values of every `DPoP` header.
    public func answer(
        _ form: FormParameters, authorization header: String?, proofs: [String] = [], from source: RequestSource
    ) async -> PushedRequestAnswer {
        let maker = parts.records(for: source)
        do {
            let client = try await authenticator.authenticate(form, authorization: header, from: source)
            let now = parts.clock.now()
            // Each is a row, as a launch that is begun is one; and its check costs as much.
            guard parts.budget.mayBegin(from: source.address, at: now) else {
                parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
                return .tooManyRequests(retryAfter: 1)
            }
            let proofKey = try await parts.proofKey(proofs, postedTo: parts.configuration.pushedRequestEndpoint)
            let handle = try await authorization.keep(form, from: client, boundTo: proofKey, at: now)
            let body: JSONValue = [
                "request_uri": .string(Self.prefix + handle.reveal()),
                "expires_in": .int(parts.configuration.pushedRequestLifetime),
            ]
            return .kept(body.serialized)
        } catch let guesses as TooManyGuesses {
            parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
            return .tooManyRequests(retryAfter: guesses.retryAfter)
        } catch let error as OAuthError {
            guard
                let record = parts.refusal(.authorizationRefused, error.code.rawValue, detail: error.detail, maker)
            else { return .tooManyRequests(retryAfter: 1) }
            do { try await parts.audit.note(record) } catch {
                return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
            }
            return .refused(error)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }
}
