internal import GRDB

/// The lines of one export file: versions of resources, read from the store a few at a time.
///
/// Versions never change, so the file is the same however late it is read, and nothing is kept but their places.
struct ExportLines: Sendable {
    let store: SandboxStore
    /// The rows of the table `version`, in the order of the file.
    let sequences: [Int64]

    private static let batch = 200

    /// The next lines, with where those after them begin; `nil` at the end.
    func lines(from place: Int) throws -> (bytes: [UInt8], next: Int)? {
        guard place < sequences.count else { return nil }
        let chosen = sequences[place..<min(place + Self.batch, sequences.count)]
        let bytes = try store.read { transaction in
            var bytes: [UInt8] = []
            for sequence in chosen {
                let statement = try transaction.db.cachedStatement(
                    sql: """
                        SELECT r.type, r.id, v.version, v.updated, v.deleted, v.method, v.body FROM version v
                        JOIN resource r ON r.pk = v.resource WHERE v.seq = ?
                        """)
                guard let row = try Row.fetchOne(statement, arguments: [sequence]) else {
                    throw SandboxFailure(status: 500, issueCode: "exception", diagnostics: "a version is gone")
                }
                bytes += try StoreTransaction.stored(row).body
                bytes.append(UInt8(ascii: "\n"))
            }
            return bytes
        }
        return (bytes, place + chosen.count)
    }

    /// The whole file.
    var all: [UInt8] {
        get throws {
            var all: [UInt8] = []
            var place = 0
            while let (bytes, next) = try lines(from: place) {
                all += bytes
                place = next
            }
            return all
        }
    }
}
