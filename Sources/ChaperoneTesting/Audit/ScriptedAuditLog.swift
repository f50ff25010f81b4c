internal import AccessPolicy
public import Audit

/// Invents an audit log: accesses and steps of few people and apps, so that conditions meet; opened, closed and cut ones;
/// a clock that now and then stands still or goes back. The chain holds.
public struct ScriptedAuditLog: Sendable {
    /// What records draw from, and filters ask for.
    public static let patients = ["patient-a", "patient-b", "patient-c"]
    public static let clients = ["app", "other", "operator"]
    public static let grants = ["g-1", "g-2"]
    public static let tokens = ["t-1", "t-2", "t-3"]
    public static let scopes = ["patient/Observation.rs", "patient/Claim.rs?a=b,c", "user/*.rs"]
    public static let programs = ["patient-access", "general"]
    public static let purposes = ["PATRQT", "TREAT", "PUBHLTH"]
    public static let addresses = ["192.0.2.7", "192.0.2.70", "2001:DB8::1"]
    public static let organizations = ["Älpen Plan", "alpen", "Other"]
    public static let users = ["Patient/patient-a", "Practitioner/p", "RelatedPerson/r"]
    public static let actors = ["app", "admin-a"]

    /// The entries so far.
    public private(set) var entries: [AuditEntry] = []
    private let node: String
    private let subjects: [String]
    private var random: SplitMix64
    private var time: Int64
    private var open: [(sequence: Int64, record: AccessRecord)] = []

    /// A log of one node, empty.
    ///
    /// - Parameters:
    ///   - subjects: who logs in.
    ///   - start: when it begins, milliseconds.
    public init(node: String, subjects: [String] = clients, start: Int64 = 1_760_000_000_000, seed: UInt64) {
        self.node = node
        self.subjects = subjects
        time = start
        random = SplitMix64(seed: seed)
    }

    /// Invents more entries, and gives them back.
    public mutating func add(_ count: Int) -> [AuditEntry] {
        let before = entries.count
        for _ in 0..<count {
            time += one(of: [0, 0, 1, 40, 1000, -30])
            entries.append(next())
        }
        return Array(entries[before...])
    }

    private mutating func next() -> AuditEntry {
        let sequence = Int64(entries.count + 1)
        let id = "\(node)-\(sequence)"
        let statement: AuditStatement
        switch Int.random(in: 0..<10, using: &random) {
        case 0...1:
            var record = access(id)
            record.outcome = .pending
            open.append((sequence, record))
            statement = AuditStatement(event: .access(record), phase: .opening)
        case 2 where !open.isEmpty:
            let begun = open.remove(at: Int.random(in: open.indices, using: &random))
            var record = access(begun.record.decisionID.text)
            let isCut = Bool.random(using: &random)
            if isCut { record.outcome = .interrupted(reason: "cut") }
            statement = AuditStatement(
                event: .access(record), phase: isCut ? .interrupted : .closing, closes: begun.sequence)
        case 3...5: statement = AuditStatement(event: .authorization(step(id)), phase: .whole)
        default: statement = AuditStatement(event: .access(access(id)), phase: .whole)
        }
        return link(statement, sequence)
    }

    /// The statement as the next link of the chain.
    private func link(_ statement: AuditStatement, _ sequence: Int64) -> AuditEntry {
        func entry(_ hash: ChainHash) -> AuditEntry {
            AuditEntry(
                node: node, sequence: sequence, recordedAt: time, previous: entries.last?.hash ?? .origin, hash: hash,
                body: statement.encoded, index: AuditIndex(statement))
        }
        return entry(entry(.origin).expectedHash)
    }

    private mutating func access(_ id: String) -> AccessRecord {
        let patients = Self.patients.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
        var record = AccessRecord(
            decisionID: DecisionID(id), clientID: maybe(Self.clients).map { ClientID($0) },
            subject: maybe(subjects).map { SubjectID($0) }, fhirUser: maybe(Self.users),
            sourceAddress: maybe(Self.addresses), grantID: maybe(Self.grants).map { GrantID($0) },
            tokenID: maybe(Self.tokens).map { TokenID($0) }, scopes: some(Self.scopes), program: maybe(Self.programs),
            patients: patients, interaction: one(of: AccessInteraction.allCases),
            resourceType: maybe(["Observation", "Patient"]), resourceID: maybe(["o1", "patient-a"]), method: "GET",
            path: "/x",
            outcome: one(of: [.permitted, .permitted, .refused(reason: "r"), .failed(reason: "f"), .decisionGiven]),
            status: 200, released: one(of: [0, 1, 3]), startedAt: time, organization: maybe(Self.organizations),
            purposeOfUse: some(Self.purposes), reportingEntity: maybe(["H1", "H2"]))
        record.askedOnly = patients.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
        record.compartment = Int.random(in: 0..<4, using: &random) == 0 ? "Encounter/e1" : nil
        return record
    }

    private mutating func step(_ id: String) -> AuthorizationRecord {
        AuthorizationRecord(
            id: DecisionID(id),
            kind: one(of: [
                .login, .token, .refresh, .consent, .consentDenied, .auditRead, .userChanged, .policyChanged,
                .checkpoint,
            ]),
            clientID: maybe(Self.clients).map { ClientID($0) }, subject: maybe(subjects).map { SubjectID($0) },
            actor: maybe(Self.actors), fhirUser: maybe(Self.users), patient: maybe(Self.patients),
            grantID: maybe(Self.grants).map { GrantID($0) }, tokenID: maybe(Self.tokens).map { TokenID($0) },
            scopes: some(Self.scopes), program: maybe(Self.programs),
            outcome: one(of: [.succeeded, .succeeded, .refused(reason: "r"), .failed(reason: "f")]),
            sourceAddress: maybe(Self.addresses), at: time, organization: maybe(Self.organizations),
            purposeOfUse: some(Self.purposes), reportingEntity: maybe(["H1", "H2"]))
    }

    private mutating func one<Value>(of values: [Value]) -> Value {
        values[Int.random(in: values.indices, using: &random)]
    }

    private mutating func maybe<Value>(_ values: [Value]) -> Value? {
        values.isEmpty || Int.random(in: 0..<4, using: &random) == 0 ? nil : one(of: values)
    }

    private mutating func some<Value>(_ values: [Value]) -> [Value] {
        values.filter { _ in Bool.random(using: &random) }
    }
}
