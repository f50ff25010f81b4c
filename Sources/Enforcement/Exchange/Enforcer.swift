public import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Everything that stands behind one public FHIR base: whose tokens count, what the rules are, who sees whom.
///
/// It gathers the facts with which an exchange begins; the exchange decides. A class so that every connection shares
/// one; nothing in it changes but what stands behind the locks of token cache and budget.
public final class Enforcer: Sendable {
    /// Sizes and rates.
    public struct Limits: Sendable, Hashable {
        /// Largest answer of the protected server that is judged whole (decision 11).
        public var answerBytes = 8 << 20
        /// Refusals without a valid token that are recorded one by one, per second and in a burst.
        public var anonymousRecordsPerSecond = 50.0
        /// How many of them may come at once.
        public var anonymousRecordsBurst = 200.0

        /// The house's defaults.
        public init() {}
    }

    private let policy: ServerPolicy
    private let verifier: AccessTokenVerifier
    private let panels: PanelSource
    private let rules: ExchangeRules
    private let random: RandomSource
    private let anonymous: AnonymousBudget

    /// An enforcer of these rules; the site's server and audit recorder join it in `GatewaySite`.
    public init(
        policy: ServerPolicy, verifier: AccessTokenVerifier, panels: PanelSource, pageLinks: PageLinks,
        crossOrigin: CrossOriginPolicy = .everyOrigin, random: RandomSource = .system, limits: Limits = Limits()
    ) {
        self.policy = policy
        self.verifier = verifier
        self.panels = panels
        rules = ExchangeRules(
            policy: policy, pageLinks: pageLinks, answerBytes: limits.answerBytes, crossOrigin: crossOrigin)
        self.random = random
        anonymous = AnonymousBudget(
            perSecond: limits.anonymousRecordsPerSecond, burst: limits.anonymousRecordsBurst)
    }

    /// A new exchange under this base's rules.
    public func makeExchange() -> GatewayExchange { GatewayExchange(rules: rules) }

    /// The facts about a request at this moment: the first event of its exchange.
    public func receive(_ request: ClientRequest, refusal: FramingRefusal? = nil) -> IncomingRequest {
        let now = request.receivedAt / 1000
        var standing = refusal.map { .refused(GatewayRefusal($0), nil) } ?? standing(of: request, now: now)
        var unrecorded = 0
        if case .refused(_, nil) = standing {
            switch anonymous.take(at: request.receivedAt) {
            case .recorded(let before): unrecorded = before
            case .throttled: standing = .throttled
            }
        }
        return IncomingRequest(
            request: request.fhirRequest, standing: standing,
            decisionID: DecisionID(random.identifier(at: request.receivedAt)), now: now, startedAt: request.receivedAt,
            sourceAddress: request.sourceAddress, unrecordedRefusals: unrecorded)
    }

    /// Whether the token of a request still counts at a moment in milliseconds.
    public func standing(of incoming: IncomingRequest, at now: Int64) -> AccessStanding {
        guard let access = incoming.access, let refusal = verifier.ending(of: access, now: now / 1000) else {
            return AccessStanding()
        }
        return AccessStanding(end: GatewayRefusal(refusal, realm: policy.publicBase))
    }

    private func standing(of request: ClientRequest, now: Int64) -> IncomingRequest.Standing {
        let credential = BearerCredential(
            authorization: request.values(of: "authorization"), query: request.query,
            form: request.isForm ? request.body : nil)
        switch verifier.verify(credential, now: now) {
        case .failure(let refusal):
            return .refused(GatewayRefusal(refusal, realm: policy.publicBase), nil)
        case .success(let access):
            do {
                return .verified(
                    access, userPanel: try panels.userPanel(for: access),
                    systemPanel: try panels.systemPanel(for: access))
            } catch {
                return .refused(.panelUnavailable, access)
            }
        }
    }
}
