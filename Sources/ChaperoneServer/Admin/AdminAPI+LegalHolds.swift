internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix
internal import OAuthCore
internal import Persistence

extension AdminAPI {
    /// `POST /admin/v1/audit/holds/{id}/adopt`: records a hold as it stands, where no record placed or lifted it.
    ///
    /// A release that wrote the table before the record could end between them; what differs from its record is refused.
    func adoptHold(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow([], request)
        let (store, id) = (auditSide.store, request.path[2])
        guard let adoption = try await NIOThreadPool.singleton.runIfActive({ try store.adoption(of: id) }) else {
            try await trail.note(
                AuthorizationRecord(
                    id: DecisionID(random.identifier()), kind: .holdPlaced, actor: request.actor.name,
                    outcome: .refused(reason: "nothing-to-adopt"), detail: "hold \(id)",
                    sourceAddress: request.sourceAddress, at: clock.milliseconds(), traceID: request.traceID))
            throw Problem(
                409, "there is no hold of that name that stands without a record",
                detail: "`chaperone audit verify` finds what differs from its record")
        }
        let records = adoption.records(
            by: request.actor.name, id: { DecisionID(random.identifier()) }, sourceAddress: request.sourceAddress,
            at: clock.milliseconds(), traceID: request.traceID)
        for record in records { try await trail.note(record) }
        return .object([.init("adopted", .string(id)), .init("records", .int(Int64(records.count)))])
    }
}
