internal import AccessPolicy
public import Audit
internal import FHIRCore

/// A decision for a gateway that is not ours, as it was recorded: what the gateway is told, and nothing of any data.
///
/// It cannot be copied, and making one costs the receipt of its record (decision 6: "decision given", not "access").
public struct GivenDecision: ~Copyable, Sendable {
    /// 200 when the gateway may forward what the fields name; 401 and 403 are what such gateways understand as refusals.
    public let status: Int
    /// The header fields for the gateway.
    public let fields: [(name: String, value: String)]

    /// Nil when the receipt is for another decision.
    init?(_ verdict: GatewayVerdict, receipt: consuming ClosingReceipt) {
        guard receipt.decisionID == verdict.record.decisionID else { return nil }
        status = verdict.status
        fields = verdict.fields + [("x-request-id", verdict.record.decisionID.text)]
    }
}

/// What was decided for a foreign gateway, before it is recorded.
public struct GatewayVerdict: Sendable {
    /// The record, which says that a decision was given.
    public let record: AccessRecord
    let status: Int
    let fields: [(name: String, value: String)]

    /// The answer to the gateway; nil when the receipt is not the one of this verdict's record.
    public func given(_ receipt: consuming ClosingReceipt) -> GivenDecision? { GivenDecision(self, receipt: receipt) }
}

extension Enforcer {
    /// Decides a request that another gateway will forward. The same decision as for our own, and then only what can be
    /// had without seeing the answer, under what is known of the protected server now.
    ///
    /// Nil for one refusal too many without a valid token: it is told to the gateway and not recorded one by one.
    public func decide(forGateway request: ClientRequest) -> GatewayVerdict? {
        let incoming = receive(request)
        let draft = RecordDraft(incoming, rulesNow.policy)
        switch incoming.standing {
        case .summed: return nil
        case .refused(let refusal, _): return .refused(refusal, draft)
        case .verified(let access, let userPanel, let systemPanel):
            let asker = Asker(
                access: access, userPanel: userPanel, systemPanel: systemPanel, received: incoming.request,
                now: incoming.now)
            do throws(RequestRefusal) {
                return judge(try CanonicalRequest(incoming.request), of: asker, draft)
            } catch {
                return .refused(GatewayRefusal(error), draft)
            }
        }
    }

    private func judge(_ request: CanonicalRequest, of asker: Asker, _ draft: RecordDraft) -> GatewayVerdict {
        var draft = draft
        draft.describe(request)
        let policy = rulesNow.policy
        let question = asker.question(request, policy)
        switch AccessPolicy.decide(question) {
        case .deny(let denial): return .refused(GatewayRefusal(denial, realm: policy.publicBase), draft)
        case .permit(let permit):
            draft.describe(permit)
            switch UnseenAnswer(permit, of: question) {
            case .harmless: return .permitted(permit, draft)
            case .mustBeSeen(let reason):
                let refusal = GatewayRefusal(Denial(.operationNotSupported)).recorded(as: .refused(reason: reason))
                return .refused(refusal, draft)
            }
        }
    }
}

extension GatewayVerdict {
    fileprivate static func permitted(_ permit: Permit, _ draft: RecordDraft) -> GatewayVerdict {
        let query = permit.upstreamQuery?.encoded ?? ""
        return GatewayVerdict(
            record: draft.decided(.decisionGiven, status: 200), status: 200,
            fields: [
                ("x-chaperone-path", permit.upstreamInteraction.upstreamPath),
                ("x-chaperone-query", query.isEmpty ? "" : "?" + query),
            ])
    }

    /// 401 keeps its challenge. Everything else is 403, for gateways know nothing else; what the client of our own
    /// gateway would have got stands beside it.
    fileprivate static func refused(_ refusal: GatewayRefusal, _ draft: RecordDraft) -> GatewayVerdict {
        let status = refusal.status == 401 ? 401 : 403
        var fields: [(name: String, value: String)] = [("x-chaperone-status", String(refusal.status))]
        if let challenge = refusal.challenge { fields.append(("www-authenticate", challenge)) }
        return GatewayVerdict(
            record: draft.decided(refusal.outcome, status: refusal.status), status: status, fields: fields)
    }
}
