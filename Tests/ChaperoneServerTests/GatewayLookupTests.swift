import AccessPolicy
import Authorization
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import ChaperoneServer

/// The pages on which staff look for a patient: what one page may cost, however large the panel is.
@Suite struct GatewayLookupTests {
    /// A protected server that knows who is asked for by id and name. A class for its count.
    private final class Site: Sendable {
        let names: [String: String]
        private let queries = Mutex<[String]>([])

        init(_ names: [String: String]) { self.names = names }

        var calls: Int { queries.withLock { $0.count } }

        var lookup: ContextLookup {
            GatewayLookup(random: .system, clock: .system) { path, query, access, _ in
                self.queries.withLock { $0.append(query ?? path) }
                #expect(path == "/Patient" && access.launch.patient == nil)
                let pairs = (query ?? "").split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
                let values = Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), String($0.last ?? "")) })
                let ids = (values["_id"] ?? "").split(separator: ",").map(String.init)
                #expect(!ids.isEmpty && ids.count <= 50)
                let found = ids.filter { self.names[$0]?.hasPrefix(values["name"] ?? "") ?? false }
                let entries = found.map { id -> JSONValue in
                    let name: JSONValue = ["text": .string(self.names[id] ?? "")]
                    return ["resource": ["resourceType": "Patient", "id": .string(id), "name": .array([name])]]
                }
                let bundle: JSONValue = [
                    "resourceType": "Bundle", "type": "searchset", "entry": .array(entries),
                ]
                return (200, bundle.serialized)
            }.lookup
        }
    }

    private static func panel(_ count: Int) throws -> [ResourceID] {
        try (0..<count).map { try #require(ResourceID("p\($0)")) }
    }

    private static func reader() throws -> ContextLookup.Reader {
        ContextLookup.Reader(
            subject: SubjectID("s"), fhirUser: try #require(InstanceKey("Practitioner/d")), launch: "l",
            clientID: ClientID("app"), program: .general, fhirBase: "https://as.example/fhir",
            sourceAddress: "192.0.2.1")
    }

    @Test(.verifies("house@bounded-picker"), arguments: [501, 20_000])
    func `one page of a large panel asks for a few parts of it, and the next goes on from there`(
        _ count: Int
    ) async throws {
        let panel = try Self.panel(count)
        let last = "p\(count - 1)"
        let site = Site([last: "Zoe", "p3": "Adam"])
        let reader = try Self.reader()
        var page: String?
        var found: [LinkedPatient] = []
        var pages = 0
        repeat {
            let before = site.calls
            let answer = try await site.lookup.patients("Zo", page, panel, reader)
            #expect(site.calls - before <= GatewayLookup.partsOfPage)
            found += answer.patients
            page = answer.next
            pages += 1
        } while page != nil && pages < 1_000

        #expect(found.map(\.id.text) == [last] && found.first?.label == "Zoe")
        #expect(site.calls == (count + 49) / 50, "each part is asked for once")
        #expect(pages == (count + 499) / 500)
    }

    @Test(.verifies("house@bounded-picker"))
    func `a page ends where somebody is found, and says where to go on`() async throws {
        let site = Site(["p60": "Zoe", "p260": "Zoran"])
        let panel = try Self.panel(1_000)
        let first = try await site.lookup.patients("Zo", nil, panel, try Self.reader())
        #expect(first.patients.map(\.id.text) == ["p60"] && first.next == "100" && site.calls == 2)
        let second = try await site.lookup.patients("Zo", first.next, panel, try Self.reader())
        #expect(second.patients.map(\.id.text) == ["p260"] && second.next == "300" && site.calls == 6)
    }

    @Test(arguments: ["-7", "99999999999999999999", "x", "1000"])
    func `a page that nobody was given costs no more than another`(_ page: String) async throws {
        let site = Site([:])
        _ = try await site.lookup.patients("Zo", page, try Self.panel(1_000), try Self.reader())
        #expect(site.calls <= GatewayLookup.partsOfPage)
    }
}
