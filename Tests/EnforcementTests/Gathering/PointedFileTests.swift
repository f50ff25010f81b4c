import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Files that a report or a picture points at: they are read where the resource that points may be read, and nobody opens
/// one by pointing (enforcer digest b.4 row 28, ADR 0045).
@Suite(.underMutation) struct PointedFileTests {
    /// A type that has files, with a resource of it.
    enum Pointer: String, CaseIterable {
        case report = "DiagnosticReport"
        case picture = "Media"

        func resource(_ id: String?, of patient: String, file: String) -> JSONValue {
            var members = [
                JSONMemberValue("resourceType", .string(rawValue)), JSONMemberValue("status", "final"),
                JSONMemberValue("subject", ["reference": .string("Patient/\(patient)")]),
            ]
            if let id { members.append(JSONMemberValue("id", .string(id))) }
            switch self {
            case .report:
                members.append(JSONMemberValue("code", ["text": "x"]))
                members.append(JSONMemberValue("presentedForm", [["url": .string(file)]]))
            case .picture: members.append(JSONMemberValue("content", ["url": .string(file)]))
            }
            return .object(members)
        }
    }

    private static func file(_ id: String, _ text: String, context: String? = nil) -> JSONValue {
        var members = [
            JSONMemberValue("resourceType", "Binary"), JSONMemberValue("id", .string(id)),
            JSONMemberValue("contentType", "text/plain"), JSONMemberValue("data", .string(text)),
        ]
        if let context { members.append(JSONMemberValue("securityContext", ["reference": .string(context)])) }
        return .object(members)
    }

    /// `own` is pointed at by a record of pA, `foreign` by one of pB.
    private static func records(_ pointer: Pointer, context: String? = nil) -> [JSONValue] {
        [
            ["resourceType": "Patient", "id": "pA"], ["resourceType": "Patient", "id": "pB"],
            pointer.resource("r1", of: "pA", file: "Binary/own"),
            pointer.resource("r2", of: "pB", file: "\(GatewayHarness.upstreamBase)/Binary/foreign"),
            pointer.resource("r3", of: "pA", file: "Binary/versioned/_history/1"),
            pointer.resource("r4", of: "pA", file: "https://elsewhere.example/fhir/Binary/elsewhere"),
            file("own", "b3du", context: context), file("foreign", "Zm9y"), file("versioned", "dmVy"),
            file("elsewhere", "ZWxz"), file("nobodys", "bm9i"),
        ]
    }

    enum Server: CaseIterable {
        case sandbox, obedient, lenient

        func upstream(_ records: [JSONValue]) throws -> ScriptedUpstream {
            switch self {
            case .sandbox: try SandboxUpstream(records, deleted: []).upstream
            case .obedient:
                ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .obedient).upstream
            case .lenient: ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .lenient).upstream
            }
        }
    }

    @Test(.verifies("house@file-by-proven-link"), arguments: Pointer.allCases, Server.allCases)
    func `a file is read where what points at it may be read, and nowhere else`(
        pointer: Pointer, server: Server
    ) async throws {
        let harness = try GatewayHarness(upstream: try server.upstream(Self.records(pointer)))
        let token = try harness.token(scope: "patient/\(pointer.rawValue).r", patient: "pA")

        let own = await harness.send("GET", "/Binary/own", token: token)
        let missing = await harness.send("GET", "/Binary/never", token: token)

        #expect(own.status == 200 && own.keys == ["Binary/own"])
        #expect(own.records.last?.index.outcome == "permitted")
        for id in ["foreign", "versioned", "elsewhere", "nobodys"] {
            let other = await harness.send("GET", "/Binary/\(id)", token: token)
            #expect(other.status == 404 && other.body == missing.body, "\(id)")
            #expect(other.upstream.map(\.path) == missing.upstream.map(\.path), "\(id)")
        }
    }

    @Test(.verifies("house@file-by-proven-link"), arguments: Pointer.allCases)
    func `without the letter for reading what points, it proves nothing`(pointer: Pointer) async throws {
        let harness = try GatewayHarness(upstream: try Server.obedient.upstream(Self.records(pointer)))
        let token = try harness.token(
            scope: "patient/\(pointer.rawValue).s patient/Observation.rs", patient: "pA")

        let answer = await harness.send("GET", "/Binary/own", token: token)

        #expect(answer.status == 403 && answer.upstream.isEmpty)
    }

    @Test(
        .verifies("house@file-by-proven-link"), arguments: Pointer.allCases,
        [
            (nil, 200), ("Patient/pA", 200), ("Patient/pB", 404), ("TYPE/r1", 200), ("TYPE/r2", 404),
            ("Encounter/e", 404),
        ])
    func `a file that says whose it is is nobody else's`(
        pointer: Pointer, context: (reference: String?, status: Int)
    ) async throws {
        let reference = context.reference?.replacing("TYPE", with: pointer.rawValue)
        let harness = try GatewayHarness(
            upstream: try Server.obedient.upstream(Self.records(pointer, context: reference)))

        for scope in ["patient/\(pointer.rawValue).r", "patient/*.rs"] {
            let token = try harness.token(scope: scope, patient: "pA")
            let answer = await harness.send("GET", "/Binary/own", token: token)

            #expect(answer.status == context.status, "\(scope)")
        }
    }

    @Test(.verifies("house@file-by-proven-link"), arguments: Pointer.allCases)
    func `whoever reaches every patient does not look through everybody's records for a file`(
        pointer: Pointer
    ) async throws {
        let harness = try GatewayHarness(
            upstream: try Server.obedient.upstream(Self.records(pointer)),
            panels: .table(users: [:], clients: [ClientID("app"): .everyone]))
        let token = try harness.token(scope: "system/\(pointer.rawValue).rs", subject: nil)

        let answer = await harness.send("GET", "/Binary/own", token: token)

        #expect(answer.status == 403 && answer.upstream.isEmpty)
    }

    @Test(.verifies("house@file-by-proven-link"), arguments: Pointer.allCases)
    func `nobody opens a file by writing what points at it`(pointer: Pointer) async throws {
        let harness = try GatewayHarness(upstream: try Server.obedient.upstream(Self.records(pointer)))
        let token = try harness.token(scope: "patient/*.cruds", patient: "pA")
        let json = [(name: "Content-Type", value: "application/fhir+json")]
        let patch = [(name: "Content-Type", value: "application/json-patch+json")]
        let place = pointer == .report ? "/presentedForm/0/url" : "/content/url"

        for file in ["Binary/foreign", "\(GatewayHarness.publicBase)/Binary/foreign"] {
            let created = await harness.send(
                "POST", "/\(pointer.rawValue)", token: token, headers: json,
                body: pointer.resource(nil, of: "pA", file: file).serialized)
            let updated = await harness.send(
                "PUT", "/\(pointer.rawValue)/r1", token: token, headers: json,
                body: pointer.resource("r1", of: "pA", file: file).serialized)
            let patched = await harness.send(
                "PATCH", "/\(pointer.rawValue)/r1", token: token, headers: patch,
                body: Array(#"[{"op":"replace","path":"\#(place)","value":"\#(file)"}]"#.utf8))
            for answer in [created, updated, patched] {
                #expect((400..<500).contains(answer.status), "\(file): \(answer.status)")
                #expect(answer.upstream.allSatisfy { $0.method == .get }, "\(file)")
            }
        }
        let after = await harness.send("GET", "/Binary/foreign", token: token)
        #expect(after.status == 404)
    }
}
