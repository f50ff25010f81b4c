internal import Foundation

/// One result that a thread waits for.
///
/// `@unchecked Sendable`: `result` is read and written only while `condition`, the lock, is held.
final class AuditWriterAnswer: @unchecked Sendable {
    private let condition = NSCondition()
    private var result: Result<Int64, AuditFailure>?

    func set(_ value: Result<Int64, AuditFailure>) {
        condition.lock()
        result = value
        condition.signal()
        condition.unlock()
    }

    func wait() -> Result<Int64, AuditFailure> {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result { return result }
            condition.wait()
        }
    }
}
