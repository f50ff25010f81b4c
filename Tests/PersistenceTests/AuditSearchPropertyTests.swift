import Audit
import ChaperoneTesting
import FHIRCore
import Foundation
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// For logs and filters that chance made: each form of answer has what a slow reading of all entries finds.
@Suite struct AuditSearchPropertyTests {
    private static let system = AuditSystem(
        name: "Chaperone", fhirBase: "https://fhir.example.org/fhir", issuer: "https://auth.example.org")
    private static let base = "https://audit.example.org/AuditEvent"
    private static let seeds = (1...(ProcessInfo.processInfo.environment["CHAPERONE_NIGHTLY"] == nil ? 6 : 100))
        .map(UInt64.init)

    /// What can be asked for, with values that some entries have.
    private static let values: [String: [String]] = {
        let dicom = "http://dicom.nema.org/resources/ontology/DCM"
        return [
            "patient": ScriptedAuditLog.patients, "client": ScriptedAuditLog.clients, "user": ScriptedAuditLog.clients,
            "grant": ScriptedAuditLog.grants, "policy": ScriptedAuditLog.tokens, "scope": ScriptedAuditLog.scopes,
            "program": ScriptedAuditLog.programs, "purpose": ScriptedAuditLog.purposes + ["http://x|TREAT"],
            "address": ["192.0.2.7", "2001:db8", "192"], "address:exact": ScriptedAuditLog.addresses,
            "organization": ["alp", "ÄLPEN", "other", "p"], "organization:exact": ["alpen", "Alpen", "Älpen Plan"],
            "reporting-entity": ["H1", "H3"], "agent": ScriptedAuditLog.users,
            "entity": ["Observation/o1", "Patient/patient-b", "Encounter/e1", "Observation/o2"],
            "outcome": ["0", "4", "8", "0,4"], "action": ["R", "E", "C,D", "U"],
            "type": ["rest", "110106", "110113", "110114", "rest,110101", "\(dicom)|110106", "http://x|rest"],
            "subtype": [
                "read", "search-type,read", "login", "token", "disclose", "ITI-71", "AuthZ-Consent", "read,login",
                "urn:chaperone:audit:event|consent", "http://hl7.org/fhir/restful-interaction|login",
            ], "site": ["n", "m", "o"], "disclosures": ["true", "false"],
            "agent:identifier": [
                "app", "admin-a", "|app", "\(system.issuer)|other", "\(system.issuer)/accounts|app", "http://x|app",
            ], "source:identifier": [system.issuer, "https://elsewhere.example.org"],
        ]
    }()

    /// Two stores with the same entries of two nodes.
    private struct Stores {
        let memory = InMemoryAuditSink()
        let file: AuditSQLiteSink
        var n: ScriptedAuditLog
        var m: ScriptedAuditLog
        var random: SplitMix64

        init(_ folder: LogFolder, seed: UInt64) throws {
            file = try AuditSQLiteSink(path: "\(folder.path)/\(seed).db")
            n = ScriptedAuditLog(node: "n", seed: seed)
            m = ScriptedAuditLog(node: "m", start: 1_760_000_001_000, seed: seed &* 31)
            random = SplitMix64(seed: seed &* 17)
            for _ in 0..<12 { try add(10) }
        }

        mutating func add(_ count: Int) throws {
            let added = Bool.random(using: &random) ? n.add(count) : m.add(count)
            try memory.append(added)
            try file.append(added)
        }
    }

    private static func filter(_ stores: inout Stores) -> ReferenceAuditFilter {
        var filter = ReferenceAuditFilter.draw(values, using: &stores.random)
        // What would name the same thing twice is refused, which has tests of its own.
        if filter.terms["agent:identifier"] != nil { filter.terms["client"] = nil }
        if filter.terms["agent:identifier"] != nil { filter.terms["user"] = nil }
        if filter.terms["patient"] != nil { filter.terms["entity"] = nil }
        let entries = stores.memory.entries
        func moment() -> Int64? {
            Int.random(in: 0..<4, using: &stores.random) == 0
                ? entries[Int.random(in: entries.indices, using: &stores.random)].recordedAt : nil
        }
        (filter.from, filter.to) = (moment(), moment())
        if Int.random(in: 0..<8, using: &stores.random) == 0 {
            let chosen = (0..<2).map { _ in entries[Int.random(in: entries.indices, using: &stores.random)] }
            filter.terms["_id"] = Set(chosen.map(\.hash.description)).sorted().joined(separator: ",")
        }
        return filter
    }

    private static func query(_ filter: ReferenceAuditFilter) -> String {
        var terms = filter.terms.sorted { $0.key < $1.key }.map { name, value in
            // A comma in a scope is part of it.
            "\(name)=\(escaped(name == "scope" ? value.replacing(",", with: "\\,") : value))"
        }
        if let from = filter.from { terms.append("date=ge\(instant(from))") }
        if let to = filter.to { terms.append("_lastUpdated=lt\(instant(to))") }
        return terms.joined(separator: "&")
    }

    private static func instant(_ milliseconds: Int64) -> String {
        let second = Date(timeIntervalSince1970: Double(milliseconds / 1000)).ISO8601Format().dropLast()
        return "\(second).\("\(1000 + milliseconds % 1000)".dropFirst())Z"
    }

    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }

    /// The ids on all pages, by the links; between the pages more is appended.
    private static func ids(_ text: String, _ reader: any AuditReader, between: () throws -> Void) throws -> [String] {
        var next: String? = text
        var pages = 0
        var ids: [String] = []
        while let asked = next {
            let search = try AuditEventSearch(parsing: asked, of: system)
            let page: AuditPage =
                search.findsNothing ? .empty : try reader.search(search.query, content: search.content)
            let bundle = try search.bundle(page, base: base, system: system)
            ids += (bundle["entry"]?.array ?? []).compactMap { $0["resource"]?["id"]?.string }
            let link = bundle["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string
            next = link.map { String($0.dropFirst(base.count + 1)) }
            pages += 1
            if pages < 4 { try between() }
        }
        return ids
    }

    @Test(.verifies("audit@forms-agree", "audit@search-stable"), arguments: seeds)
    func `a search finds on its pages what a slow reading finds, in either order`(seed: UInt64) throws {
        let folder = try LogFolder()
        var stores = try Stores(folder, seed: seed)
        for _ in 0..<40 {
            let filter = Self.filter(&stores)
            let expected = try filter.find(in: stores.memory.entries, system: Self.system).map(\.hash.description)
            let isOldestFirst = Bool.random(using: &stores.random)
            let size = Int.random(in: 1...30, using: &stores.random)
            let text = Self.query(filter)
            let sorted = "\(text)&_count=\(size)" + (isOldestFirst ? "&_sort=date" : "")
            let search: AuditEventSearch
            do throws(AuditEventSearch.Refusal) {
                search = try AuditEventSearch(parsing: sorted, of: Self.system)
            } catch {
                // A system that no event has, or a type and a subtype that none has together: nothing is what there is.
                #expect(expected.isEmpty, "\(text): \(error.diagnostics)")
                continue
            }
            for reader in [stores.memory, stores.file] as [any AuditSink] {
                let count = search.findsNothing ? 0 : try reader.count(search.query, content: search.content)
                #expect(count == expected.count, "\(text)")
            }

            var added = stores
            let inMemory = try Self.ids(sorted, stores.memory) { try added.add(1) }
            #expect(inMemory == (isOldestFirst ? expected.reversed() : expected), "\(sorted) in memory")
            stores = added
            let now = try filter.find(in: stores.memory.entries, system: Self.system).map(\.hash.description)
            let inFile = try Self.ids(sorted, stores.file) { try added.add(1) }
            #expect(inFile == (isOldestFirst ? now.reversed() : now), "\(sorted) in the file")
            stores = added
        }
        try stores.file.close()
    }

    @Test(.verifies("audit@forms-agree"), arguments: seeds)
    func `every form of an export has what a slow reading finds`(seed: UInt64) throws {
        let folder = try LogFolder()
        var stores = try Stores(folder, seed: seed &+ 1000)
        let key = try PrivateJWK.generate(.es256)
        let places = Dictionary(
            uniqueKeysWithValues: stores.memory.entries.map { ("\($0.node)/\($0.sequence)", $0.hash.description) })
        for _ in 0..<40 {
            let filter = Self.filter(&stores)
            let expected = try filter.find(in: stores.memory.entries, system: Self.system).map(\.hash.description)
            guard let search = try? AuditEventSearch(parsing: Self.query(filter), of: Self.system), !search.findsNothing
            else { continue }
            for format in AuditExportFormat.allCases {
                var export = AuditExport(format: format, system: Self.system)
                var query = search.query
                query.limit = 7
                var text = export.open(at: 0)
                repeat {
                    let page = try stores.file.search(query, content: search.content)
                    text += try export.add(page.entries)
                    query.after = page.next
                } while query.after != nil
                text += export.close()
                let signed = try AuditExportSignature(
                    verifying: export.signature(by: "a", asked: "", at: 0, with: key), keys: JWKSet([key.publicKey]))

                #expect(try Self.ids(of: text, format, places) == expected, "\(format): \(Self.query(filter))")
                #expect(signed.entries == Int64(expected.count) && signed.fits(Array(text.utf8)))
            }
        }
        try stores.file.close()
    }

    private static func ids(of text: String, _ format: AuditExportFormat, _ places: [String: String]) throws -> [String]
    {
        switch format {
        case .ndjson:
            return try text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8))["id"]?.string ?? "" }
        case .csv:
            return text.split(separator: "\r\n").dropFirst().map { line in
                let cells = line.split(separator: ",", maxSplits: 3)
                return places["\(cells[1])/\(cells[2])"] ?? ""
            }
        case .bundle:
            let entries = try JSONValue(parsing: Array(text.utf8))["entry"]?.array ?? []
            #expect(
                entries.allSatisfy {
                    $0["fullUrl"]?.string == "urn:chaperone:audit:\($0["resource"]?["id"]?.string ?? "")"
                })
            return entries.compactMap { $0["resource"]?["id"]?.string }
        }
    }
}
