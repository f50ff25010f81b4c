internal import AccessPolicy
internal import Audit
internal import OAuthCore

extension InteractionEndpoint {
    /// The answer to a failure, recorded.
    func answer(
        _ failure: AuthorizationFailure, for client: ClientRegistration, in uiLocales: [String], _ maker: RecordMaker
    ) async throws -> InteractionAnswer {
        InteractionAnswer(try await outcome(failure, for: client, in: uiLocales, maker))
    }

    /// Tells a failure to whom it may be told. An app that nobody vouches for gets no silent redirect: the person sees
    /// where the link leads (RFC 9700 §4.11.2; ).
    func outcome(
        _ failure: AuthorizationFailure, for client: ClientRegistration, in uiLocales: [String], _ maker: RecordMaker
    ) async throws -> InteractionOutcome {
        if failure.error.code == .accessDenied {
            try await parts.audit.note(
                maker.record(
                    .consentDenied, client: client.id, outcome: .refused(reason: failure.error.code.rawValue),
                    detail: failure.error.detail))
        } else {
            try await note(failure.error, client: client.id, maker)
        }
        return told(failure, to: client, in: uiLocales)
    }

    /// The answer to a failure whose record is made. An app that nobody vouches for gets no silent redirect.
    func told(
        _ failure: AuthorizationFailure, to client: ClientRegistration, in uiLocales: [String]
    ) -> InteractionOutcome {
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
                        clientName: client.name, redirectHost: redirect.host, location: answer.location,
                        uiLocales: uiLocales)))
        }
    }

    /// Records a refused request, if the budget lets it; otherwise throws that it is too much, for no refusal is told
    /// that is neither recorded nor counted.
    private func note(_ error: OAuthError, client: ClientID?, _ maker: RecordMaker) async throws {
        guard
            let record = parts.refusal(
                .authorizationRefused, error.code.rawValue, client: client, detail: error.detail, maker)
        else { throw Self.tooMany }
        try await parts.audit.note(record)
    }

    static let tooMany = OAuthError(.temporarilyUnavailable, "too many requests; please try again in a while")

    /// A failure that is for the person's eyes only, recorded.
    func refuse(_ error: OAuthError, client: ClientID?, _ maker: RecordMaker) async -> InteractionAnswer {
        guard error != Self.tooMany else { return InteractionAnswer(.shownToUser(error)) }
        do {
            try await note(error, client: client, maker)
            return InteractionAnswer(.shownToUser(error))
        } catch let error as OAuthError {
            return InteractionAnswer(.shownToUser(error))
        } catch {
            // Not even a refusal leaves without its record.
            return InteractionAnswer(.unavailable(cause: "\(error)"))
        }
    }
}

extension ServerParts {
    /// The record of a refusal of somebody who has proved nothing; nil when it is in a sum instead. It tells how many
    /// before it have no record of their own.
    func refusal(
        _ kind: AuthorizationRecord.Kind, _ reason: String, client: ClientID? = nil, subject: SubjectID? = nil,
        grant: Grant? = nil, detail: String? = nil, _ maker: RecordMaker
    ) -> AuthorizationRecord? {
        guard
            case .recorded(let unrecorded) = budget.refusals.enter(
                "\(kind.rawValue):\(reason)", from: maker.source.address, at: clock.milliseconds())
        else { return nil }
        return maker.record(
            kind, client: client, subject: subject, grant: grant, outcome: .refused(reason: reason), detail: detail
        ).telling(unrecorded: unrecorded)
    }
}

extension AuthorizationRecord {
    /// The record of a refusal before which so many had none of their own.
    func telling(unrecorded: Int) -> AuthorizationRecord {
        guard unrecorded > 0 else { return self }
        var record = self
        let count = "\(unrecorded) refusals before this one were not recorded one by one"
        record.detail = [detail, count].compactMap { $0 }.joined(separator: "; ")
        return record
    }
}
