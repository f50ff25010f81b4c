extension AuditWriter {
    /// A statement with its bytes and its index.
    struct Prepared: Sendable {
        let statement: AuditStatement
        let body: [UInt8]
        let index: AuditIndex

        init(_ statement: AuditStatement) {
            self.statement = statement
            body = statement.encoded
            index = AuditIndex(statement)
        }
    }

    /// A statement that waits, with its bytes and its index made on the caller's thread, and the statements about its
    /// parts, which are stored before it in the same transaction. A class so that it is moved about by one reference;
    /// nothing in it changes.
    final class Submission: Sendable {
        let whole: Prepared
        let parts: [Prepared]
        let once: Bool
        let delivery: AuditDelivery
        let completion: Completion

        var statement: AuditStatement { whole.statement }
        /// Bytes of all bodies.
        var size: Int { parts.reduce(whole.body.count) { $0 + $1.body.count } }

        init(
            _ statement: AuditStatement, parts: [AuditStatement], once: Bool, delivery: AuditDelivery,
            completion: @escaping Completion
        ) {
            whole = Prepared(statement)
            self.parts = parts.map { Prepared($0) }
            self.once = once
            self.delivery = delivery
            self.completion = completion
        }
    }
}
