internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix

extension AdminAPI {
    /// `POST /admin/v1/audit/proofs?decision=…`: proofs that the entries of a decision or step stand in the log, each
    /// without the rest of it. What no checkpoint reaches yet gets one now.
    func proveAudit(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        try allow(["decision"], request)
        guard let decision = request.query["decision"], !decision.isEmpty else {
            throw Problem(400, "a proof is about one `decision`")
        }
        let page = try await find(
            AuditQuery(eventID: DecisionID(decision), limit: 100, includesClosedOpenings: true), AuditContentFilter())
        try await noteReading(
            request, about: "proof of decision=\(decision)", patient: Self.onlyPatient(of: page.entries))
        guard !page.entries.isEmpty else { throw Problem.notFound }
        let prover = AuditProver(auditSide.store)
        let entries = page.entries
        let proofs: [AuditInclusionProof]
        do {
            do { proofs = try await Self.proofs(of: entries, by: prover) } catch AuditProver.Refusal.notFixedYet {
                try await auditSide.checkpoint()
                proofs = try await Self.proofs(of: entries, by: prover)
            }
        } catch let refusal as AuditProver.Refusal {
            throw Problem(409, "there is no proof of this", detail: Self.text(refusal))
        }
        return .object([.init("proofs", .array(proofs.map(\.json)))])
    }

    private static func proofs(of entries: [AuditEntry], by prover: AuditProver) async throws -> [AuditInclusionProof] {
        try await NIOThreadPool.singleton.runIfActive { try entries.map { try prover.proof(of: $0) } }
    }

    private static func text(_ refusal: AuditProver.Refusal) -> String {
        switch refusal {
        case .notFixedYet: "no checkpoint of its node reaches it yet; its node has to make one"
        case .tooFar: "more than \(AuditInclusionProof.longest) entries lie before the next checkpoint"
        case .removedBetween:
            "entries between it and its checkpoint were removed, their time being over; the whole log proves it"
        }
    }
}
