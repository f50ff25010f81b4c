internal import Dispatch
internal import Synchronization

/// Runs independent pieces of work on all cores and returns when all are done; for commands and tests, not for a
/// thread of the concurrency pool, which it would block.
public enum SideBySide {
    /// The values of a function over a list, in the list's order.
    public static func map<Input: Sendable, Output: Sendable>(
        _ inputs: [Input], _ work: @Sendable (Input) -> Output
    ) -> [Output] {
        let chunk = max(1, inputs.count / 64)
        let chunks = stride(from: 0, to: inputs.count, by: chunk).map {
            Array(inputs[$0..<min($0 + chunk, inputs.count)])
        }
        guard chunks.count > 1 else { return inputs.map(work) }
        let results = Mutex<[Int: [Output]]>([:])
        DispatchQueue.concurrentPerform(iterations: chunks.count) { place in
            let outputs = chunks[place].map(work)
            results.withLock { $0[place] = outputs }
        }
        return results.withLock { results in chunks.indices.flatMap { results[$0] ?? [] } }
    }
}
