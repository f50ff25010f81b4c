internal import AccessPolicy

/// What kind of record an entry is, for how long it is kept.
public enum AuditRecordClass: String, CaseIterable, Hashable, Sendable {
    /// A request for FHIR data under a token.
    case access
    /// A request that names neither token nor client nor grant, so one that was refused because it proved nothing, and
    /// sums of such refusals. What is done for a client without a token, such as deleting its export, is an access.
    case anonymous
    /// A step of authorization: login, consent, token, revocation.
    case authorization
    /// A change of clients, accounts, keys, policies or configuration, and everything about the trail itself.
    case administration

    /// The class of a statement. It does not depend on how an access ended, so opening and closing records share it.
    public init(_ statement: AuditStatement) {
        switch statement.event {
        case .access(let record):
            let isAnonymous = record.tokenID == nil && record.clientID == nil && record.grantID == nil
            self = isAnonymous ? .anonymous : .access
        case .authorization(let record):
            switch record.kind {
            case .login, .loginFailed, .logout, .accountLocked, .launch, .patientChosen, .consent, .consentDenied,
                .authorizationRefused, .codeReplayed, .token, .tokenRefused, .refresh, .refreshReplayed,
                .introspect, .userInfo, .revoke:
                self = .authorization
            case .refusalsSummed: self = .anonymous
            case .clientRegistered, .clientChanged, .userChanged, .keyChanged, .policyChanged, .configurationChanged,
                .auditRead, .checkpoint, .recordsRemoved, .holdPlaced, .holdLifted, .feedRefused, .recordingResumed,
                .started, .stopped:
                self = .administration
            }
        }
    }
}

/// For how long records are kept: the first rule that fits, else ten years (decision 34).
public struct AuditRetentionPolicy: Hashable, Sendable {
    /// One rule; what is nil fits everything.
    public struct Rule: Hashable, Sendable {
        /// The class.
        public var recordClass: AuditRecordClass?
        /// The reporting entity.
        public var reportingEntity: String?
        /// Days.
        public var days: Int

        /// A rule.
        public init(recordClass: AuditRecordClass? = nil, reportingEntity: String? = nil, days: Int) {
            self.recordClass = recordClass
            self.reportingEntity = reportingEntity
            self.days = days
        }

        /// The rule in words, for the removal's record.
        var text: String {
            let what = recordClass.map { $0.rawValue } ?? "all"
            return what + (reportingEntity.map { " of \($0)" } ?? "") + " \(days) d"
        }
    }

    /// Ten years, with the leap days of any ten.
    public static let defaultDays = 3653

    /// In their order.
    public let rules: [Rule]

    /// A policy.
    public init(rules: [Rule] = []) { self.rules = rules }

    /// How many days an entry is kept.
    func days(_ statement: AuditStatement) -> Int {
        let recordClass = AuditRecordClass(statement)
        let entity = statement.reportingEntity
        let rule = rules.first {
            ($0.recordClass == nil || $0.recordClass == recordClass)
                && ($0.reportingEntity == nil || $0.reportingEntity == entity)
        }
        return rule?.days ?? Self.defaultDays
    }

    /// The fewest days that any entry is kept: nothing younger needs to be looked at.
    var shortest: Int { min(Self.defaultDays, rules.map(\.days).min() ?? Self.defaultDays) }

    /// The different numbers of days that there are, the longest first.
    var spans: [Int] { Set(rules.map(\.days) + [Self.defaultDays]).sorted(by: >) }

    /// The policy in words.
    var text: String { (rules.map(\.text) + ["else \(Self.defaultDays) d"]).joined(separator: "; ") }
}
