internal import AccessPolicy
internal import FHIRCore

/// Who asks, and when: what every request of one exchange has in common.
struct Asker: Sendable {
    let access: GrantedAccess
    let userPanel: PatientPanel
    let systemPanel: PatientPanel
    /// The request that came in; of a batch, the whole of it.
    let received: FHIRRequest
    /// Unix seconds.
    let now: Int64
    /// The export job that the request's address names, if there is one.
    var exportJob: ExportJob?
    /// The id of an export that this request starts.
    var newJobID = ""
    /// Random bits of this request; see `AccessRequest.seed`.
    var seed: UInt128 = 0

    /// What policy is asked about one request.
    func question(_ request: CanonicalRequest, _ policy: ServerPolicy) -> AccessRequest {
        AccessRequest(
            request: request, access: access, userPanel: userPanel, systemPanel: systemPanel, policy: policy,
            seed: seed)
    }
}
