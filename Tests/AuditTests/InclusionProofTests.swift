import AccessPolicy
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Audit

/// One entry is proved without the others, and nothing else is.
@Suite(.verifies("audit@inclusion-proof")) struct InclusionProofTests {
    private let sink = InMemoryAuditSink()
    private let store: InMemoryCheckpointStore
    private let key: PrivateJWK
    private var keys: JWKSet { JWKSet([key.publicKey]) }

    /// Two nodes that write in turns, with three checkpoints each.
    init() async throws {
        store = InMemoryCheckpointStore(over: sink)
        key = try PrivateJWK.generate(.es256)
        for round in 0..<3 {
            for node in ["n", "m"] {
                let recorder = try AuditRecorder(sink: sink, node: node, clock: stillClock)
                for number in 0..<4 {
                    _ = try await recorder.record(
                        sampleRecord("\(node)-\(round)-\(number)") { $0.queryAsked = "name=\"Zoë\"\\" }
                    ).decisionID
                }
                try await AuditCheckpointer(node: node, store: store, key: key, clock: stillClock) {
                    try await recorder.recordOnce($0)
                }.make()
                recorder.shutdown()
            }
        }
    }

    private func proof(_ offset: Int) throws -> AuditInclusionProof {
        try AuditProver(store).proof(of: sink.entries[offset])
    }

    @Test func `every entry that a checkpoint reaches has a proof, which survives being written to a file`() throws {
        var proved = 0
        for entry in sink.entries {
            guard let proof = try? AuditProver(store).proof(of: entry) else { continue }
            let read = try AuditInclusionProof(json: try JSONValue(parsing: Array(proof.json.text.utf8)))
            #expect(read == proof)
            let shown = try read.verify(keys: keys)
            #expect(shown.hash == entry.hash)
            #expect(shown.statement == (try entry.statement()))
            #expect(shown.checkpoint.sequence >= entry.sequence)
            #expect(!shown.isAnchored)
            proved += 1
        }
        // All but the marks of the last checkpoints.
        #expect(proved == sink.entries.count - 2)
    }

    @Test func `a copy from outside is recognised`() throws {
        let proof = try proof(0)
        #expect(try proof.verify(keys: keys, anchors: [proof.checkpoint]).isAnchored)
        #expect(try !proof.verify(keys: keys, anchors: ["eyJ.a.b"]).isAnchored)
    }

    @Test func `what no checkpoint reaches has no proof`() throws {
        let last = try #require(sink.entries.last)
        #expect(throws: AuditProver.Refusal.notFixedYet) { _ = try AuditProver(store).proof(of: last) }
    }

    @Test func `a proof under a key that is not trusted shows nothing`() throws {
        let other = try PrivateJWK.generate(.es256)
        let proof = try proof(0)
        #expect(throws: AuditFormatError.self) { _ = try proof.verify(keys: JWKSet([other.publicKey])) }
    }

    @Test func `a proof does not serve another entry, place, node or checkpoint`() throws {
        let own = try proof(0)
        let other = try proof(1)
        let members = own.json.object ?? []
        for name in ["node", "sequence", "recordedAt", "previous", "entry", "following", "checkpoint"] {
            let later = name == "checkpoint" || name == "node" ? store.stored.last?.compact : nil
            let foreign: JSONValue? =
                switch name {
                case "node": .string("m")
                case "recordedAt": .int(own.recordedAt + 1)
                case "checkpoint": later.map { .string($0) }
                default: other.json[name]
                }
            let changed = JSONValue.object(
                members.map { $0.name == name ? JSONMemberValue(name, foreign ?? .null) : $0 })
            #expect(throws: AuditFormatError.self, "\(name)") {
                _ = try AuditInclusionProof(json: changed).verify(keys: keys)
            }
        }
    }

    @Test(arguments: UInt64(1)...20) func `no changed character of a proof goes unnoticed`(seed: UInt64) throws {
        let proof = try proof(2)
        let bytes = Array(proof.json.text.utf8)
        var random = SeededRandom(state: seed)
        for _ in 0..<50 {
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<7, using: &random)
            guard let value = try? JSONValue(parsing: changed), let read = try? AuditInclusionProof(json: value),
                let shown = try? read.verify(keys: keys)
            else { continue }
            // A bit that means nothing, as in a character written with another escape, leaves the same proof.
            #expect(shown.hash == sink.entries[2].hash)
            #expect(read.body == proof.body && read.links == proof.links && read.sequence == proof.sequence)
        }
    }

    @Test func `links that are left out or added lead nowhere`() throws {
        let proof = try proof(0)
        for links in [Array(proof.links.dropFirst()), Array(proof.links.dropLast()), proof.links + proof.links, []] {
            let json = JSONValue.object(
                (proof.json.object ?? []).map { member in
                    guard member.name == "following" else { return member }
                    return JSONMemberValue(
                        "following", .array(links.map { .string("\($0.recordedAt) \($0.bodyHash)") }))
                })
            #expect(throws: AuditFormatError.self) { _ = try AuditInclusionProof(json: json).verify(keys: keys) }
        }
    }

    @Test(arguments: ["{}", "[]", "null", #"{"format":"chaperone-audit-proof-1"}"#, #"{"format":"x","node":"n"}"#])
    func `what is no proof is refused`(text: String) throws {
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(throws: AuditFormatError.self) { _ = try AuditInclusionProof(json: value) }
    }
}
