import Audit
import Authorization
import FHIRCore
import Foundation
import Logging
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// What is in force is recorded when it changes: which policy, from what to what, in which file, and not what it says.
@Suite(.verifies("audit@policy-changes")) struct PolicyRecordTests {
    private func inFolder<Value>(_ work: (String) async throws -> Value) async throws -> Value {
        let folder = try RunningServer.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await work(folder)
    }

    private func configuration(_ folder: String, _ more: String = "", server: String = "") throws -> Configuration {
        let yaml = """
            issuer: http://localhost:8080
            state-directory: \(folder)
            fhir-server: {upstream: "http://127.0.0.1:9"\(server)}
            \(more)
            """
        return try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
    }

    /// Starts, records what is in force, stops; the records of this start, oldest first.
    private func start(_ configuration: Configuration) async throws -> [AuthorizationRecord] {
        let installation = try await Installation(
            configuration: configuration, for: .serving(demandsFewAbsent: false))
        func all() throws -> [AuthorizationRecord] {
            try installation.auditReader.search(
                AuditQuery(kinds: ["policy-changed", "configuration-changed"], limit: 100)
            ).entries.reversed().compactMap { entry in
                guard case .authorization(let record) = try entry.statement().event else { return nil }
                return record
            }
        }
        let before = try all().count
        try await installation.noteWhatIsInForce()
        let new = Array(try all().dropFirst(before))
        try await installation.close()
        return new
    }

    private struct UnexpectedRefusal: Error {}

    private func names(_ records: [AuthorizationRecord]) -> [String] {
        records.map { record in
            record.kind == .configurationChanged
                ? "configuration" : String((record.detail ?? "").split(separator: " ")[1])
        }
    }

    private static let policies: Set = [
        "operations", "protected-server", "programs", "panels", "trusted-issuers", "sign-in", "audit",
    ]

    @Test func `the first start records everything, the second nothing`() async throws {
        try await inFolder { folder in
            let first = try await start(try configuration(folder))
            let second = try await start(try configuration(folder))

            #expect(Set(names(first)) == Self.policies.union(["configuration"]))
            #expect(first.allSatisfy { $0.detail?.contains("before none") == true && $0.actor == "configuration" })
            #expect(second == [])
        }
    }

    static let changes: [(String, String, [String])] = [
        ("", ", regulated: false", ["protected-server"]),
        ("", ", reverse-chaining: true", ["protected-server"]),
        ("", ", answer-megabytes: 9", ["configuration"]),
        ("lifetimes: {access-token: 61}", "", ["configuration"]),
        ("panels: {Practitioner/p: [patient-a]}", "", ["panels"]),
        ("audit: {reporting-entity: H1}", "", ["audit"]),
        ("audit: {organizations: {app: Example}}", "", ["audit"]),
    ]

    @Test(arguments: changes) func `a change is recorded as what it is, with both digests`(
        more: String, server: String, changed: [String]
    ) async throws {
        try await inFolder { folder in
            let first = try await start(try configuration(folder))
            let second = try await start(try configuration(folder, more, server: server))
            let third = try await start(try configuration(folder))

            #expect(names(second).sorted() == changed.sorted())
            #expect(names(third).sorted() == changed.sorted())
            for record in second {
                let old = first.first { names([$0]) == names([record]) }
                let words = (old?.detail ?? "").split { " ,:".contains($0) }
                let digest = words[record.kind == .configurationChanged ? 1 : 2]
                #expect(record.detail?.contains("before \(digest)") == true, "\(record.detail ?? "")")
            }
        }
    }

    @Test func `a client's scopes are a policy, and its record does not say them`() async throws {
        try await inFolder { folder in
            func client(_ scopes: String) throws -> Configuration {
                try configuration(
                    folder,
                    """
                    clients:
                      - id: ward
                        kind: public
                        program: patient-access
                        redirect-uris: [https://ward.example.org/callback]
                        grant-types: [authorization_code]
                        scopes: launch/patient openid \(scopes)
                    """)
            }
            _ = try await start(try client("patient/Condition.rs"))
            let changed = try await start(try client("patient/Observation.rs"))

            #expect(names(changed) == ["programs"])
            #expect(!"\(changed)".contains("Observation"))
        }
    }

    @Test func `equal sets and tables have equal text, whatever their order`() {
        let many = Set((0..<100).map { "x\($0)" })
        var other: Set<String> = []
        for item in many.sorted() { other.insert(item) }
        #expect(CanonicalText.of(many) == CanonicalText.of(other))
        #expect(CanonicalText.of(["a": 1, "b": 2]) == CanonicalText.of(["b": 2, "a": 1]))
        #expect(CanonicalText.of(["a": 1]) != CanonicalText.of(["a": 2]))
        #expect(CanonicalText.of(Optional<String>.none) != CanonicalText.of("none"))
        #expect(CanonicalText.of(["a", "b"]) != CanonicalText.of(["b", "a"]))
        #expect(CanonicalText.of(["a,b"]) != CanonicalText.of(["a", "b"]))
    }

    @Test func `a roster that is taken in anew is recorded with its digest, and one that is refused as refused`()
        async throws
    {
        try await inFolder { folder in
            let configuration = try configuration(folder)
            let installation = try await Installation(configuration: configuration)
            let path = "\(folder)/roster.jsonl"
            let file = RosterFile(
                provider: "plan", path: path, feed: MemberRosterFeed(clock: .system),
                kept: KeptRoster(
                    folder: folder, provider: "plan", issuer: "https://idp.example", claim: "sub",
                    limit: RosterFile.limit), seconds: 1
            )
            #expect(file.policy() == nil)
            func roster(_ login: String) throws -> PolicyInForce {
                let text = """
                    {"roster": "members", "date": "2026-01-01", "lines": 1}
                    {"login": "\(login)", "person": "Patient/p"}
                    """
                try PrivateFile.write(Array(text.utf8), to: path)
                guard case .taken = file.load() else { throw UnexpectedRefusal() }
                // What lies there by the time of the record is another file already.
                try PrivateFile.write(Array("{".utf8), to: path)
                let policy = try #require(file.policy())
                #expect(policy == PolicyInForce("roster:plan", settings: [], files: [(path, Array(text.utf8))]))
                return policy
            }
            let refused = file.policy(refused: "its date is yet to come")

            try await installation.note(try roster("one"))
            try await installation.note(try roster("one"))
            try await installation.note(refused, outcome: .refused(reason: "its date is yet to come"))
            try await installation.note(try roster("one"))
            try await installation.note(try roster("two"))

            let records = try installation.auditReader.search(AuditQuery(kinds: ["policy-changed"], limit: 10))
                .entries.reversed().compactMap { entry -> AuthorizationRecord? in
                    guard case .authorization(let record) = try entry.statement().event else { return nil }
                    return record
                }
            #expect(records.map(\.outcome.code) == ["succeeded", "refused", "succeeded"])
            #expect(records.allSatisfy { $0.detail?.contains(path) == true })
            try await installation.close()
        }
    }
}
