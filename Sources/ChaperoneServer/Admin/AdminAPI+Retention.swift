internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix
internal import OAuthCore
internal import Persistence

extension AdminAPI {
    /// `GET /admin/v1/audit/holds`: the legal holds that are in force.
    func listHolds(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        try allow([], request)
        let store = auditSide.store
        try await noteReading(request, about: "holds")
        let holds = try await NIOThreadPool.singleton.runIfActive { try store.holds() }
        return .object([.init("holds", .array(holds.map(Self.row)))])
    }

    /// `POST /admin/v1/audit/holds`: places a hold on what names a patient, a client or a reporting entity.
    func placeHold(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow(["patient", "client", "reporting-entity", "reason"], request)
        guard let reason = request.query["reason"], !reason.isEmpty, reason.utf8.count <= 512 else {
            throw Problem(400, "a hold needs a `reason` of at most 512 bytes")
        }
        let patient = request.query["patient"].map { $0.hasPrefix("Patient/") ? String($0.dropFirst(8)) : $0 }
        let hold = LegalHold(
            id: random.identifier(), patient: patient, client: request.query["client"],
            reportingEntity: request.query["reporting-entity"], reason: reason, placedBy: request.actor.name,
            placedAt: clock.milliseconds())
        // Storing the record is what puts it in force, in one transaction (ADR 76).
        try await trail.note(
            AuthorizationRecord(
                placing: hold, id: DecisionID(random.identifier()), sourceAddress: request.sourceAddress,
                traceID: request.traceID))
        return Self.row(hold)
    }

    /// `POST /admin/v1/audit/holds/{id}`: lifts a hold.
    func liftHold(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow([], request)
        let (store, id) = (auditSide.store, request.path[2])
        let isHeld = try await NIOThreadPool.singleton.runIfActive { try store.holds().contains { $0.id == id } }
        try await trail.note(
            AuthorizationRecord(
                lifting: id, by: request.actor.name, id: DecisionID(random.identifier()),
                outcome: isHeld ? .succeeded : .refused(reason: "no-such-hold"), sourceAddress: request.sourceAddress,
                at: clock.milliseconds(), traceID: request.traceID))
        guard isHeld else { throw Problem.notFound }
        return .object([.init("lifted", .string(id))])
    }

    /// `POST /admin/v1/audit/retention`: removes what has been kept long enough; `rehearsal=true` only counts it.
    func retain(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow(["rehearsal"], request)
        let isRehearsal = try flag("rehearsal", request)
        let outcome: AuditRetention.Outcome
        do { outcome = try await auditSide.retain(isRehearsal: isRehearsal) } catch AuditFailure.chainBroken(
            let detail)
        {
            try await noteRetention(request, isRehearsal, .refused(reason: "not-as-written"), detail)
            throw Problem(
                409, "nothing is removed while the audit trail is not what was written",
                detail: "\(detail); `chaperone audit verify` finds all of it")
        }
        try await noteRetention(
            request, isRehearsal, .succeeded,
            "removed \(outcome.removed), held \(outcome.held), undelivered \(outcome.undelivered)")
        var row = Row()
        row.set("removed", Int(outcome.removed))
        row.set("runs", outcome.runs)
        row.set("held", Int(outcome.held))
        row.set("undelivered", Int(outcome.undelivered))
        row.set("rehearsal", isRehearsal)
        return row.value
    }

    /// `GET /admin/v1/audit/feeds`: how far each feed has come.
    func listFeeds(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        try allow([], request)
        let side = auditSide
        let lags = try await NIOThreadPool.singleton.runIfActive { try side.feedLags() }
        let rows = lags.map { lag in
            var row = Row()
            row.set("name", lag.name)
            row.set("carries", lag.source.rawValue)
            row.set("delivered", Int(lag.delivered))
            row.set("waiting", Int(lag.waiting))
            row.set("refused", side.watch.givenUp(lag.name))
            row.set("problem", side.watch.problem("feed \(lag.name)"))
            return row.value
        }
        return .object([.init("feeds", .array(rows))])
    }

    /// Records who ran the retention and what it came to; each removal has a record of its own before it.
    private func noteRetention(
        _ request: AdminRequest, _ isRehearsal: Bool, _ outcome: AuthorizationRecord.Outcome, _ text: String
    ) async throws {
        try await trail.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .recordsRemoved, actor: request.actor.name,
                outcome: outcome, detail: "\(isRehearsal ? "rehearsal" : "retention"): \(text)",
                sourceAddress: request.sourceAddress, at: clock.milliseconds(), traceID: request.traceID))
    }

    private static func row(_ hold: LegalHold) -> JSONValue {
        var row = Row()
        row.set("id", hold.id)
        row.set("patient", hold.patient)
        row.set("client", hold.client)
        row.set("reportingEntity", hold.reportingEntity)
        row.set("reason", hold.reason)
        row.set("by", hold.placedBy)
        row.set("since", Timestamp.text(milliseconds: hold.placedAt))
        return row.value
    }
}
