import AccessPolicy
import Audit
import Authorization
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Every reading of the trail through an installation that no server holds leaves a record, as through the listener: it is
/// the same call.
@Suite struct ReadingRecordTests {
    private static let readings:
        [(method: AdminRequest.Method, path: [String], query: [String: String], asked: String)] = [
            (.get, ["audit"], ["patient": "patient-a", "limit": "5"], "limit=5&patient=patient-a"),
            (.get, ["audit", "report"], ["patient": "patient-a"], "patient=patient-a"),
            (.get, ["audit", "DECISION"], [:], "decision=DECISION"),
            (.get, ["audit", "nothing"], [:], "decision=nothing"),
            (.post, ["audit", "proofs"], ["decision": "DECISION"], "proof of decision=DECISION"),
            (.post, ["audit", "exports"], ["format": "csv"], "format=csv"),
            (.get, ["audit", "keys"], [:], "keys to verify with"),
            (.get, ["audit", "checkpoints"], [:], "checkpoints"),
            (.get, ["audit", "holds"], [:], "holds"),
        ]

    private static func with(_ work: (Installation) async throws -> Void) async throws {
        try await ServerFolder.with { folder in
            let yaml = "issuer: http://localhost:9\nstate-directory: \(folder)/state\n"
            let installation = try await Installation(
                configuration: try Configuration(settings: try Setting(yaml: yaml), isDemo: true),
                for: .serving(demandsFewAbsent: false))
            let result: Result<Void, any Error>
            do { result = .success(try await work(installation)) } catch { result = .failure(error) }
            try await installation.close()
            try result.get()
        }
    }

    private static func read(_ installation: Installation) throws -> [AuthorizationRecord] {
        try installation.auditReader.search(AuditQuery(kinds: ["audit-read"], limit: 1000)).entries.compactMap {
            if case .authorization(let record) = try $0.statement().event { record } else { nil }
        }
    }

    @Test(.verifies("audit@readings")) func `each reading is recorded, with what was asked`() async throws {
        try await Self.with { installation in
            let step = AuthorizationRecord(
                id: DecisionID("some-step"), kind: .consent, patient: "patient-a", outcome: .succeeded, at: 1)
            try await installation.recorder.record(step)
            for (method, path, query, asked) in Self.readings {
                let named = { (text: String) in text.replacing("DECISION", with: "some-step") }
                let before = try Self.read(installation).count
                let request = AdminRequest(
                    method, path.map(named), query: query.mapValues(named), actor: .local, sourceAddress: "local")
                do throws(Problem) { _ = try await installation.adminAPI.answer(request) } catch {
                    #expect(path == ["audit", "nothing"] && error.status == 404, "\(path): \(error)")
                }
                let after = try Self.read(installation)
                #expect(after.count == before + 1, "\(path)")
                #expect(after.first?.detail == named(asked), "\(path)")
                #expect(after.first?.actor == "local")
                // What is about one patient is found by that patient.
                let isAboutOne = asked.contains("patient-a") || asked.contains("DECISION")
                #expect(after.first?.patient == (isAboutOne ? "patient-a" : nil), "\(path)")
            }
        }
    }

    @Test(.verifies("audit@readings"), arguments: ["/a", "Patient/", "a b", "Patient/a/b"])
    func `a report about nobody is refused`(patient: String) async throws {
        try await Self.with { installation in
            for path in [["audit"], ["audit", "report"]] {
                let request = AdminRequest(
                    .get, path, query: ["patient": patient], actor: .local, sourceAddress: "local")
                await #expect(throws: Problem.self) { try await installation.adminAPI.answer(request) }
            }
            let unknown = AdminRequest(.get, ["audit"], query: ["outcome": "ok"], actor: .local, sourceAddress: "local")
            await #expect(throws: Problem.self) { try await installation.adminAPI.answer(unknown) }
        }
    }
}
