internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// Who calls an endpoint of ours with a bearer token: within the budget for proofs, because a signature costs a hundred
/// times what it costs to send one, and with a record of each who is refused (record 62).
struct BearerCallers: Sendable {
    let parts: ServerParts
    let verifications: VerificationBudget

    /// The access behind a token that was shown, or nil for one that is not good. A token of whoever has shown too many
    /// that were none is not looked at: `TooManyGuesses` is thrown.
    func access(_ token: Secret, from source: RequestSource, at now: Int64) async throws -> IssuedAccess? {
        guard verifications.take(from: source.address, at: now) else { throw TooManyGuesses(retryAfter: 1) }
        let access = try await IssuedTokens(parts: parts).bearer(token, at: now)
        if access != nil { verifications.giveBack(to: source.address) }
        return access
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

    static let notGood = OAuthError(.invalidToken, detail: "the bearer token is none of ours, over or revoked")
    static let malformed = OAuthError(.invalidToken, detail: "no usable bearer token in the Authorization header")
}
