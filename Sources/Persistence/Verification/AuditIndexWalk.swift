internal import Audit

/// Walks one index from its first entry to its last: is everything in order, and what is its digest?
struct AuditIndexWalk {
    struct Outcome: Sendable {
        let shape: AuditIndexShape
        let digest: UInt64
        let fault: String?

        func findings(against expected: AuditIndexDigest) -> [AuditFinding] {
            let place = AuditIndexShape.allCases.firstIndex(of: shape) ?? 0
            if let fault { return [AuditFinding(.structure(shape.rawValue), .changed, fault)] }
            guard digest != expected.sums[place] else { return [] }
            return [
                AuditFinding(.structure(shape.rawValue), .changed, "it does not hold what the entries say it must")
            ]
        }
    }

    let path: String
    /// Entries behind this running number were added while the walk went on.
    let newest: Int64

    func walk(_ shape: AuditIndexShape) -> Outcome {
        var digest = AuditIndexDigest()
        let place = AuditIndexShape.allCases.firstIndex(of: shape) ?? 0
        do {
            let row = try RawSQLite(path: path).prepare(shape.walk)
            let textual = shape.beginsWithText
            var before = Key()
            var isFirst = true
            row.start()
            while try row.step() {
                let text = textual ? shape.beginsWithBytes ? row.blob(0) : row.text(0) : nil
                let offset: Int32 = textual ? 1 : 0
                let first = row.integer(offset) ?? Int64.min
                let second = shape.numbers > 1 ? row.integer(offset + 1) ?? Int64.min : 0
                guard isFirst || before.isBelow(text, first, second) else {
                    return Outcome(shape: shape, digest: 0, fault: "it is out of order at row \(max(first, second))")
                }
                isFirst = false
                before.set(text, first, second)
                let position = shape.numbers > 1 ? second : first
                if position <= newest { digest.add(place, text, first, second) }
            }
        } catch {
            return Outcome(shape: shape, digest: 0, fault: "damaged: \(error)")
        }
        return Outcome(shape: shape, digest: digest.sums[place], fault: nil)
    }

    /// The entry before the present one.
    private struct Key {
        var text: [UInt8] = []
        var first: Int64 = 0
        var second: Int64 = 0

        mutating func set(_ text: UnsafeRawBufferPointer?, _ first: Int64, _ second: Int64) {
            if let text, !self.text.elementsEqual(text) { self.text = Array(text) }
            self.first = first
            self.second = second
        }

        func isBelow(_ text: UnsafeRawBufferPointer?, _ first: Int64, _ second: Int64) -> Bool {
            if let text, !self.text.elementsEqual(text) { return self.text.lexicographicallyPrecedes(text) }
            return (self.first, self.second) < (first, second)
        }
    }
}
