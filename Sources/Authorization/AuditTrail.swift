internal import AccessPolicy
public import Audit
public import OAuthCore
internal import FHIRCore

/// Brings the audit rows of authorization steps into the audit log before their answer leaves (decision 16).
///
/// A step that changes state wrote its row into the outbox with the change; here the outbox is drained. An actor,
/// because draining suspends: callers that come while one drain runs share the next one.
public actor AuditTrail {
    /// Writes records durably into the audit log; safe to call twice with the same record.
    public typealias Recording = @Sendable ([AuthorizationRecord]) async throws -> Void

    private let outbox: any AuditOutbox
    private let clients: any ClientStore
    private let facts: RecordFacts
    private let record: Recording
    private var started = 0
    private var running: (number: Int, task: Task<Void, any Error>)?

    /// A trail that adds to every record what is known about its client and its program.
    public init(
        outbox: any AuditOutbox, clients: any ClientStore, facts: RecordFacts, record: @escaping Recording
    ) {
        self.outbox = outbox
        self.clients = clients
        self.facts = facts
        self.record = record
    }

    /// Returns when every row that was in the outbox at the time of the call stands in the audit log.
    public func flush() async throws {
        let before = started
        while true {
            if let running {
                let result = await running.task.result
                // A drain that had begun before this call may have missed our row.
                if running.number > before { return try result.get() }
                continue
            }
            started += 1
            let number = started
            let task = Task { try await self.drain() }
            running = (number, task)
        }
    }

    /// Adds a row for a step that changed no state, and flushes.
    public func note(_ record: AuthorizationRecord) async throws {
        try await outbox.append(record)
        try await flush()
    }

    private func drain() async throws {
        defer { running = nil }
        // To the newest row of this moment and no further: others may add rows faster than these are written.
        guard let newest = try await outbox.newest() else { return }
        while true {
            let rows = try await outbox.pending(through: newest, limit: 64)
            guard !rows.isEmpty else { return }
            var completed: [AuthorizationRecord] = []
            for row in rows { completed.append(await complete(row)) }
            try await record(completed)
            try await outbox.acknowledge(rows.map(\.id))
        }
    }

    /// One place for every step there is or will be: none of them can forget to say on what it rests.
    private func complete(_ record: AuthorizationRecord) async -> AuthorizationRecord {
        guard let id = record.clientID, record.program == nil else { return facts.completing(record) }
        do {
            return facts.completing(record, program: try await clients.client(id)?.program)
        } catch {
            // A client that cannot be read must not keep every step of all others from its record: what stands in the row
            // is written, and says that the program, and what follows from it, is missing.
            var told = record
            told.detail = [record.detail, "its client cannot be read"].compactMap { $0 }.joined(separator: "; ")
            return facts.completing(told)
        }
    }
}

/// Makes the audit records of one step, with what all of them share.
struct RecordMaker: Sendable {
    let clock: Clock
    let random: RandomSource
    let source: RequestSource

    /// A record of something that is done on behalf of a client or a person.
    func record(
        _ kind: AuthorizationRecord.Kind, client: ClientID? = nil, subject: SubjectID? = nil, grant: Grant? = nil,
        token: TokenID? = nil, scopes: ScopeSet? = nil, by actor: String? = nil,
        outcome: AuthorizationRecord.Outcome = .succeeded, detail: String? = nil
    ) -> AuthorizationRecord {
        AuthorizationRecord(
            id: DecisionID(random.identifier()), kind: kind, clientID: client ?? grant?.clientID,
            subject: subject ?? grant?.subject, actor: actor, fhirUser: grant?.launch.fhirUser?.description,
            patient: grant?.launch.patient?.text, grantID: grant?.id, tokenID: token,
            scopes: (scopes ?? grant?.scopes)?.scopes.map(\.text) ?? [], program: grant?.program.rawValue,
            outcome: outcome, detail: detail, sourceAddress: source.address, at: clock.milliseconds(),
            traceID: source.traceID)
    }
}

extension RecordMaker {
    /// A record of a person's step in a launch that has no grant yet.
    func record(
        _ kind: AuthorizationRecord.Kind, client: ClientID, member: SignedInMember, launch: LaunchContext,
        _ scopes: ScopeSet
    ) -> AuthorizationRecord {
        var record = record(kind, client: client, subject: member.subject, scopes: scopes)
        record.fhirUser = member.fhirUser?.description
        record.patient = launch.patient?.text
        return record
    }
}

/// Where a request came from, for the record and for counting guesses.
public struct RequestSource: Hashable, Sendable {
    public let address: String
    public let traceID: String?
    /// The certificate that the client showed in TLS, here or at a trusted proxy.
    public let certificate: ClientCertificate?

    public init(address: String, traceID: String? = nil, certificate: ClientCertificate? = nil) {
        self.address = address
        self.traceID = traceID
        self.certificate = certificate
    }
}
