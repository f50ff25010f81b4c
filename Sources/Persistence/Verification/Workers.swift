internal import Dispatch
internal import Synchronization

/// Runs pieces of work of unequal length on all cores, first come, first served.
enum Workers {
    static func map<Input: Sendable, Output: Sendable>(
        _ inputs: [Input], _ work: @Sendable (Input) -> Output
    ) -> [Output] {
        let results = Mutex<[Int: Output]>([:])
        DispatchQueue.concurrentPerform(iterations: inputs.count) { place in
            let output = work(inputs[place])
            results.withLock { $0[place] = output }
        }
        return results.withLock { results in inputs.indices.compactMap { results[$0] } }
    }
}
