internal import AccessPolicy
internal import Audit
internal import Foundation
internal import GRDB

/// One row of `audit_entry` as an entry and back.
enum AuditRow {
    /// The entry of a row; throws when the row cannot be one.
    static func entry(_ row: Row, in database: Database) throws -> AuditEntry {
        let position: Int64 = row["position"]
        guard let previous = ChainHash(bytes: row["previous"] as Data),
            let hash = ChainHash(bytes: row["hash"] as Data),
            let phase = AuditPhase(rawValue: row["phase"])
        else { throw AuditFailure.chainBroken(detail: "row \(position) is no audit entry") }
        let patients = try String.fetchAll(
            database.cachedStatement(sql: "SELECT patient FROM audit_patient WHERE position = ? ORDER BY place"),
            arguments: [position])
        let index = AuditIndex(
            eventID: DecisionID(row["event_id"]), phase: phase, closes: row["closes"], kind: row["kind"],
            interaction: row["interaction"], resourceType: row["resource_type"],
            clientID: (row["client_id"] as String?).map { ClientID($0) },
            subject: (row["subject"] as String?).map { SubjectID($0) },
            grantID: (row["grant_id"] as String?).map { GrantID($0) }, patients: patients, outcome: row["outcome"])
        return AuditEntry(
            node: row["node"], sequence: row["sequence"], recordedAt: row["recorded_at"], previous: previous,
            hash: hash, body: Array(row["body"] as Data), index: index)
    }
}
