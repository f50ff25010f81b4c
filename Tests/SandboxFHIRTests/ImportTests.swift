import FHIRCore
import Foundation
import Testing

@testable import SandboxFHIR

@Suite struct `Import of files` {
    /// A folder that is removed with the value.
    private final class Folder {
        let path: String

        init() throws {
            let url = FileManager.default.temporaryDirectory.appendingPathComponent("import-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            path = url.path
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ bytes: [UInt8]) throws {
            let url = URL(fileURLWithPath: "\(path)/\(name)")
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: url)
        }

        func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }
    }

    private let folder: Folder
    private let store: SandboxStore

    init() throws {
        folder = try Folder()
        store = try SandboxStore(path: nil)
    }

    private func load() throws -> ImportReport { try SandboxImporter(store).importPaths([folder.path]) }

    private func reference(_ key: String, _ path: String) throws -> String? {
        let instance = try #require(InstanceKey(key))
        let stored = try #require(try store.current(instance))
        return try StoreTransaction.parse(stored.body)[path]?["reference"]?.string
    }

    @Test(arguments: [
        ("x.json", #"{"resourceType":"Patient""#), ("x.json", ""), ("x.json", "[]"), ("x.json", #"{"id":"a"}"#),
        ("x.json", #"{"resourceType":"Nobody","id":"a"}"#), ("x.json", #"{"resourceType":"Patient","id":"a b"}"#),
        ("x.json", #"{"resourceType":"Patient","id":3}"#), ("x.json", #"{"resourceType":"Bundle","type":"document"}"#),
        ("x.json", #"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}"#),
        (
            "x.json",
            #"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"Patient/a"}}]}"#
        ),
        ("x.json", #"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient"}}]}"#),
        (
            "x.json",
            #"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PATCH","url":"Patient/a"}}]}"#
        ),
        (
            "x.json",
            #"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/b"}}]}"#
        ),
        (
            "x.json",
            #"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}]}"#
        ),
        (
            "x.json",
            #"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"unheard=of"}}]}"#
        ),
        ("x.ndjson", #"{"resourceType":"Nobody","id":"a"}"#), ("x.ndjson", "not json"),
        ("x.txt", #"{"resourceType":"Patient","id":"a"}"#), ("x.json.gz", #"{"resourceType":"Patient","id":"a"}"#),
    ])
    func `what cannot be loaded is reported and stops nothing`(_ name: String, _ text: String) throws {
        try folder.write(name, text)
        try folder.write("zz.json", #"{"resourceType":"Patient","id":"good"}"#)

        let report = try load()

        #expect(report.problems.count == 1)
        #expect(report.problems.first?.file.hasSuffix(name) == true)
        #expect(try store.counts() == [.patient: 1])
        #expect(try store.current(try #require(InstanceKey("Patient/good"))) != nil)
    }

    @Test func `a path that is not there is reported`() throws {
        let report = try SandboxImporter(store).importPaths(["\(folder.path)/nothing.json"])

        #expect(report.problems.map(\.reason) == ["there is no such file"])
    }

    @Test func `a bad line does not take the others with it`() throws {
        try folder.write(
            "a.ndjson",
            """
            {"resourceType":"Patient","id":"one"}
            {"resourceType":"Patient","id":"two"

            {"resourceType":"Patient","id":"three"}\r
            """)

        let report = try load()

        #expect(report.problems.map(\.place) == ["line 2"])
        #expect(report.byType[.patient]?.created == 2)
    }

    @Test func `gzip is unpacked, and what is cut or damaged is reported`() throws {
        let text = (0..<500).map { #"{"resourceType":"Patient","id":"p\#($0)"}"# + "\n" }.joined()
        let packed = try GzipFixture.pack(Array(text.utf8))
        var damaged = packed
        damaged[packed.count / 2] ^= 0xff
        var wrongSum = packed
        wrongSum[packed.count - 6] ^= 0xff

        try folder.write("a-good.ndjson.gz", packed)
        try folder.write("b-cut.ndjson.gz", Array(packed.dropLast(packed.count / 2)))
        try folder.write("c-cut.ndjson.gz", Array(packed.dropLast(3)))
        try folder.write("d-damaged.ndjson.gz", damaged)
        try folder.write("e-sum.ndjson.gz", wrongSum)
        try folder.write("f-head.ndjson.gz", Array(packed.prefix(4)))
        try folder.write("g-trailing.ndjson.gz", packed + [1, 2, 3])
        try folder.write("h-twice.ndjson.gz", packed + packed)
        let report = try load()

        #expect(report.byType[.patient]?.created == 500)
        #expect(report.filesRead == 2)
        #expect(
            report.problems.compactMap { $0.file.split(separator: "/").last?.first } == ["b", "c", "d", "e", "f", "g"])
    }

    @Test func `what unpacks to more than the limit is refused`() throws {
        let packed = try GzipFixture.pack([UInt8](repeating: 0x20, count: 300_000))

        #expect(throws: Gunzip.Failure.tooLarge(limit: 100_000)) { try Gunzip.unpack(packed, limit: 100_000) }
    }

    @Test func `ids are kept, from the resource, the PUT or the urn`() throws {
        try folder.write(
            "a.json",
            #"""
            {"resourceType":"Bundle","type":"transaction","entry":[
            {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"own"},"request":{"method":"POST","url":"Patient"}},
            {"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/put"}},
            {"fullUrl":"urn:uuid:0b8d","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
            {"fullUrl":"http://x.example/fhir/Observation/obs","resource":{"resourceType":"Observation","id":"obs",
            "subject":{"reference":"urn:uuid:1"},"encounter":{"reference":"http://x.example/fhir/Encounter/enc"}}},
            {"fullUrl":"http://x.example/fhir/Encounter/enc","resource":{"resourceType":"Encounter","id":"enc"}}]}
            """#)

        let report = try load()

        #expect(report.problems.isEmpty)
        for key in ["Patient/own", "Patient/put", "Patient/0b8d", "Observation/obs", "Encounter/enc"] {
            #expect(try store.current(try #require(InstanceKey(key))) != nil)
        }
        #expect(try reference("Observation/obs", "subject") == "Patient/own")
        #expect(try reference("Observation/obs", "encounter") == "Encounter/enc")
        #expect(report.danglingReferences.isEmpty)
    }

    @Test func `ifNoneExist and conditional PUTs find what is there`() throws {
        try folder.write(
            "a.json", #"{"resourceType":"Organization","id":"org","identifier":[{"system":"http://npi","value":"1"}]}"#)
        try folder.write(
            "b.json",
            #"""
            {"resourceType":"Bundle","type":"transaction","entry":[
            {"fullUrl":"urn:uuid:o","resource":{"resourceType":"Organization","id":"copy"},
            "request":{"method":"POST","url":"Organization","ifNoneExist":"identifier=http://npi|1"}},
            {"resource":{"resourceType":"Organization","name":"Named","identifier":[{"system":"http://npi","value":"1"}]},
            "request":{"method":"PUT","url":"Organization?identifier=http://npi|1"}},
            {"resource":{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"urn:uuid:o"}},
            "request":{"method":"POST","url":"Patient"}}]}
            """#)

        let report = try load()

        #expect(report.problems.isEmpty)
        #expect(report.byType[.organization] == ImportReport.Counts(created: 1, updated: 1, unchanged: 0, matched: 1))
        #expect(try store.counts() == [.organization: 1, .patient: 1])
        #expect(try reference("Patient/p", "managingOrganization") == "Organization/org")
    }

    @Test func `conditional references may find what comes later, and what they never find is reported`() throws {
        try folder.write(
            "a.ndjson",
            """
            {"resourceType":"Patient","id":"p","managingOrganization":{"reference":"Organization?identifier=http://npi|1"}}
            {"resourceType":"Patient","id":"q","managingOrganization":{"reference":"Organization?identifier=http://npi|2"}}
            {"resourceType":"Patient","id":"r","managingOrganization":{"reference":"Organization?unheard=of"}}
            """)
        try folder.write(
            "b.json", #"{"resourceType":"Organization","id":"org","identifier":[{"system":"http://npi","value":"1"}]}"#)

        let report = try load()

        #expect(try reference("Patient/p", "managingOrganization") == "Organization/org")
        #expect(try store.current(try #require(InstanceKey("Patient/p")))?.version == 1)
        #expect(try reference("Patient/q", "managingOrganization") == "Organization?identifier=http://npi|2")
        #expect(report.problems.map(\.place) == ["line 2", "line 3"])
        #expect(report.byType[.patient]?.created == 3)
        #expect(report.danglingReferences.map(\.count) == [1, 1])
    }

    @Test func `references that lead nowhere are reported and loaded as they stand`() throws {
        try folder.write(
            "a.ndjson",
            """
            {"resourceType":"Observation","id":"1","subject":{"reference":"Patient/gone"},"contained":[{"resourceType":"Device","id":"d"}],"device":{"reference":"#d"}}
            {"resourceType":"Observation","id":"2","subject":{"reference":"Patient/gone"},"encounter":{"reference":"urn:uuid:7"}}
            {"resourceType":"Observation","id":"3","subject":{"reference":"http://elsewhere/Patient/x"},"performer":[{"display":"nobody"}],"focus":[{"reference":"Observation/1"}]}
            """)

        let report = try load()

        #expect(report.problems.isEmpty)
        #expect(report.danglingReferences.map(\.reference) == ["Patient/gone", "urn:uuid:7"])
        #expect(report.danglingReferences.map(\.count) == [2, 1])
        #expect(report.danglingReferences.first?.firstSource.description == "Observation/1")
        #expect(try reference("Observation/2", "subject") == "Patient/gone")
    }

    @Test func `a second import changes nothing, and a changed record is a new version`() throws {
        try folder.write(
            "a.json", #"{"resourceType":"Patient","id":"p","gender":"male","meta":{"tag":[{"code":"t"}]}}"#)
        _ = try load()

        let second = try load()
        try folder.write("a.json", #"{"resourceType":"Patient","id":"p","gender":"female"}"#)
        let third = try load()

        #expect(second.byType[.patient] == ImportReport.Counts(created: 0, updated: 0, unchanged: 1, matched: 0))
        #expect(third.byType[.patient] == ImportReport.Counts(created: 0, updated: 1, unchanged: 0, matched: 0))
        #expect(try store.current(try #require(InstanceKey("Patient/p")))?.version == 2)
    }

    @Test func `folders are walked, shared files first, and progress is told`() throws {
        try folder.write("a/b/c.json", #"{"resourceType":"Patient","id":"p"}"#)
        try folder.write("d.ndjson", #"{"resourceType":"Patient","id":"q"}"#)
        try folder.write("hospitalInformation1.json", #"{"resourceType":"Organization","id":"o"}"#)
        var seen: [ImportProgress] = []

        let report = try SandboxImporter(store).importPaths([folder.path]) { seen.append($0) }

        #expect(report.filesRead == 3)
        #expect(
            seen.map { String($0.file.dropFirst(folder.path.count + 1)) } == [
                "hospitalInformation1.json", "a/b/c.json", "d.ndjson",
            ])
        #expect(seen.map(\.fileNumber) == [1, 2, 3])
        #expect(seen.map(\.fileCount) == [3, 3, 3])
        #expect(seen.map(\.resources) == [1, 2, 3])
    }
}
