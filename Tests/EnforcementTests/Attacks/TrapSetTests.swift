import ChaperoneTesting
import Enforcement
import FHIRCore
import Foundation
import RequirementTraits
import Testing

/// A set of records with one trap each, read and searched whole. It stands in a folder that is not part of this one and
/// is skipped where that is not there.
@Suite(.underMutation) struct TrapSetTests {
    private static let folder: URL? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let named = ProcessInfo.processInfo.environment["CHAPERONE_SHARED_DATA"].map { URL(filePath: $0) }
        let folder = (named ?? root.deletingLastPathComponent().appending(path: "shared/data")).appending(
            path: "enforcer")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    /// The server that holds the set.
    enum Server: CaseIterable {
        case sandbox, obedient, lenient
        /// Adds what is never visible to every search.
        case hostile

        func upstream(_ records: [JSONValue], foreign: [JSONValue]) throws -> ScriptedUpstream {
            let base = GatewayHarness.upstreamBase
            switch self {
            case .sandbox: return try SandboxUpstream(records, deleted: []).upstream
            case .obedient: return ScriptedRecords(records, base: base, obedience: .obedient).upstream
            case .lenient: return ScriptedRecords(records, base: base, obedience: .lenient).upstream
            case .hostile:
                return ScriptedRecords(records, base: base, obedience: .lenient).upstream
                    .hostile(.foreignEntries, foreign: foreign)
            }
        }
    }

    private struct Traps {
        let records: [JSONValue]
        let visible: Set<String>
        let undecided: Set<String>
        let never: Set<String>

        init() throws {
            func read(_ name: String) throws -> JSONValue {
                let folder = try #require(TrapSetTests.folder)
                return try JSONValue(parsing: [UInt8](try Data(contentsOf: folder.appending(path: "\(name).json"))))
            }
            records = (try read("two-patient-traps")["entry"]?.array ?? []).compactMap { $0["resource"] }
            let expected = try read("two-patient-traps-expected")
            visible = Set((expected["strictModeVisible"]?.array ?? []).compactMap(\.string))
            undecided = Set((expected["dependsOnPolicy"]?.object ?? []).map(\.name))
            let formal = Set((expected["formalCompartmentOnly"]?.object ?? []).map(\.name))
            never = Set((expected["neverVisible"]?.array ?? []).compactMap(\.string)).union(
                formal.subtracting(undecided))
        }

        func harness(_ server: Server) throws -> (GatewayHarness, String) {
            let foreign = records.filter { never.contains($0["id"]?.string ?? "") }
            let harness = try GatewayHarness(upstream: try server.upstream(records, foreign: foreign))
            return (harness, try harness.token(scope: "patient/*.rs", patient: "pA"))
        }

        var keys: [String] {
            records.compactMap { record in
                guard let type = record["resourceType"]?.string, let id = record["id"]?.string else { return nil }
                return "\(type)/\(id)"
            }
        }
    }

    private static func id(_ key: String) -> String { String(key.split(separator: "/").last ?? "") }

    @Test(
        .enabled(if: folder != nil), .verifies("attack@ATK-003", "attack@ATK-223", "attack@ATK-231"),
        arguments: Server.allCases)
    func `each record of the set is read by whom it belongs to and by nobody else`(
        server: Server
    ) async throws {
        let traps = try Traps()
        let (harness, token) = try traps.harness(server)
        #expect(traps.keys.count > 40)

        for key in traps.keys {
            let answer = await harness.send("GET", "/\(key)", token: token)
            let id = Self.id(key)
            if traps.never.contains(id) {
                #expect([403, 404].contains(answer.status), "\(key) \(answer.status)")
            } else if traps.visible.contains(id), !key.hasPrefix("Provenance/") {
                // A provenance is shown beside what it is about; see below.
                #expect(answer.status == 200, "\(key) \(answer.status) \(answer.text)")
            }
        }
    }

    @Test(
        .enabled(if: folder != nil), .verifies("attack@ATK-015", "attack@ATK-229", "attack@ATK-234"),
        arguments: Server.allCases)
    func `no search and no operation finds what is never visible`(server: Server) async throws {
        let traps = try Traps()
        let (harness, token) = try traps.harness(server)
        let types = Set(traps.keys.compactMap { $0.split(separator: "/").first.map(String.init) }).sorted()
        var found: Set<String> = []
        let targets =
            types.map { "/\($0)" } + types.map { "/Patient/pA/\($0)" }
            + [
                "/?_type=Observation,Condition,Coverage,Encounter", "/Patient/pA/$everything", "/Patient/$everything",
                "/DocumentReference/$docref", "/Observation/$lastn", "/Encounter/encA/Observation",
                "/Observation?_revinclude=Provenance:target&_include=Observation:performer&_include=Observation:subject",
                "/Patient?_revinclude=Observation:patient&_revinclude=Coverage:subscriber",
                "/Coverage?_include=Coverage:subscriber&_include=Coverage:beneficiary",
            ]

        for target in targets {
            let answer = await harness.send("GET", target, token: token)
            // The embedded server does not know every parameter and says so.
            let isOffered = answer.status != 400 || server != .sandbox
            #expect([200, 403].contains(answer.status) || !isOffered, "\(target) \(answer.status) \(answer.text)")
            let ids = Set(answer.keys.map(Self.id))
            #expect(ids.isDisjoint(with: traps.never), "\(target): \(ids.intersection(traps.never))")
            found.formUnion(ids)
        }

        let unfound: Set<String> = server == .sandbox ? ["binA", "obsA-abs"] : ["binA"]
        #expect(traps.visible.subtracting(found).isSubset(of: unfound), "\(traps.visible.subtracting(found))")
    }
}
