import AccessPolicy
import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

/// Neither secrets nor floods reach the log.
@Suite struct RecordBoundsTests {
    static let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwYXRpZW50LWEifQ.c2lnbmF0dXJlc2lnbmF0dXJl"

    @Test(arguments: [
        ("access_token=\(jwt)", "access_token=<redacted>"),
        ("access_token=opaque&code=1", "access_token=<redacted>&code=1"),
        ("acces%73_token=opaque", "acces%73_token=<redacted>"), ("Access_Token=x", "Access_Token=<redacted>"),
        ("access_token:exact=x", "access_token:exact=<redacted>"), ("q=a\(jwt)", "q=a<redacted>"),
        ("client_secret=s&refresh_token=r", "client_secret=<redacted>&refresh_token=<redacted>"),
        ("x=Bearer abc", "x=Bearer <redacted>"), ("code=http://loinc.org|1234-5", "code=http://loinc.org|1234-5"),
        ("request=Claim/1", "request=Claim/1"), (jwt, "<redacted>"),
    ]) func `secrets in a query are not written`(asked: String, written: String) {
        let record = sampleRecord { $0.queryAsked = asked }
        #expect(record.bounded().queryAsked == written)
    }

    @Test func `secrets in path, ids, reason and detail are not written`() {
        let record = sampleRecord {
            $0.path = "/Patient/\(Self.jwt)"
            $0.resourceID = Self.jwt
            $0.clientID = ClientID(Self.jwt)
            $0.outcome = .refused(reason: "bad token \(Self.jwt)")
        }
        let step = AuthorizationRecord(
            id: DecisionID("e"), kind: .tokenRefused, clientID: ClientID(Self.jwt), outcome: .failed(reason: Self.jwt),
            detail: "Authorization: Bearer opaque-token", at: 0)
        #expect(!"\(record.bounded())".contains("eyJ"))
        #expect(!"\(step.bounded())".contains("eyJ"))
        #expect(step.bounded().detail == "Authorization: Bearer <redacted>")
    }

    @Test(arguments: ["eyJ", "eyJhbGciOiJFUzI1NiJ9aaaa", "eyJ." + String(repeating: "a", count: 30) + ".b"])
    func `an id that looks like the beginning of a token is named`(id: String) {
        let record = sampleRecord {
            $0.resourceID = id
            $0.path = "/Patient/\(id)/_history/1"
        }.bounded()
        #expect(record.resourceID == id)
        #expect(record.path == "/Patient/\(id)/_history/1")
    }

    @Test func `hostile input cannot make a record large`() {
        let flood = String(repeating: "é", count: 1_000_000)
        let record = AccessRecord(
            decisionID: DecisionID(flood), clientID: ClientID(flood), subject: SubjectID(flood), fhirUser: flood,
            sourceAddress: flood, grantID: GrantID(flood), tokenID: TokenID(flood),
            scopes: Array(repeating: flood, count: 1000), program: flood, interaction: .operation, resourceType: flood,
            resourceID: flood, versionID: flood, operation: flood, method: flood, path: flood, queryAsked: flood,
            queryNarrowed: flood, outcome: .failed(reason: flood),
            withheld: (0..<1000).map { .init(reason: "\($0)\(flood)", count: 1) },
            securityEvents: Array(repeating: flood, count: 100), startedAt: 0, traceID: flood)
        let bytes = AuditStatement(event: .access(record.bounded()), phase: .whole).encoded
        #expect(bytes.count < 200_000)
        #expect(record.bounded().path.hasSuffix("bytes)"))
        #expect(record.bounded().path.hasPrefix("éé"))
    }

    /// A file of a bulk export below the limit for streaming has lines of tens of thousands of patients.
    @Test(
        .verifies("house@BULK-INDEX"),
        arguments: [(9_999, 1), (10_000, 1), (10_001, 2), (25_000, 3)])
    func `every patient of an answer is named, in records beside its own`(count: Int, records: Int) async throws {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let patients = (0..<count).map { "p\($0)" }
        let receipt = try await recorder.record(sampleRecord("d") { $0.patients = patients })

        let written = try sink.entries.map { try $0.statement() }.compactMap { statement -> AccessRecord? in
            guard case .access(let record) = statement.event else { return nil }
            return record
        }
        #expect(written.count == records)
        #expect(Set(written.flatMap(\.patients)) == Set(patients))
        #expect(Set(sink.entries.flatMap(\.index.patients)) == Set(patients))
        #expect(written.last?.decisionID == DecisionID("d"))
        #expect(written.dropLast().allSatisfy { $0.parent == DecisionID("d") && $0.released == 0 })
        #expect(receipt.decisionID == DecisionID("d"))
        recorder.withdraw(receipt, sampleRecord("d") { $0.patients = patients })
        recorder.shutdown()
        #expect(sink.entries.filter { $0.index.phase == .interrupted }.count == records)
    }

    @Test func `counts of one reason are summed`() throws {
        let record = sampleRecord {
            $0.withheld = [.init(reason: "a", count: 1), .init(reason: "b", count: 2), .init(reason: "a", count: 3)]
        }.bounded()
        #expect(record.withheld == [.init(reason: "a", count: 4), .init(reason: "b", count: 2)])
    }

    @Test(arguments: AccessInteraction.allCases)
    func `an access record reads back as it was written`(interaction: AccessInteraction) throws {
        let record = sampleRecord {
            $0.interaction = interaction
            $0.outcome = .refused(reason: "quote \" and\nnewline \u{0} ü 👩‍⚕️")
            $0.withheld = [.init(reason: "compartment", count: 2)]
            ($0.queryAsked, $0.queryNarrowed, $0.versionID, $0.operation) = ("a=b", "a=b&c", "1", "$everything")
            $0.securityEvents = ["foreign-patient"]
        }
        let statement = AuditStatement(event: .access(record), phase: .closing, closes: 7)
        #expect(try AuditStatement(decoding: statement.encoded) == statement)
    }

    @Test(arguments: AuthorizationRecord.Kind.allCases)
    func `an authorization record reads back as it was written`(kind: AuthorizationRecord.Kind) throws {
        let record = AuthorizationRecord(
            id: DecisionID("e"), kind: kind, clientID: ClientID("c"), subject: SubjectID("s"), fhirUser: "Patient/p",
            patient: "p", grantID: GrantID("g"), tokenID: TokenID("t"), scopes: ["openid"], program: "general",
            outcome: .failed(reason: "x"), detail: "d", sourceAddress: "192.0.2.1", at: 4, traceID: "t")
        let statement = AuditStatement(event: .authorization(record), phase: .whole)
        #expect(try AuditStatement(decoding: statement.encoded) == statement)
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"v":2,"phase":"whole"}"#, #"{"v":1,"phase":"whole"}"#, #"{"v":1,"phase":"x"}"#,
    ])
    func `bytes that are no statement are refused`(text: String) {
        #expect(throws: AuditFormatError.self) { try AuditStatement(decoding: Array(text.utf8)) }
    }
}
