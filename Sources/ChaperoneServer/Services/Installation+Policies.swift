internal import AccessPolicy
internal import Audit
internal import Authorization
internal import NIOPosix
internal import OAuthCore

/// Recording what is in force, when it is not what was recorded last.
extension Installation {
    /// Records the configuration and every policy that has changed since it was recorded last.
    func noteWhatIsInForce() async throws {
        try await noteConfiguration()
        for policy in try configuration.policiesInForce() { try await note(policy) }
        for roster in members.rosters {
            // One that could not be kept for the next start is in force all the same.
            if let reason = roster.feed.refusal {
                try await note(roster.policy(refused: reason), outcome: .refused(reason: reason))
            } else if let policy = roster.policy() {
                try await note(policy)
            }
        }
    }

    /// Records a policy, with its digest and the one before, unless it is the one that was recorded last; a policy that
    /// was refused is recorded as such, and the one before stays the last.
    func note(_ policy: PolicyInForce, outcome: AuthorizationRecord.Outcome = .succeeded) async throws {
        let before = try await lastDigest(of: policy.name)
        guard before != policy.digest.description else { return }
        try await server.audit.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .policyChanged, actor: "configuration", outcome: outcome,
                detail: policy.detail(before: before), sourceAddress: "local", at: clock.milliseconds()))
    }

    /// The digest of the policy of that name that was taken last; an index of rare kinds finds its record.
    private func lastDigest(of name: String) async throws -> String? {
        let reader = auditReader
        return try await NIOThreadPool.singleton.runIfActive {
            var query = AuditQuery(kinds: [AuthorizationRecord.Kind.policyChanged.rawValue], limit: 100)
            query.outcomes = [AuthorizationRecord.Outcome.succeeded.code]
            repeat {
                let page = try reader.search(query)
                for entry in page.entries {
                    guard case .authorization(let record) = try entry.statement().event else { continue }
                    if let digest = PolicyInForce.digest(in: record.detail, of: name) { return digest }
                }
                query.after = page.next
            } while query.after != nil
            return nil
        }
    }

    /// Records the configuration when it is not the one that was last recorded: what is in force, without secrets.
    private func noteConfiguration() async throws {
        let lines = configuration.settingsBesidePolicies.map { "\($0.key)=\($0.value)" }
        let digest = ChainHash.digest(of: lines.joined(separator: "\n"))
        let reader = auditReader
        let last = try await NIOThreadPool.singleton.runIfActive {
            try reader.search(
                AuditQuery(
                    kinds: [AuthorizationRecord.Kind.configurationChanged.rawValue],
                    outcomes: [AuthorizationRecord.Outcome.succeeded.code], limit: 1)
            ).entries.first?.statement()
        }
        var before: String?
        if case .authorization(let record) = last?.event {
            let words = (record.detail ?? "").split { $0 == " " || $0 == "," || $0 == ":" }
            before = words.count > 1 && words[0] == "configuration" ? String(words[1]) : nil
        }
        guard before != digest.description else { return }
        try await server.audit.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .configurationChanged, actor: "configuration",
                outcome: .succeeded,
                detail: "configuration \(digest), before \(before ?? "none"): \(lines.joined(separator: "; "))",
                sourceAddress: "local", at: clock.milliseconds()))
    }
}
