import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import Audit

/// The quick ways of the record against slow ones: the same bytes, and nothing overlooked.
@Suite struct RecordWritingTests {
    private static let texts = [
        "", "a", "Patient/p", "é\u{301}", "\"quoted\"", "back\\slash", "line\nend\r\t", "\u{1}\u{7F}", "😀",
        String(repeating: "x", count: 300),
    ]

    @Test(arguments: 0..<4)
    func `a statement is written as the tree of its members prints`(block: Int) throws {
        var random = SeededRandom(state: 0xAB0 + UInt64(block))
        for _ in 0..<500 {
            let statement = Self.statement(&random)

            let bytes = statement.encoded

            #expect(String(decoding: bytes, as: UTF8.self) == Self.tree(of: statement).text)
            #expect(try AuditStatement(decoding: bytes) == statement)
        }
    }

    @Test(arguments: 0..<4)
    func `where no sign of a secret stands the scrubber changes nothing`(block: Int) {
        let parts = [
            "a", "b", "=", "&", "&", "=", ":", ".", "%5f", "+", " ", "token", "access_token", "Launch", "eyJ", "e",
            "yJ",
            "Bearer", "bear", "er", "patient", "Patient/p", "é", "\u{301}", "code", "password", "abcdefghijklmnopqrst",
        ]
        var random = SeededRandom(state: 0x5C0 + UInt64(block))
        var unsuspected = 0
        for _ in 0..<5000 {
            let text = (0..<random.below(8)).map { _ in parts[random.below(parts.count)] }.joined()
            #expect(SecretScrubber.scrub(text) == SecretScrubber.readAndScrub(text))
            #expect(SecretScrubber.scrub(query: text) == SecretScrubber.readAndScrub(query: text))
            if !SecretSigns.mayStand(inQuery: text) { unsuspected += 1 }
        }
        // Both answers have to be met often, or the test says little.
        #expect((300...4700).contains(unsuspected))
    }

    @Test(arguments: [
        // A reference token and a refresh token of ours, wherever they stand.
        ("q=NAME.PROOF", "q=<redacted>"), ("NAME.12.PROOF", "<redacted>"), ("a NAME.PROOF b", "a <redacted> b"),
        ("x=NAME.PROOF&y=NAME.3.PROOF&z=1", "x=<redacted>&y=<redacted>&z=1"),
        // Not of the shape.
        ("q=NAME.PROOFx", "q=NAME.PROOFx"), ("q=short.PROOF", "q=short.PROOF"), ("q=NAME.x.PROO", "q=NAME.x.PROO"),
        // After the word, whatever stands for a blank.
        ("a=Bearer%20secret", "a=Bearer%20<redacted>"), ("a=BEARER+secret+more", "a=BEARER+<redacted>"),
        ("a=bearer%20+%20s&b=1", "a=bearer%20+%20<redacted>&b=1"),
        ("Bearer s-1 was sent", "Bearer <redacted> was sent"),
        ("a=bearer&b=1", "a=bearer&b=1"), ("authorization=Basic%20abc", "authorization=<redacted>"),
        ("Authorization:x=1&bearer_token=abc", "Authorization:x=<redacted>&bearer_token=<redacted>"),
    ]) func `tokens of every kind of ours are taken out`(asked: String, recorded: String) {
        func filled(_ text: String) -> String {
            text.replacing("NAME", with: "abcdefghij-_ABCDEFGHIJ").replacing(
                "PROOF", with: String(repeating: "Aa0", count: 14) + "z"
            ).replacing("PROO", with: String(repeating: "p", count: 43))
        }
        #expect(SecretScrubber.scrub(query: filled(asked)) == filled(recorded))
    }

    private static func statement(_ random: inout SeededRandom) -> AuditStatement {
        func text() -> String { texts[random.below(texts.count)] }
        func maybe() -> String? { random.below(3) == 0 ? nil : text() }
        func list() -> [String] { (0..<random.below(3)).map { _ in text() } }
        var record = AccessRecord(
            decisionID: DecisionID(text()), clientID: maybe().map { ClientID($0) },
            subject: maybe().map { SubjectID($0) }, fhirUser: maybe(), sourceAddress: maybe(),
            grantID: maybe().map { GrantID($0) }, tokenID: maybe().map { TokenID($0) }, scopes: list(),
            program: maybe(), patients: list(), interaction: .read, resourceType: maybe(), resourceID: maybe(),
            versionID: maybe(), operation: maybe(), method: text(), path: text(), queryAsked: maybe(),
            queryNarrowed: maybe(),
            outcome: random.below(2) == 0 ? .permitted : .refused(reason: text()),
            status: random.below(2) == 0 ? nil : 200, released: random.below(1000),
            withheld: (0..<random.below(3)).map { .init(reason: "reason-\($0)", count: $0) }, securityEvents: list(),
            startedAt: Int64(random.below(1 << 40)), endedAt: random.below(2) == 0 ? nil : -1, traceID: maybe())
        (record.compartment, record.askedOnly) = (maybe(), list())
        let closes: Int64? = random.below(2) == 0 ? nil : Int64(random.below(1000))
        return AuditStatement(event: .access(record), phase: .closing, closes: closes)
    }

    /// What a body holds, put together as a tree.
    private static func tree(of statement: AuditStatement) -> JSONValue {
        guard case .access(let record) = statement.event else { return .null }
        let access: [(String, JSONValue?)] = [
            ("decision", .string(record.decisionID.text)), ("client", string(record.clientID?.text)),
            ("subject", string(record.subject?.text)), ("fhirUser", string(record.fhirUser)),
            ("address", string(record.sourceAddress)), ("grant", string(record.grantID?.text)),
            ("token", string(record.tokenID?.text)), ("scopes", strings(record.scopes)),
            ("program", string(record.program)), ("patients", strings(record.patients)),
            ("interaction", .string(record.interaction.rawValue)), ("resourceType", string(record.resourceType)),
            ("resourceID", string(record.resourceID)), ("versionID", string(record.versionID)),
            ("operation", string(record.operation)), ("method", .string(record.method)),
            ("path", .string(record.path)), ("asked", string(record.queryAsked)),
            ("narrowed", string(record.queryNarrowed)), ("outcome", .string(record.outcome.code)),
            ("reason", string(record.outcome.reason)), ("status", record.status.map { .int(Int64($0)) }),
            ("released", .int(Int64(record.released))),
            (
                "withheld",
                record.withheld.isEmpty
                    ? nil : .object(record.withheld.map { JSONMemberValue($0.reason, .int(Int64($0.count))) })
            ),
            ("securityEvents", strings(record.securityEvents)), ("started", .int(record.startedAt)),
            ("ended", record.endedAt.map { .int($0) }), ("trace", string(record.traceID)),
            ("compartment", string(record.compartment)), ("askedOnly", strings(record.askedOnly)),
        ]
        return object([
            ("v", 1), ("phase", .string(statement.phase.rawValue)), ("closes", statement.closes.map { .int($0) }),
            ("access", object(access)),
        ])
    }

    private static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { JSONMemberValue(name, $0) } })
    }

    private static func string(_ text: String?) -> JSONValue? { text.map { .string($0) } }

    private static func strings(_ texts: [String]) -> JSONValue? {
        texts.isEmpty ? nil : .array(texts.map { .string($0) })
    }
}

extension SeededRandom {
    fileprivate mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
