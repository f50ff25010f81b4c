import FHIRCore
import Foundation
import Logging
import Testing

@testable import SandboxFHIR

@Suite struct `The sandbox over HTTP` {
    @Test(arguments: ["0.0.0.0", "192.168.1.5", "::", "example.org", "128.0.0.1", "127.0.0.1.example.org", ""])
    func `a host that is not loopback is refused`(_ host: String) throws {
        let configuration = SandboxConfiguration(databasePath: nil, host: host, port: 0)

        #expect(throws: SandboxFailure.self) {
            try SandboxServer(configuration: configuration, logger: Logger(label: "test"))
        }
    }

    @Test(arguments: ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
    func `loopback hosts are taken`(_ host: String) throws {
        _ = try SandboxServer(
            configuration: SandboxConfiguration(databasePath: nil, host: host, port: 0), logger: Logger(label: "test"))
    }

    @Test func `a request under another host name is answered 421`() async throws {
        try await RunningSandbox.with { sandbox in
            let answer = try await sandbox.send("GET", "/fhir/metadata", headers: ["Host": "records.example.org"])

            #expect(answer.status == 421)
        }
    }

    @Test func `a resource is created, read, found and deleted`() async throws {
        try await RunningSandbox.with { sandbox in
            let created = try await sandbox.send(
                "POST", "/fhir/Patient", body: #"{"resourceType":"Patient","gender":"female"}"#)
            let id = try #require(created.json?["id"]?.string)
            #expect(created.status == 201)
            #expect(created.headers["etag"] == "W/\"1\"")
            #expect(
                created.headers["location"] == "http://127.0.0.1:\(sandbox.port)/fhir/Patient/\(id)/_history/1")

            let read = try await sandbox.send("GET", "/fhir/Patient/\(id)")
            #expect(read.status == 200)
            #expect(read.headers["content-type"] == "application/fhir+json")
            #expect(read.headers["last-modified"]?.hasSuffix("GMT") == true)
            #expect(read.body == created.body)

            let found = try await sandbox.send("GET", "/fhir/Patient?gender=female")
            #expect(found.json?["total"] == 1)
            let entry = found.json?["entry"]?.array?.first
            #expect(entry?["fullUrl"]?.string == "http://127.0.0.1:\(sandbox.port)/fhir/Patient/\(id)")

            let coded = try await sandbox.send("GET", "/fhir/Patient?gender=%66emale%2Cmale&_id=\(id)%2Bx,\(id)")
            #expect(coded.json?["total"] == 1)

            let posted = try await sandbox.send(
                "POST", "/fhir/Patient/_search", headers: ["Content-Type": "application/x-www-form-urlencoded"],
                body: "gender=male")
            #expect(posted.json?["total"] == 0)

            #expect(try await sandbox.send("DELETE", "/fhir/Patient/\(id)").status == 204)
            #expect(try await sandbox.send("GET", "/fhir/Patient/\(id)").status == 410)
        }
    }

    @Test func `HEAD answers the headers of GET without a body`() async throws {
        try await RunningSandbox.with { sandbox in
            try sandbox.server.store.update(Array(#"{"resourceType":"Patient","id":"a"}"#.utf8))

            let answer = try await sandbox.send("HEAD", "/fhir/Patient/a")

            #expect(answer.status == 200)
            #expect(answer.body.isEmpty)
            #expect(answer.headers["etag"] == "W/\"1\"")
        }
    }

    @Test func `a body over the limit is answered 413`() async throws {
        var configuration = SandboxConfiguration(databasePath: nil, port: 0)
        configuration.maximumBodyBytes = 100
        try await RunningSandbox.with(configuration) { sandbox in
            let body = #"{"resourceType":"Patient","x":""# + String(repeating: "y", count: 200) + #""}"#

            let answer = try await sandbox.send("POST", "/fhir/Patient", body: body)

            #expect(answer.status == 413)
            #expect(answer.json?["resourceType"] == "OperationOutcome")
        }
    }

    @Test(arguments: ["/Patient", "/fhirs/Patient", "/"])
    func `a path outside the base is not found`(_ path: String) async throws {
        try await RunningSandbox.with { sandbox in
            let answer = try await sandbox.send("GET", path)

            #expect(answer.status == 404)
        }
    }

    @Test func `concurrent writers and readers all get their answer`() async throws {
        try await RunningSandbox.with { sandbox in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        let body = #"{"resourceType":"Patient","id":"p\#(number % 4)"}"#
                        return try await sandbox.send("PUT", "/fhir/Patient/p\(number % 4)", body: body).status
                    }
                    group.addTask { try await sandbox.send("GET", "/fhir/Patient").status }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }

            #expect(statuses.count == 40)
            #expect(statuses.allSatisfy { $0 == 200 || $0 == 201 })
            #expect(statuses.filter { $0 == 201 }.count == 4)
            for number in 0..<4 {
                let key = try #require(InstanceKey("Patient/p\(number)"))
                #expect(try sandbox.server.store.history(key).map(\.version) == [5, 4, 3, 2, 1])
            }
        }
    }
}
