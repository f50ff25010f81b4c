import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import Foundation
import OAuthCore
import RequirementTraits
import Testing

/// Searching by what is not indexed, exporting what was found.
@Suite struct AuditContentSearchTests {
    private static func log(_ count: Int = 30) async throws -> InMemoryAuditSink {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        for number in 0..<count {
            _ = try await recorder.record(
                sampleRecord("d-\(number)") {
                    $0.scopes = number.isMultiple(of: 3) ? ["patient/Claim.rs"] : ["patient/Observation.rs"]
                    $0.tokenID = TokenID("t-\(number % 5)")
                    ($0.program, $0.sourceAddress) = (
                        number < 10 ? "provider-access" : "patient-access", "192.0.2.\(number)"
                    )
                    $0.interaction = number.isMultiple(of: 2) ? .searchType : .read
                    ($0.fhirUser, $0.purposeOfUse) = ("Practitioner/p\(number % 2)", ["TREAT"])
                    ($0.organization, $0.reportingEntity, $0.resourceID) = ("o\(number % 4)", "e", "r\(number)")
                }
            ).decisionID
        }
        try await recorder.record(
            AuthorizationRecord(
                id: DecisionID("e"), kind: .login, scopes: ["patient/Claim.rs"], outcome: .succeeded, at: 7))
        return sink
    }

    /// How many of 31 entries each search finds, checked against what was written.
    @Test(
        .verifies("audit@fhir-search"),
        arguments: [
            ("scope=patient/Claim.rs", 11), ("scope=patient/Claim.rs,patient/Observation.rs", 31), ("scope=x", 0),
            ("policy=t-0", 6), ("policy=t-0,t-1", 12), ("program=provider-access", 10), ("address=192.0.2.7", 1),
            ("address=192.0.2.2", 11), ("address:exact=192.0.2.2", 1), ("address=2.0", 0),
            ("action=R", 15), ("action=E", 16), ("action=C", 0), ("agent=Practitioner/p1", 15), ("purpose=TREAT", 30),
            ("organization=o3", 7), ("organization=O", 30), ("organization:exact=O3", 0), ("reporting-entity=e", 30),
            ("reporting-entity=f", 0), ("site=n", 31),
            ("site=m", 0), ("site=%7Cn", 31), ("subtype=login,read", 16), ("agent:identifier=demo-app", 30),
            ("agent:identifier=x", 0),
            ("entity=Observation/r4", 1), ("type=rest", 30), ("type=110106", 0), ("type=110114", 1),
            ("type=rest,110114", 31),
            ("subtype=login", 1), ("subtype=read", 15), ("scope=patient/Claim.rs&action=R", 5), ("disclosures=true", 0),
            ("patient=patient-a&policy=t-2", 6), ("patient=nobody&policy=t-2", 0),
        ]) func `a search finds what says so`(text: String, count: Int) async throws
    {
        let sink = try await Self.log()
        let search = try AuditEventSearch(parsing: text + "&_count=1000", of: sampleSystem)

        let page = try sink.search(search.query, content: search.content)

        #expect(page.entries.count == count)
        #expect(page.next == nil)
        #expect(try sink.count(search.query, content: search.content) == count)
    }

    @Test(.verifies("audit@fhir-search"), arguments: [1, 2, 7])
    func `pages of a filtered search miss nothing and repeat nothing`(size: Int)
        async throws
    {
        let sink = try await Self.log()
        let search = try AuditEventSearch(parsing: "scope=patient/Claim.rs&_count=\(size)", of: sampleSystem)
        var query = search.query
        var seen: [Int64] = []
        repeat {
            let page = try sink.search(query, content: search.content)
            #expect(page.entries.count <= size)
            seen += page.entries.map(\.sequence)
            query.after = page.next
        } while query.after != nil
        #expect(seen == [31, 28, 25, 22, 19, 16, 13, 10, 7, 4, 1])
    }

    @Test(.verifies("audit@fhir-search")) func `a total is the number of all matches or is not there`() async throws {
        let sink = try await Self.log()
        func bundle(_ text: String, counted: Int? = nil) throws -> JSONValue {
            let search = try AuditEventSearch(parsing: text, of: sampleSystem)
            return try search.bundle(
                sink.search(search.query, content: search.content), total: counted, base: "b", system: sampleSystem)
        }
        #expect(try bundle("action=R&_count=100")["total"]?.int == 15)
        #expect(try bundle("action=R&_count=5")["total"] == nil)
        #expect(try bundle("action=R&_count=5&_total=accurate", counted: 15)["total"]?.int == 15)
        #expect(try AuditEventSearch(parsing: "_total=accurate", of: sampleSystem).total == .accurate)
        #expect(try AuditEventSearch(parsing: "_summary=count", of: sampleSystem).onlyCount)
    }

    // MARK: exports

    private static func export(_ format: AuditExportFormat, key: PrivateJWK) async throws -> (
        text: String, signature: String
    ) {
        let sink = try await log(5)
        var export = AuditExport(format: format, system: sampleSystem)
        var text = export.open(at: 0)
        for entry in sink.entries { text += try export.add([entry]) }
        text += export.close()
        return (text, try export.signature(by: "auditor-a", asked: "patient=a", at: 1, with: key))
    }

    @Test(.verifies("audit@export"), arguments: AuditExportFormat.allCases)
    func `an export fits its signature, and one bit more does not`(_ format: AuditExportFormat) async throws {
        let key = try PrivateJWK.generate(.es256)
        let (text, compact) = try await Self.export(format, key: key)

        let signature = try AuditExportSignature(verifying: compact, keys: JWKSet([key.publicKey]))
        var changed = Array(text.utf8)
        changed[changed.count / 2] ^= 1

        #expect(signature.entries == 6)
        #expect(signature.actor == "auditor-a")
        #expect(signature.fits(Array(text.utf8)))
        #expect(!signature.fits(changed))
    }

    @Test func `a bundle and lines are what they say`() async throws {
        let key = try PrivateJWK.generate(.es256)
        let bundle = try JSONValue(parsing: Array(try await Self.export(.bundle, key: key).text.utf8))
        let lines = try await Self.export(.ndjson, key: key).text.split(separator: "\n")
        let table = try await Self.export(.csv, key: key).text.split(separator: "\r\n")

        #expect(bundle["type"]?.string == "collection")
        #expect(bundle["entry"]?.array?.count == 6)
        #expect(lines.count == 6)
        #expect(try JSONValue(parsing: Array(lines[0].utf8))["resourceType"]?.string == "AuditEvent")
        #expect(table.count == 7)
    }

    @Test func `no cell of a table is taken for a formula`() async throws {
        let sink = InMemoryAuditSink()
        _ = try await AuditRecorder(sink: sink, node: "n").record(
            sampleRecord { ($0.queryAsked, $0.clientID) = ("=1+1,\"x\"", ClientID("@SUM(A1)")) }
        ).decisionID
        var export = AuditExport(format: .csv, system: sampleSystem)

        let line = try export.add(sink.entries)

        #expect(line.contains("\"'=1+1,\"\"x\"\"\""))
        #expect(line.contains(",'@SUM(A1),"))
    }

    @Test(arguments: [
        // A quotation mark that a combining mark follows is one character of Swift, and still ends a cell.
        ("a\"\u{301},=HYPERLINK(\"x\")", "\"a\"\"\u{301},=HYPERLINK(\"\"x\"\")\""),
        ("a\"\u{200D},=1", "\"a\"\"\u{200D},=1\""), ("a,\u{301}b", "\"a,\u{301}b\""), ("a\r\nb", "\"a\r\nb\""),
        ("\u{200B}=1", "'\u{200B}=1"), ("\u{FEFF}+1", "'\u{FEFF}+1"), (" =1", "' =1"), ("\u{FF1D}1", "'\u{FF1D}1"),
        ("a;b", "\"a;b\""), ("=\u{338}1", "'=\u{338}1"),
    ])
    func `a cell ends where its own text ends, byte by byte`(text: String, cell: String) async throws {
        let sink = InMemoryAuditSink()
        _ = try await AuditRecorder(sink: sink, node: "n").record(sampleRecord { $0.queryAsked = text }).decisionID
        var export = AuditExport(format: .csv, system: sampleSystem)

        let line = try export.add(sink.entries)

        #expect(Array(line.utf8).firstRange(of: Array(",\(cell),".utf8)) != nil)
    }
}
