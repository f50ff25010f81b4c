internal import FHIRCore
internal import SandboxFHIR
internal import SyntheticRecords

/// Fills the demo's sandbox with synthetic members when it is empty.
enum DemoRecords {
    /// Something of our own making that our own store refused: a mistake of the build.
    struct Refused: Error, CustomStringConvertible {
        let description: String
    }

    /// Loads the set of the seed; says how many resources there are. Does nothing when there is anything already.
    @discardableResult
    static func load(into store: SandboxStore, seed: UInt64? = nil) throws -> Int {
        let present = try store.counts().values.reduce(0, +)
        guard present == 0 else { return present }
        let importer = SandboxImporter(store)
        var total = 0
        for bundle in (seed.map { SyntheticRecordSet(seed: $0) } ?? SyntheticRecordSet()).bundles() {
            let report = try importer.importDocument(bundle.json, name: bundle.name)
            if let problem = report.problems.first { throw Refused(description: "the synthetic records: \(problem)") }
            total += report.total
        }
        return total
    }
}
