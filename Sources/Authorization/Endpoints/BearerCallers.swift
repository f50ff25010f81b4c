internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// Who calls an endpoint of ours with an access token: within the budget for proofs, because a signature costs a hundred
/// times what it costs to send one, and with a record of each who is refused (record 62).
struct BearerCallers: Sendable {
    let parts: ServerParts
    let verifications: VerificationBudget

    /// What a token is worth that was shown.
    enum Showing {
        case good(IssuedAccess)
        case refused(OAuthError)
    }

    /// The access behind a token that was shown at an address of ours, with what it is bound to: the proof of its key
    /// (RFC 9449 §7) or the certificate of the connection (RFC 8705 §3). A token of whoever has shown too many that were
    /// none is not looked at: `TooManyGuesses` is thrown.
    func access(
        _ presented: PresentedAccessToken, _ proofs: ProofHeaders, at address: String, from source: RequestSource,
        at now: Int64
    ) async throws -> Showing {
        let token: Secret
        switch presented {
        case .none, .malformed: return .refused(Self.malformed)
        case .bearer(let shown), .dpop(let shown): token = shown
        }
        guard verifications.take(from: source.address, at: now) else { throw TooManyGuesses(retryAfter: 1) }
        guard let access = try await IssuedTokens(parts: parts).access(token, at: now) else {
            return .refused(Self.notGood)
        }
        switch (presented, access.claims.confirmation) {
        case (.bearer, nil): break
        case (.bearer, .certificate(let thumbprint)?):
            guard source.certificate?.thumbprint == thumbprint else { return .refused(Self.notGood) }
        case (.dpop, .proofKey(let thumbprint)?):
            let request = DPoPProof.Request(method: proofs.method, address: address, token: token)
            do {
                guard try await parts.proofKey(proofs.values, for: request) == thumbprint else {
                    return .refused(
                        OAuthError(.invalidDPoPProof, detail: "no proof of the key to which the token is bound"))
                }
            } catch let error as OAuthError { return .refused(error) }
        // What is bound is good with its proof only, and a proof makes nothing better that is bound to none (T-30).
        case (.none, _), (.malformed, _), (.bearer, _), (.dpop, _): return .refused(Self.notGood)
        }
        verifications.giveBack(to: source.address)
        return .good(access)
    }

    /// How a refusal is told.
    enum Refusal {
        /// As it is: its record is made.
        case told
        /// As too much: it is in a sum.
        case tooMany
    }

    /// Makes the record of a refusal, or counts it.
    func refuse(
        _ kind: AuthorizationRecord.Kind, _ error: OAuthError, by caller: IssuedAccess? = nil, _ maker: RecordMaker
    ) async throws -> Refusal {
        guard
            let record = parts.refusal(
                kind, error.code.rawValue, client: caller?.grant.clientID, subject: caller?.grant.subject,
                detail: error.detail, maker)
        else { return .tooMany }
        try await parts.audit.note(record)
        return .told
    }

    /// Counts a refusal of whoever has shown too many tokens that were none.
    func count(_ maker: RecordMaker) {
        parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
    }

    static let notGood = OAuthError(
        .invalidToken, detail: "the token is none of ours, over, revoked, or bound to something else")
    static let malformed = OAuthError(.invalidToken, detail: "no usable access token in the Authorization header")
}
