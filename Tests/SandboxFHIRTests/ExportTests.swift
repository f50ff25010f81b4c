import FHIRCore
import Synchronization
import Testing

@testable import SandboxFHIR

@Suite struct `Bulk export` {
    /// Work that waits until the test lets it run.
    private final class Waiting: Sendable {
        private let work = Mutex<[@Sendable () -> Void]>([])

        func add(_ item: @escaping @Sendable () -> Void) { work.withLock { $0.append(item) } }

        func run() {
            let items = work.withLock { items in
                defer { items = [] }
                return items
            }
            for item in items { item() }
        }
    }

    private let waiting = Waiting()
    private let fixture: SandboxFixture

    init() throws {
        let group = #"""
            {"resourceType":"Group","id":"g","type":"person","actual":true,"member":[
            {"entity":{"reference":"Patient/a"}},{"entity":{"reference":"Patient/b"},"inactive":true},
            {"entity":{"reference":"Practitioner/dr"}}]}
            """#
        fixture = try SandboxFixture(
            records: SandboxFixture.records + [group],
            configuration: SandboxConfiguration(databasePath: nil, port: 0, maximumExportFileResources: 2),
            background: { [waiting] work in waiting.add(work) })
    }

    private static let asynchronous = ["prefer": "respond-async", "accept": "application/fhir+json"]

    private func header(_ name: String, _ response: SandboxResponse) -> String? {
        response.headers.first { $0.name == name }?.value
    }

    /// Kicks off an export and gives the address of its job.
    private func start(_ url: String) throws -> String {
        let response = fixture.send("GET", url, headers: Self.asynchronous)
        #expect(response.status == 202)
        return fixture.relative(try #require(header("Content-Location", response)))
    }

    /// The resources in the files of an export that runs to its end, by type.
    private func export(_ url: String) throws -> [String: [String]] {
        let job = try start(url)
        waiting.run()
        return try contents(try fixture.json(fixture.send("GET", job)))
    }

    private func contents(_ manifest: JSONValue) throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        for file in manifest["output"]?.array ?? [] {
            let type = try #require(file["type"]?.string)
            let response = fixture.send(
                "GET", fixture.relative(try #require(file["url"]?.string)), headers: ["accept": MediaType.ndjson])
            #expect(response.body.mediaType == MediaType.ndjson)
            let lines = try response.body.bytes.split(separator: UInt8(ascii: "\n")).map {
                try StoreTransaction.parse(Array($0))
            }
            #expect(Int64(lines.count) == file["count"]?.int)
            #expect(lines.allSatisfy { $0["resourceType"]?.string == type })
            found[type, default: []] += lines.compactMap { $0["id"]?.string }
        }
        return found
    }

    @Test(arguments: [
        ("$export", [:], 400), ("$export", ["prefer": "return=minimal"], 400),
        ("$export?_outputFormat=text/csv", asynchronous, 400), ("$export?_type=Nobody", asynchronous, 400),
        ("$export?_since=soon", asynchronous, 400), ("$export?_elements=id", asynchronous, 400),
        ("$export?patient=a", asynchronous, 400), ("Patient/$export?patient=Patient/a", asynchronous, 400),
        ("Group/nobody/$export", asynchronous, 404), ("$export?_typeFilter=status=final", asynchronous, 400),
        ("$export?_typeFilter=Observation?unheard=of", asynchronous, 400),
        ("$export?_typeFilter=Observation?_count=1", asynchronous, 400),
        ("$export?_type=Patient&_typeFilter=Observation?status=final", asynchronous, 400),
    ])
    func `a wrong kick-off begins nothing`(_ url: String, _ headers: [String: String], _ status: Int) throws {
        let response = fixture.send("GET", url, headers: headers)

        #expect(response.status == status)
        #expect(try fixture.json(response)["resourceType"] == "OperationOutcome")
        #expect(header("Content-Location", response) == nil)
    }

    @Test func `a job is polled, fetched and ended`() throws {
        let job = try start("$export?_type=Patient")

        let running = fixture.send("GET", job)
        #expect(running.status == 202)
        #expect(header("Retry-After", running) == "1")
        #expect(header("X-Progress", running) != nil)
        waiting.run()
        let done = fixture.send("GET", job)
        #expect(done.status == 200)
        #expect(done.mediaType == "application/json")
        #expect(header("Expires", done) != nil)
        let manifest = try fixture.json(done)
        #expect(manifest["request"]?.string == "\(SandboxFixture.base)/$export?_type=Patient")
        #expect(manifest["requiresAccessToken"] == false)
        #expect(manifest["error"] == [])
        #expect(manifest["transactionTime"]?.string?.hasSuffix("Z") == true)
        #expect(manifest["output"]?.array?.count == 2)
        #expect(try contents(manifest) == ["Patient": ["a", "b", "c"]])
        #expect(fixture.send("GET", "\(job)/Nobody-1.ndjson").status == 404)

        #expect(fixture.send("DELETE", job).status == 202)
        #expect(fixture.send("GET", job).status == 404)
        #expect(fixture.send("GET", "\(job)/Patient-1.ndjson").status == 404)
        #expect(fixture.send("DELETE", job).status == 404)
    }

    @Test func `a job that was ended before it ran leaves nothing`() throws {
        let job = try start("$export")

        #expect(fixture.send("DELETE", job).status == 202)
        waiting.run()

        #expect(fixture.send("GET", job).status == 404)
    }

    @Test func `the system exports everything once, as it stood when the job ran`() throws {
        let job = try start("$export")
        waiting.run()
        _ = fixture.send("DELETE", "Patient/c")
        _ = fixture.send("PUT", "Patient/b", body: #"{"resourceType":"Patient","id":"b","gender":"other"}"#)

        let found = try contents(try fixture.json(fixture.send("GET", job)))

        #expect(found["Patient"] == ["a", "b", "c"])
        #expect(found["Observation"] == ["o1", "o2", "o3", "o4", "o5"])
        #expect(found.values.map(\.count).reduce(0, +) == SandboxFixture.records.count + 1)
        #expect(try fixture.json(fixture.send("GET", "Patient/b"))["gender"] == "other")
    }

    @Test(arguments: [
        (
            "Patient/$export?_type=Patient,Observation",
            ["Patient": ["a", "b", "c"], "Observation": ["o1", "o2", "o3"]]
        ),
        (
            "Group/g/$export?_type=Patient,Observation,Organization",
            ["Patient": ["a"], "Observation": ["o1", "o2"], "Organization": ["org", "parent"]]
        ),
        ("$export?_typeFilter=Observation?status=preliminary&_type=Observation", ["Observation": ["o3"]]),
        (
            "$export?_type=Observation,Patient&_typeFilter=Observation?status=preliminary,Observation?code=8867-4,718-7%26status=final",
            ["Observation": ["o1", "o2", "o3"], "Patient": ["a", "b", "c"]]
        ),
    ])
    func `levels, types and filters choose what is exported`(_ url: String, _ expected: [String: [String]]) throws {
        #expect(try export(url) == expected)
    }

    @Test func `since a time only what was written later is exported`() throws {
        let time = try #require(fixture.send("GET", "Coverage/cov").lastModified)

        let found = try export("$export?_since=\(FHIRTime.instant(time))")

        #expect(Set(found.keys) == ["ExplanationOfBenefit", "Invoice", "Group"])
    }

    @Test func `patients can be named in a POST, members of the group only`() throws {
        func kickOff(_ url: String, _ patient: String) -> SandboxResponse {
            fixture.send(
                "POST", url, headers: Self.asynchronous,
                body: #"""
                    {"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"\#(patient)"}},
                    {"name":"_type","valueString":"Patient"}]}
                    """#)
        }
        #expect(kickOff("Group/g/$export", "Patient/b").status == 400)
        #expect(kickOff("Group/g/$export", "Group/g").status == 400)
        #expect(kickOff("$export", "Patient/b").status == 400)

        let response = kickOff("Patient/$export", "Patient/b")
        waiting.run()

        let job = fixture.relative(try #require(header("Content-Location", response)))
        #expect(try contents(try fixture.json(fixture.send("GET", job))) == ["Patient": ["b"]])
    }

    @Test func `what is not known is passed over when the client asks for leniency`() throws {
        let headers = ["prefer": "respond-async, handling=lenient"]

        #expect(fixture.send("GET", "$export?includeAssociatedData=x", headers: headers).status == 202)
    }

    @Test func `an export cannot stand in a Bundle`() throws {
        let response = fixture.send(
            "POST", "",
            body: #"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"$export"}}]}"#)

        let status = try fixture.json(response)["entry"]?.array?.first?["response"]?["status"]?.string
        #expect(status?.hasPrefix("400") == true)
    }

    @Test func `jobs are bounded while none has ended`() throws {
        for _ in 0..<64 { _ = try start("$export?_type=Patient") }

        #expect(fixture.send("GET", "$export", headers: Self.asynchronous).status == 429)
        waiting.run()
        #expect(fixture.send("GET", "$export", headers: Self.asynchronous).status == 202)
    }

    @Test func `files are streamed over HTTP`() async throws {
        try await RunningSandbox.with { sandbox in
            for number in 0..<450 {
                try sandbox.server.store.update(Array(#"{"resourceType":"Patient","id":"p\#(number)"}"#.utf8))
            }
            let kickOff = try await sandbox.send("GET", "/fhir/Patient/$export", headers: ["Prefer": "respond-async"])
            let job = try #require(kickOff.headers["content-location"])
            let path = String(job.dropFirst("http://127.0.0.1:\(sandbox.port)".count))
            var answer = try await sandbox.send("GET", path)
            while answer.status == 202 { answer = try await sandbox.send("GET", path) }

            let file = try #require(answer.json?["output"]?.array?.first?["url"]?.string)
            let lines = try await sandbox.send("GET", String(file.dropFirst("http://127.0.0.1:\(sandbox.port)".count)))

            #expect(lines.headers["content-type"] == "application/fhir+ndjson")
            #expect(lines.body.split(separator: UInt8(ascii: "\n")).count == 450)
        }
    }
}
