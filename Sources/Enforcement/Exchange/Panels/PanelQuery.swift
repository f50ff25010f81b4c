internal import AccessPolicy
public import FHIRCore
internal import Synchronization

/// How a user's patients are found at the protected server: resources that name the user in one search parameter, and
/// whose patients those are.
///
/// It is the site's rule and not the client's question: nothing of a request is in it but who the user is.
public struct PanelQuery: Sendable {
    /// For users of one type, what is searched, and by which parameter the user stands in it.
    public struct Rule: Sendable, Hashable {
        /// What is searched: patients themselves, or what belongs to them.
        public let type: ResourceType
        /// The parameter that names the user; nil when the user's own resource says whose it is.
        public let parameter: SearchParameter?

        /// A rule such as `Patient` by `general-practitioner`; nil for a parameter that is no reference of the type, or a
        /// type that has no patient.
        public init?(_ type: ResourceType, by code: String) {
            guard type == .patient || R4.patientMembership(type) != nil,
                let parameter = R4.searchParameter(code, for: type), parameter.kind == .reference,
                parameter.expression != nil
            else { return nil }
            self.type = type
            self.parameter = parameter
        }

        private init(ownResource type: ResourceType) {
            self.type = type
            parameter = nil
        }

        /// A related person's own resource names the patient (FHIR R4 RelatedPerson.patient).
        public static let relatedPerson = Rule(ownResource: .relatedPerson)
    }

    private let rules: [ResourceType: Rule]
    private let cache: PanelCache

    /// - Parameters:
    ///   - rules: by the type of the user.
    ///   - secondsKept: how long an answer is believed.
    public init(rules: [ResourceType: Rule], secondsKept: Int64 = 60) {
        self.rules = rules
        cache = PanelCache(secondsKept: secondsKept)
    }

    /// The types whose resources decide whose records a user may see, with the parameters that are searched by.
    public var decidingTypes: [ResourceType: [SearchParameter]] {
        Dictionary(grouping: rules.values, by: \.type).mapValues { Array(Set($0.compactMap(\.parameter))) }
    }

    /// What is known about a user at a moment, or what is to be asked; nil when no rule is about such users.
    func standing(of user: InstanceKey, now: Int64) -> Standing? {
        guard let rule = rules[user.type] else { return nil }
        if let panel = cache.panel(of: user, now: now) { return .known(panel) }
        return .unknown(PanelQuestion(user: user, rule: rule, cache: cache))
    }

    enum Standing {
        case known(PatientPanel)
        case unknown(PanelQuestion)
    }
}

/// One user's panel, still to be asked for.
struct PanelQuestion: Sendable {
    let user: InstanceKey
    let rule: PanelQuery.Rule
    private let cache: PanelCache

    init(user: InstanceKey, rule: PanelQuery.Rule, cache: PanelCache) {
        self.user = user
        self.rule = rule
        self.cache = cache
    }

    /// Keeps the answer for others who ask soon.
    func remember(_ panel: PatientPanel, now: Int64) { cache.keep(panel, of: user, now: now) }

    var upstreamRequest: UpstreamRequest {
        UpstreamRequest(
            panelOf: rule.type, by: rule.parameter?.code ?? "_id",
            value: rule.parameter == nil ? user.id.text : user.description)
    }
}

/// Panels that were asked for, for a short while. A class because all exchanges share it; the lock is `entries`.
final class PanelCache: Sendable {
    private struct Entry {
        let panel: PatientPanel
        let until: Int64
    }

    private let entries = Mutex<[InstanceKey: Entry]>([:])
    private let secondsKept: Int64

    /// No more users than this are remembered; one more makes room by forgetting all that have ended, or everybody.
    private static let maxEntries = 10_000

    init(secondsKept: Int64) { self.secondsKept = secondsKept }

    func panel(of user: InstanceKey, now: Int64) -> PatientPanel? {
        entries.withLock { entries in
            guard let entry = entries[user], now < entry.until else { return nil }
            return entry.panel
        }
    }

    func keep(_ panel: PatientPanel, of user: InstanceKey, now: Int64) {
        entries.withLock { entries in
            if entries.count >= Self.maxEntries { entries = entries.filter { now < $0.value.until } }
            if entries.count >= Self.maxEntries { entries = [:] }
            entries[user] = Entry(panel: panel, until: now + secondsKept)
        }
    }
}
