internal import AccessPolicy
internal import Audit
internal import Authorization
internal import GRDB
internal import OAuthCore

/// The change of a password by its person.
extension SQLiteUserStore {
    func changePassword(
        to hash: PasswordHash, of subject: SubjectID, verified: PasswordHash, replacing old: SessionID,
        by new: BrowserSession, record: AuthorizationRecord
    ) async throws -> Bool {
        guard let signIn = new.signIn, signIn.subject == subject else { return false }
        return try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE user_account SET password_hash = :hash
                    WHERE subject = :subject AND is_disabled = 0 AND password_hash = :verified
                        AND EXISTS (SELECT 1 FROM session s WHERE s.id = :old AND s.subject = :subject)
                        AND (:isEnough OR NOT EXISTS (SELECT 1 FROM second_factor f
                            WHERE f.subject = :subject AND f.confirmed_at IS NOT NULL))
                    """,
                arguments: [
                    "hash": hash.encoded, "subject": subject.text, "verified": verified.encoded, "old": old.hash.blob,
                    "isEnough": signIn.authentication.hasLocalSecondFactor,
                ])
            guard database.changesCount == 1 else { return false }
            try SQLiteSessionStore.insert(new, in: database)
            let (next, before) = (new.id.hash.blob, old.hash.blob)
            try database.execute(
                sql: "UPDATE launch SET session = ?, revision = revision + 1 WHERE session = ?",
                arguments: [next, before])
            try database.execute(
                sql: "UPDATE refresh_family SET session = ? WHERE session = ?", arguments: [next, before])
            // A code that was used is not touched: what came of it moves with its family.
            try database.execute(
                sql: "UPDATE code SET session = ? WHERE session = ? AND redeemed_at IS NULL AND burned_at IS NULL",
                arguments: [next, before])
            try database.execute(
                sql: "DELETE FROM session WHERE (subject = ?1 OR pending_subject = ?1) AND id <> ?2",
                arguments: [subject.text, next])
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }
}
