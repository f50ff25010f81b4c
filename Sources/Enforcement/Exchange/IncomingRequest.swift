internal import AccessPolicy
internal import FHIRCore

/// What an exchange begins with: the request, who asks, and the facts of the moment. No clock, no randomness and no
/// look-up happens after this.
public struct IncomingRequest: Sendable {
    /// What is known about the asker.
    enum Standing: Sendable {
        /// A valid token, and whom its user and its client may see.
        case verified(GrantedAccess, userPanel: PatientPanel, systemPanel: PatientPanel)
        /// Refused before policy was asked; the token, if one was valid.
        case refused(GatewayRefusal, GrantedAccess?)
        /// One of many without a valid token: summed up by whoever made this value, not recorded one by one.
        case summed(GatewayRefusal)
    }

    /// In JSON, whatever format it came in.
    let request: FHIRRequest
    /// In which the answer is to be written.
    let format: AnswerFormat
    private(set) var standing: Standing
    let decisionID: DecisionID
    /// Unix seconds.
    let now: Int64
    /// Milliseconds since 1970 UTC.
    let startedAt: Int64
    let sourceAddress: String?
    /// Refusals of tokenless requests that were counted and not recorded since the last record (decision 15).
    let unrecordedRefusals: Int
    /// The trace that the request belongs to (W3C Trace Context).
    var traceID: String?
    /// Under whose obligation to report the access counts.
    var reportingEntity: String?
    /// The organisation for which the client acts.
    var organization: String?
    /// Why the client asks; nil where it is what its program stands for.
    var purposeOfUse: [String]?
    /// The user's panel, where it has still to be asked for; until then it is none.
    var panelQuestion: PanelQuestion?

    /// Whether an answer that is too large to be judged whole may come in pieces, whose sudden end the client will notice.
    var mayStream = false
    /// The export job that the request's address names, if there is one.
    var exportJob: ExportJob?
    /// The id of an export that this request starts; empty where it starts none.
    var newJobID = ""
    /// Random bits of this request; see `AccessRequest.seed`.
    var seed: UInt128 = 0

    /// The same request with the user's panel, once that was asked for.
    func knowing(_ panel: PatientPanel) -> IncomingRequest {
        var incoming = self
        incoming.panelQuestion = nil
        if case .verified(let access, _, let systemPanel) = standing {
            incoming.standing = .verified(access, userPanel: panel, systemPanel: systemPanel)
        }
        return incoming
    }

    var access: GrantedAccess? {
        switch standing {
        case .verified(let access, _, _): access
        case .refused(_, let access): access
        case .summed: nil
        }
    }
}
