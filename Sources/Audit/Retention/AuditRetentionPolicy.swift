internal import AccessPolicy

/// What kind of record an entry is, for how long it is kept.
public enum AuditRecordClass: String, CaseIterable, Hashable, Sendable {
    /// A request for FHIR data under a token.
    case access
    /// A request that was refused because it had no valid token, and sums of such refusals.
    case anonymous
    /// A step of authorization: login, consent, token, revocation.
    case authorization
    /// A change of clients, accounts, keys, policies or configuration, and everything about the trail itself.
    case administration

    /// The class of a statement. It does not depend on how an access ended, so opening and closing records share it.
    public init(_ statement: AuditStatement) {
        switch statement.event {
        case .access(let record): self = record.tokenID == nil ? .anonymous : .access
        case .authorization(let record):
            switch record.kind {
            case .login, .loginFailed, .logout, .accountLocked, .launch, .patientChosen, .consent, .consentDenied,
                .authorizationRefused, .code, .codeReplayed, .token, .tokenRefused, .refresh, .refreshReplayed,
                .introspect, .userInfo, .revoke:
                self = .authorization
            case .refusalsSummed: self = .anonymous
            case .clientRegistered, .clientChanged, .userChanged, .keyChanged, .policyChanged, .configurationChanged,
                .auditRead, .checkpoint, .recordsRemoved, .holdPlaced, .holdLifted, .started, .stopped:
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
        var entity: String?
        if case .access(let record) = statement.event { entity = record.reportingEntity }
        let rule = rules.first {
            ($0.recordClass == nil || $0.recordClass == recordClass)
                && ($0.reportingEntity == nil || $0.reportingEntity == entity)
        }
        return rule?.days ?? Self.defaultDays
    }

    /// The fewest days that any entry is kept: nothing younger needs to be looked at.
    var shortest: Int { min(Self.defaultDays, rules.map(\.days).min() ?? Self.defaultDays) }

    /// The policy in words.
    var text: String { (rules.map(\.text) + ["else \(Self.defaultDays) d"]).joined(separator: "; ") }
}

/// An order to keep records whatever their age: a claim, an investigation (45 CFR 164.530(j) keeps the rest).
public struct LegalHold: Hashable, Sendable {
    /// Its name.
    public let id: String
    /// Keeps what names this patient.
    public let patient: String?
    /// Keeps what names this client.
    public let client: String?
    /// Keeps what counts under this reporting entity.
    public let reportingEntity: String?
    /// Why.
    public let reason: String
    /// Who placed it.
    public let placedBy: String
    /// When, milliseconds since 1970 UTC.
    public let placedAt: Int64

    /// A hold; one that names nothing keeps everything.
    public init(
        id: String, patient: String? = nil, client: String? = nil, reportingEntity: String? = nil, reason: String,
        placedBy: String, placedAt: Int64
    ) {
        self.id = id
        self.patient = patient
        self.client = client
        self.reportingEntity = reportingEntity
        self.reason = reason
        self.placedBy = placedBy
        self.placedAt = placedAt
    }

    /// Whether an entry must be kept.
    func keeps(_ statement: AuditStatement) -> Bool {
        let index = AuditIndex(statement)
        var entity: String?
        if case .access(let record) = statement.event { entity = record.reportingEntity }
        return (patient.map { index.patients.contains($0) } ?? true)
            && (client.map { $0 == index.clientID?.text } ?? true)
            && (reportingEntity.map { $0 == entity } ?? true)
    }
}
