import FHIRCore
import Foundation
import Testing

@testable import SandboxFHIR

@Suite struct `Import of Synthea's bundles` {
    @Test(.enabled(if: SharedData.folder("synthea-r4") != nil))
    func `31 bundles are loaded without loss`() throws {
        let folder = try #require(SharedData.folder("synthea-r4"))
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json.gz") }
        var expected = Set<InstanceKey>()
        for file in files {
            let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(file)"))
            let bundle = try StoreTransaction.parse(Gunzip.unpack(Array(data)))
            for entry in try #require(bundle["entry"]?.array) {
                let resource = try #require(entry["resource"])
                let id = try #require(resource["id"]?.string)
                expected.insert(try #require(InstanceKey("\(resource["resourceType"]?.string ?? "")/\(id)")))
            }
        }
        let store = try SandboxStore(path: nil)
        var seen: [ImportProgress] = []

        let report = try SandboxImporter(store).importPaths(files.map { "\(folder)/\($0)" }) { seen.append($0) }

        #expect(files.count == 31)
        #expect(report.problems.isEmpty)
        #expect(report.danglingReferences.isEmpty)
        // Some files share Organizations and Practitioners: those are found unchanged the second time.
        #expect(report.byType.values.reduce(0) { $0 + $1.created } == expected.count)
        #expect(report.byType.values.allSatisfy { $0.updated == 0 && $0.matched == 0 })
        #expect(seen.count == 31)
        #expect(try store.counts().values.reduce(0, +) == expected.count)
        for key in expected { #expect(try store.current(key)?.isDeleted == false) }
    }
}
