import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Submissions through the whole gateway: what is looked up first, and what the opening record says.
@Suite struct SubmissionAnswerTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]

    private static func submission(_ coverage: String) -> [UInt8] {
        Array(
            #"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Claim","id":"c","patient":{"reference":"urn:uuid:2"},"insurance":[{"sequence":1,"focal":true,"coverage":{"reference":"\#(coverage)"}}]}},{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Patient","id":"pA"}}]}"#
                .utf8)
    }

    private static func site(
        change: @escaping @Sendable (UpstreamRequest, ScriptedUpstream.Reply) -> ScriptedUpstream.Reply = { $1 }
    ) throws -> (GatewayHarness, String) {
        let records = ["covA": "pA", "covB": "pB"].sorted { $0.key < $1.key }.map { id, patient -> JSONValue in
            [
                "resourceType": "Coverage", "id": .string(id), "status": "active",
                "beneficiary": ["reference": .string("Patient/\(patient)")],
            ]
        }
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase)
        let upstream = store.upstream.mapping { request, reply in
            let answer = #"{"resourceType":"Bundle","type":"collection"}"#
            return request.method == .post
                ? .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(answer.utf8))
                : change(request, reply)
        }
        let harness = try GatewayHarness(
            upstream: upstream,
            panels: .table(
                users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])]))
        return (harness, try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1"))
    }

    @Test(.verifies("house@OPS-03"), arguments: ["$submit", "$inquire"])
    func `a foreign record, none and one that is too large are refused alike`(operation: String) async throws {
        let (harness, token) = try Self.site { request, reply in
            request.path == "/Coverage/large" ? .failure(.tooLarge) : reply
        }
        var faces: Set<[UInt8]> = []

        for id in ["covB", "none", "large"] {
            let answer = await harness.send(
                "POST", "/Claim/\(operation)", token: token, headers: Self.json,
                body: Self.submission("Coverage/\(id)"))
            #expect(answer.status == 422, "\(answer.text)")
            #expect(answer.upstream.map(\.path) == ["/Coverage/\(id)"])
            faces.insert(answer.body)
        }

        #expect(faces.count == 1)
    }

    // MARK: - what is stored of it

    /// By what a server stores what is handed in to it.
    enum Keeping: CaseIterable, Sendable {
        /// Its id, whatever the address.
        case id
        /// The address, where that is the server's own.
        case ownAddress
        /// Whatever the address ends with, on whatever host.
        case tail
        /// The name behind `urn:uuid:`.
        case name

        /// The id that an entry would be stored under; nil for a new one.
        func place(of entry: JSONValue) -> String? {
            let address = entry["fullUrl"]?.string ?? ""
            let last = address.split(separator: "/").last.map(String.init)
            return switch self {
            case .id: entry["resource"]?["id"]?.string
            case .ownAddress: address.hasPrefix(GatewayHarness.upstreamBase) ? last : nil
            case .tail: last
            case .name: address.hasPrefix("urn:uuid:") ? String(address.dropFirst(9)) : nil
            }
        }
    }

    private static func storing(by keeping: Keeping, _ stored: Stored) -> ScriptedUpstream {
        ScriptedUpstream { request in
            guard request.method == .post, let bundle = try? JSONValue(parsing: request.body) else {
                guard let record = stored.records.withLock({ $0[String(request.path.dropFirst())] }) else {
                    return .answer(UpstreamHead(status: 404, contentType: "application/fhir+json"), [])
                }
                return .answer(
                    UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(record.utf8))
            }
            for entry in bundle["entry"]?.array ?? [] {
                guard let resource = entry["resource"], let type = resource["resourceType"]?.string else { continue }
                let id = keeping.place(of: entry)
                stored.records.withLock {
                    $0["\(type)/\(id ?? "new-\($0.count)")"] = String(decoding: resource.serialized, as: UTF8.self)
                }
            }
            let answer = #"{"resourceType":"Bundle","type":"collection"}"#
            return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(answer.utf8))
        }
    }

    private final class Stored: Sendable {
        let records: Mutex<[String: String]>
        init(_ records: [String: String]) { self.records = Mutex(records) }
    }

    @Test(
        .verifies("house@OPS-03"), arguments: Keeping.allCases.flatMap { [($0, true), ($0, false)] },
        [
            "", "urn:uuid:9", "urn:uuid:ID", "http://ehr.example/TYPE/ID", "\(GatewayHarness.upstreamBase)/TYPE/ID",
            "\(GatewayHarness.upstreamBase)/TYPE/ID/", "x/\(GatewayHarness.upstreamBase)/ID",
        ])
    func `no submission replaces what is not within reach, however the server stores it`(
        server: (keeping: Keeping, hasID: Bool), address: String
    ) async throws {
        let (keeping, hasID) = server
        let foreign = [
            "Claim/cB": #"{"resourceType":"Claim","id":"cB","patient":{"reference":"Patient/pB"}}"#,
            "Coverage/covB": #"{"resourceType":"Coverage","id":"covB","beneficiary":{"reference":"Patient/pB"}}"#,
            "Organization/o": #"{"resourceType":"Organization","id":"o","name":"The payer"}"#,
        ]
        let handedIn = [
            "Claim/cB": #"{"resourceType":"Claim","id":"cB","patient":{"reference":"Patient/pA"}}"#,
            "Coverage/covB": #"{"resourceType":"Coverage","id":"covB","beneficiary":{"reference":"Patient/pA"}}"#,
            "Organization/o": #"{"resourceType":"Organization","id":"o","name":"Mine"}"#,
        ]
        for (key, record) in handedIn {
            let stored = Stored(foreign)
            let harness = try GatewayHarness(
                upstream: Self.storing(by: keeping, stored),
                panels: .table(
                    users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])]
                ))
            let parts = key.split(separator: "/")
            let full = address.replacing("TYPE", with: parts[0]).replacing("ID", with: parts[1])
            let resource = hasID ? record : record.replacing(#""id":"\#(parts[1])","#, with: "")
            let entry = (full.isEmpty ? "" : #""fullUrl":"\#(full)","#) + #""resource":\#(resource)"#
            let claim =
                #"{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Claim","patient":{"reference":"Patient/pA"}}}"#
            let body = #"{"resourceType":"Bundle","type":"collection","entry":[\#(claim),{\#(entry)}]}"#

            let answer = await harness.send(
                "POST", "/Claim/$submit",
                token: try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1"), headers: Self.json,
                body: Array(body.utf8))

            let isOwn = address.hasSuffix("r4/TYPE/ID") || address.hasSuffix("fhir/TYPE/ID")
            #expect(answer.status == (isOwn ? key.hasPrefix("Org") ? 403 : 422 : 200), "\(answer.text)")
            let kept = stored.records.withLock { $0 }.filter { foreign.keys.contains($0.key) }
            #expect(kept == foreign)
        }
    }

    @Test(.verifies("house@OPS-03"))
    func `the names that entries go on with are different in each call`() async throws {
        let (harness, token) = try Self.site()
        var names: Set<String> = []

        for _ in 0..<2 {
            let answer = await harness.send(
                "POST", "/Claim/$submit", token: token, headers: Self.json, body: Self.submission("Coverage/covA"))
            let body = try JSONValue(parsing: try #require(answer.upstream.last).body)
            names.formUnion((body["entry"]?.array ?? []).compactMap { $0["fullUrl"]?.string })
        }

        #expect(names.count == 4 && names.isDisjoint(with: ["urn:uuid:1", "urn:uuid:2"]))
    }

    @Test(.verifies("house@OPS-03", "house@OPS-04"))
    func `the opening record of a call that changes something says whom and what it is about`() async throws {
        let (harness, token) = try Self.site()

        let answer = await harness.send(
            "POST", "/Claim/$submit", token: token, headers: Self.json, body: Self.submission("Coverage/covA"))

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.upstream.map(\.path) == ["/Coverage/covA", "/Claim/$submit"])
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
        #expect(answer.records.map(\.index.patients) == [["pA"], ["pA"]])
        guard case .access(let record)? = try answer.records.first?.statement().event else {
            Issue.record("no opening record")
            return
        }
        #expect(record.targets == ["POST Claim/c", "POST Patient/pA"])
    }
}
