internal import AccessPolicy
internal import Audit
internal import OAuthCore

extension GatewayRefusal {
    /// A denial of policy. Its face is policy's own; the realm joins the challenge where there is one.
    init(_ denial: Denial, realm: String? = nil) {
        // RFC 6750 §3.1 and decision 5: what depends on the token alone is answered helpfully.
        var challenge: String?
        if let realm, denial.challenge != nil {
            challenge =
                BearerChallenge(
                    realm: realm, error: OAuthError(.insufficientScope), scopes: denial.sufficientScopes
                ).headerValue
        }
        self.init(
            status: denial.status, body: denial.operationOutcome(), challenge: challenge,
            retryAfter: denial.status == 503 ? 5 : nil,
            outcome: denial.status >= 500
                ? .failed(reason: denial.reason.rawValue) : .refused(reason: denial.reason.rawValue))
    }
}
