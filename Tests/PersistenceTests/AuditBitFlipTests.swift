import AccessPolicy
import Audit
import Foundation
import GRDB
import Persistence
import RequirementTraits
import Testing

/// Single bits, at random places: 1,000 through SQL, each located, and 1,000 in the bytes of the file.
@Suite(.verifies("audit@single-bit")) struct AuditBitFlipTests {
    private static let seeds = UInt64(1)...20
    private static let flipsPerSeed = 50

    /// A value in the log that a bit of can be changed, and what must then be named.
    private struct Target {
        let table: String
        let row: Int64
        let column: String
        let place: AuditFinding.Place
    }

    @Test(arguments: seeds) func `a bit changed in a row is found and located`(seed: UInt64) async throws {
        let folder = try LogFolder()
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 3)
        let targets = try Self.targets(log)
        var random = FlipRandom(state: seed)
        var flips = 0

        while flips < Self.flipsPerSeed {
            let target = targets[Int.random(in: 0..<targets.count, using: &random)]
            let bit = Int.random(in: 0..<4096, using: &random)
            guard let path = try Self.flip(target, bit, log) else { continue }
            flips += 1
            let findings = try log.verify(path).findings
            #expect(findings.contains { $0.place == target.place }, "\(target), bit \(bit): \(findings.prefix(5))")
        }
    }

    private static func targets(_ log: AuditLogFixture) throws -> [Target] {
        let queue = try DatabaseQueue(path: log.path)
        return try queue.read { database in
            var targets: [Target] = []
            for row in try Row.fetchAll(database, sql: "SELECT position, node, sequence FROM audit_entry") {
                let place = AuditFinding.Place.entry(node: row["node"], sequence: row["sequence"])
                let columns = [
                    "node", "sequence", "recorded_at", "event_id", "phase", "closes", "kind", "interaction",
                    "resource_type", "client_id", "subject", "grant_id", "outcome", "previous", "hash", "body", "body",
                    "body",
                ]
                targets += columns.map { Target(table: "audit_entry", row: row["position"], column: $0, place: place) }
            }
            for row in try Row.fetchAll(
                database,
                sql: "SELECT e.node, e.sequence, p.position FROM audit_patient p JOIN audit_entry e USING (position)")
            {
                let place = AuditFinding.Place.entry(node: row["node"], sequence: row["sequence"])
                targets += ["patient", "recorded_at", "place"].map {
                    Target(table: "audit_patient", row: row["position"], column: $0, place: place)
                }
            }
            for row in try Row.fetchAll(database, sql: "SELECT position, node, number FROM audit_checkpoint") {
                let place = AuditFinding.Place.checkpoint(node: row["node"], number: row["number"])
                targets += ["node", "number", "sequence", "compact", "compact", "compact"].map {
                    Target(table: "audit_checkpoint", row: row["position"], column: $0, place: place)
                }
            }
            return targets
        }
    }

    /// A copy with one bit of a value changed; nil when the value is null or the tables' own rules refuse the new one.
    private static func flip(_ target: Target, _ bit: Int, _ log: AuditLogFixture) throws -> String? {
        do {
            var isChanged = false
            let path = try log.tampered("flip.db") { database in
                let row = try Row.fetchOne(
                    database, sql: "SELECT \(target.column) FROM \(target.table) WHERE position = ? LIMIT 1",
                    arguments: [target.row])
                guard let value = row?[0] as DatabaseValue?, let flipped = flipped(value, bit) else { return }
                try database.execute(
                    sql: "UPDATE \(target.table) SET \(target.column) = ? WHERE position = ? AND \(target.column) = ?",
                    arguments: [flipped, target.row, value])
                isChanged = database.changesCount == 1
            }
            return isChanged ? path : nil
        } catch is DatabaseError {
            return nil
        }
    }

    private static func flipped(_ value: DatabaseValue, _ bit: Int) -> DatabaseValue? {
        switch value.storage {
        case .null, .double: return nil
        case .int64(let number): return (number ^ (1 << Int64(bit % 64))).databaseValue
        case .string(let text):
            var bytes = Array(text.utf8)
            guard !bytes.isEmpty else { return nil }
            // Text stays text: the highest bit would make it something that SQLite cannot take back.
            bytes[bit / 8 % bytes.count] ^= 1 << UInt8(bit % 7)
            return String(validating: bytes, as: UTF8.self)?.databaseValue
        case .blob(let data):
            var bytes = Array(data)
            guard !bytes.isEmpty else { return nil }
            bytes[bit / 8 % bytes.count] ^= 1 << UInt8(bit % 8)
            return Data(bytes).databaseValue
        }
    }

    /// The file's own bytes, among them those of indexes and of SQLite's own structures.
    @Test(arguments: seeds) func `no bit of the file changes an answer without being found`(seed: UInt64) async throws {
        let folder = try LogFolder()
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 3)
        let answers = try Self.answers(log.path)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: log.path))
        var random = FlipRandom(state: seed &+ 1000)

        for _ in 0..<Self.flipsPerSeed {
            let offset = Int.random(in: 0..<bytes.count, using: &random)
            let bit = UInt8.random(in: 0..<8, using: &random)
            var damaged = bytes
            damaged[offset] ^= 1 << bit
            let path = try log.copy(to: "bytes.db")
            try damaged.write(to: URL(fileURLWithPath: path))

            let isFound: Bool
            do { isFound = try !log.verify(path).isWhole } catch { isFound = true }
            guard !isFound else { continue }
            let after = try? Self.answers(path)
            #expect(after == answers, "byte \(offset), bit \(bit), page \(offset / 4096 + 1)")
        }
    }

    /// What the log answers to every kind of question.
    private static func answers(_ path: String) throws -> [[AuditEntry]] {
        let reader = try AuditSQLiteReader(path: path)
        let patients = ["patient-a", "a", "zz", "p-0", "p-1", "p-2", "other"]
        var queries = patients.map { AuditQuery(patient: $0, limit: 1000) }
        queries += ["app", "app-1", "none"].map { AuditQuery(clientID: .init($0), limit: 1000) }
        queries += ["patient-a", "zoë"].map { AuditQuery(subject: .init($0), limit: 1000) }
        queries += ["grant", "g-0", "g-2"].map { AuditQuery(grantID: .init($0), limit: 1000) }
        queries += ["o-n0", "d-m2"].map { AuditQuery(eventID: .init($0), limit: 1000) }
        queries += [
            AuditQuery(limit: 1000), AuditQuery(limit: 1000, includesClosedOpenings: true),
            AuditQuery(resourceType: "Observation", limit: 1000), AuditQuery(outcomes: ["refused"], limit: 1000),
        ]
        let all = try reader.search(AuditQuery(limit: 1000, includesClosedOpenings: true)).entries
        queries += all.map { AuditQuery(hashes: [$0.hash], limit: 1000, includesClosedOpenings: true) }
        queries += [AuditQuery(kinds: ["user-changed"], order: .oldestFirst, limit: 1000)]
        var results = try queries.map { try reader.search($0).entries }
        for node in ["n", "m"] { results.append(try reader.scan(node, after: 0, limit: 1000).map(\.entry)) }
        return results
    }
}

/// Small deterministic random numbers (SplitMix64).
struct FlipRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
