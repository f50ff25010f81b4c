internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// A conditional create, update, patch or delete: the look at what the condition selects, then a write that names an
/// instance or makes one (enforcer.md b.4 rows 13, 16, 18, 20).
///
/// A create is sent with its condition, narrowed, so that two of them cannot both find nothing and both make something.
/// What the protected server then says to the condition decides nothing: where it claims a match, the look is made again,
/// and only what is found there counts.
struct ConditionalErrand: Errand {
    private enum Phase {
        case looking(ConditionLook)
        case writing(any Errand)
    }

    private let rules: ExchangeRules
    private let request: CanonicalRequest
    private let asker: Asker
    private let permit: Permit
    private var draft: RecordDraft
    private var phase: Phase
    /// Whether the create under way, if it is one, carries the condition.
    private var isConditionSent = false
    /// Whether the protected server has claimed a match before.
    private var hasLookedAgain = false
    private var isChanging = false

    /// - Parameter permit: the permit of the condition's search.
    init(_ request: CanonicalRequest, _ permit: Permit, of asker: Asker, record: RecordDraft, rules: ExchangeRules) {
        self.request = request
        self.permit = permit
        self.asker = asker
        self.rules = rules
        draft = record
        draft.settle()
        phase = .looking(ConditionLook(permit, rules: rules))
    }

    var record: RecordDraft {
        switch phase {
        case .looking: draft
        case .writing(let errand): errand.record
        }
    }

    mutating func start() -> ErrandStep {
        guard case .looking(let look) = phase, let request = look.request else { return resolve([]) }
        return .look(request)
    }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch phase {
        case .looking(var look):
            let outcome = look.heard(reply)
            phase = .looking(look)
            draft.distrust(look.disobeyed)
            switch outcome {
            case .ask(let request): return .look(request)
            case .refuse(let refusal): return .conclude(.refusal(refusal))
            case .found(let matches): return resolve(matches)
            }
        case .writing(var errand):
            if isChanging, isConditionSent, reply.status == 200 || reply.status == 412 { return lookAgain() }
            return follow(errand.heard(reply), errand)
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        guard case .writing(var errand) = phase else { return .refusal(refusal) }
        let conclusion = errand.stopped(refusal, after: reply)
        phase = .writing(errand)
        return conclusion
    }

    private mutating func lookAgain() -> ErrandStep {
        draft = record
        hasLookedAgain = true
        isConditionSent = false
        isChanging = false
        phase = .looking(ConditionLook(permit, rules: rules))
        return start()
    }

    private mutating func resolve(_ matches: [ConditionMatch]) -> ErrandStep {
        switch ConditionResolution(request, matches) {
        case .refuse(let refusal): return .conclude(.refusal(refusal))
        case .existing(let match):
            let answer = match.answer()
            draft.describe(answer)
            return .conclude(.released(answer))
        case .request(let resolved):
            var setting = WriteSetting.alone
            if case .create = resolved.interaction, !hasLookedAgain { setting.condition = NarrowedCondition(permit) }
            isConditionSent = setting.condition != nil
            switch rules.judge(resolved, of: asker, page: nil, record: draft, setting: setting) {
            case .refuse(let refusal, let record):
                draft = record
                return .conclude(.refusal(refusal))
            case .begin(var errand): return follow(errand.start(), errand)
            }
        }
    }

    private mutating func follow(_ step: ErrandStep, _ errand: any Errand) -> ErrandStep {
        phase = .writing(errand)
        isChanging = if case .change = step { true } else { false }
        return step
    }
}
