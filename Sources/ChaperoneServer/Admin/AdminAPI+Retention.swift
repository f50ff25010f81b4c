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
        // In force before it is recorded: a hold that nobody heard of does no harm, one that was promised must stand.
        let store = auditSide.store
        try await NIOThreadPool.singleton.runIfActive { try store.place(hold) }
        try await note(
            .holdPlaced, "hold \(hold.id) by \(request.actor.name): \(Self.what(hold)): \(reason)", request, patient)
        return Self.row(hold)
    }

    /// `POST /admin/v1/audit/holds/{id}`: lifts a hold.
    func liftHold(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow([], request)
        let (store, id, actor, now) = (auditSide.store, request.path[2], request.actor.name, clock.milliseconds())
        let isHeld = try await NIOThreadPool.singleton.runIfActive { try store.holds().contains { $0.id == id } }
        guard isHeld else { throw Problem.notFound }
        // Recorded before it is done: no hold goes without a record of who lifted it.
        try await note(.holdLifted, "hold \(id) lifted by \(actor)", request, nil)
        let isLifted = try await NIOThreadPool.singleton.runIfActive { try store.lift(id, by: actor, at: now) }
        guard isLifted else { throw Problem.notFound }
        return .object([.init("lifted", .string(id))])
    }

    /// `POST /admin/v1/audit/retention`: removes what has been kept long enough; `rehearsal=true` only counts it.
    func retain(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow(["rehearsal"], request)
        let isRehearsal = try flag("rehearsal", request)
        let outcome = try await auditSide.retain(isRehearsal: isRehearsal)
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

    private func note(_ kind: AuthorizationRecord.Kind, _ detail: String, _ request: AdminRequest, _ patient: String?)
        async throws
    {
        try await trail.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: kind, patient: patient, outcome: .succeeded, detail: detail,
                sourceAddress: request.sourceAddress, at: clock.milliseconds(), traceID: request.traceID))
    }

    private static func what(_ hold: LegalHold) -> String {
        let parts = [
            hold.patient.map { "patient \($0)" }, hold.client.map { "client \($0)" },
            hold.reportingEntity.map { "reporting entity \($0)" },
        ].compactMap { $0 }
        return parts.isEmpty ? "everything" : parts.joined(separator: ", ")
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
