internal import AccessPolicy
internal import Audit
internal import OAuthCore

extension InteractionEndpoint {
    /// The answer to a failure, recorded.
    func answer(
        _ failure: AuthorizationFailure, for client: ClientRegistration, _ maker: RecordMaker
    ) async throws -> InteractionAnswer {
        InteractionAnswer(try await outcome(failure, for: client, maker))
    }

    /// Tells a failure to whom it may be told. An app that nobody vouches for gets no silent redirect: the person sees
    /// where the link leads (RFC 9700 §4.11.2; ).
    func outcome(
        _ failure: AuthorizationFailure, for client: ClientRegistration, _ maker: RecordMaker
    ) async throws -> InteractionOutcome {
        if failure.error.code == .accessDenied {
            try await parts.audit.note(
                maker.record(
                    .consentDenied, client: client.id, outcome: .refused(reason: failure.error.code.rawValue),
                    detail: failure.error.detail))
        } else {
            try await note(failure.error, client: client.id, maker)
        }
        switch failure {
        case .shownToUser(let error): return .shownToUser(error)
        case .sentToClient(let error, let redirect, _):
            guard let answer = ClientRedirect(failure, issuer: parts.configuration.issuer) else {
                return .shownToUser(error)
            }
            guard !client.isTrusted else { return .redirect(answer) }
            return .page(
                .leaving(
                    LeavingPage(
                        clientName: client.name, redirectHost: redirect.host, location: answer.location)))
        }
    }

    /// Records a refused request. Anybody can send such requests without end, so from one source only as many are
    /// recorded as the throttle lets through.
    private func note(_ error: OAuthError, client: ClientID?, _ maker: RecordMaker) async throws {
        let key = ThrottleKey.refusalSource(maker.source.address)
        let verdict = try await parts.stores.throttle.admit(
            [key: parts.configuration.guessThrottle], at: parts.clock.now())
        guard verdict == .admitted else { return }
        try await parts.audit.note(
            maker.record(
                .authorizationRefused, client: client, outcome: .refused(reason: error.code.rawValue),
                detail: error.detail))
    }

    /// A failure that is for the person's eyes only, recorded.
    func refuse(_ error: OAuthError, client: ClientID?, _ maker: RecordMaker) async -> InteractionAnswer {
        do {
            try await note(error, client: client, maker)
            return InteractionAnswer(.shownToUser(error))
        } catch {
            // Not even a refusal leaves without its record.
            return InteractionAnswer(.unavailable)
        }
    }
}
