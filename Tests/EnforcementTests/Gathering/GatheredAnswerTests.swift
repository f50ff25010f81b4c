import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Answers that are put together from several upstream answers, through the whole gateway without sockets.
@Suite(.underMutation) struct GatheredAnswerTests {
    static let system = "http://terminology.hl7.org/CodeSystem/observation-category"

    static func observation(_ id: String, of patient: String, category: String, code: String) -> JSONValue {
        [
            "resourceType": "Observation", "id": .string(id), "status": "final",
            "category": [["coding": [["system": .string(system), "code": .string(category)]]]],
            "code": ["coding": [["system": "http://loinc.org", "code": .string(code)]]],
            "subject": ["reference": .string("Patient/\(patient)")],
        ]
    }

    static func list(_ id: String, naming other: String) -> JSONValue {
        [
            "resourceType": "List", "id": .string(id), "status": "current", "mode": "working",
            "subject": ["reference": "Patient/pA"], "entry": [["item": ["reference": .string("Patient/\(other)")]]],
        ]
    }

    static func harness(
        _ resources: [JSONValue], _ obedience: ScriptedRecords.Obedience = .obedient,
        panels: PanelSource = .table(users: [:]), deleted: [String] = []
    ) throws -> GatewayHarness {
        let store = ScriptedRecords(resources, base: GatewayHarness.upstreamBase, obedience: obedience)
        for key in deleted.compactMap({ InstanceKey($0) }) { store.delete(key) }
        return try GatewayHarness(upstream: store.upstream, panels: panels)
    }

    /// All pages of a search, each with its keys; stops with a failure when they do not end.
    static func pages(
        _ harness: GatewayHarness, _ target: String, _ token: String
    ) async throws -> [GatewayHarness.Answer] {
        var pages: [GatewayHarness.Answer] = []
        var next: String? = target
        while let current = next {
            let answer = await harness.send("GET", current, token: token)
            #expect(answer.status == 200, "\(current) \(answer.text)")
            try expectNoLeak(answer)
            pages.append(answer)
            guard pages.count < 50 else {
                Issue.record("the pages do not end")
                break
            }
            let link = answer.json?["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string
            next = link.map { String($0.dropFirst(GatewayHarness.publicBase.count)) }
        }
        return pages
    }

    // MARK: - limits that no query says

    static let twoLimits =
        "patient/Observation.rs?category=\(system)|laboratory patient/Observation.rs?code=http://loinc.org|b"
    static let mixed = [
        observation("o1", of: "pA", category: "laboratory", code: "a"),
        observation("o2", of: "pA", category: "vital-signs", code: "b"),
        observation("o3", of: "pA", category: "laboratory", code: "b"),
        observation("o4", of: "pA", category: "vital-signs", code: "a"),
        observation("o5", of: "pB", category: "laboratory", code: "b"),
        observation("o6", of: "pA", category: "laboratory", code: "a"),
    ]

    @Test(
        .verifies("attack@ATK-271"), arguments: [ScriptedRecords.Obedience.obedient, .lenient], [1, 2, 3, 4, 50])
    func `two limits are two searches whose rows stand in the answer once`(
        obedience: ScriptedRecords.Obedience, count: Int
    ) async throws {
        let harness = try Self.harness(Self.mixed, obedience)
        let token = try harness.token(scope: Self.twoLimits, patient: "pA")

        let pages = try await Self.pages(harness, "/Observation?_count=\(count)", token)

        #expect(
            pages.flatMap(\.keys) == ["Observation/o1", "Observation/o3", "Observation/o6", "Observation/o2"])
        // Every page but the last is full.
        #expect(pages.dropLast().allSatisfy { $0.keys.count == count })
        #expect(pages.last?.keys.isEmpty == false)
    }

    @Test func `a total is our own count of what stands there, and only where all does`() async throws {
        let harness = try Self.harness(Self.mixed)
        let token = try harness.token(scope: Self.twoLimits, patient: "pA")

        let whole = await harness.send("GET", "/Observation", token: token)
        let part = await harness.send("GET", "/Observation?_count=2", token: token)

        #expect(whole.json?["total"]?.int == 4)
        #expect(part.json?["total"] == nil)
    }

    // MARK: - pages are filled

    @Test(.verifies("attack@ATK-076"), arguments: [0, 1, 3, 7])
    func `hidden rows change neither pages nor their number`(hidden: Int) async throws {
        func records(_ hidden: Int) -> [JSONValue] {
            (0..<7).flatMap { number in
                [Self.list("l\(number)", naming: "pA")]
                    + (0..<hidden).map { Self.list("l\(number)-hidden-\($0)", naming: "pB") }
            }
        }
        let with = try Self.harness(records(hidden))
        let without = try Self.harness(records(0))
        let token = try with.token(scope: "patient/*.rs", patient: "pA")
        let other = try without.token(scope: "patient/*.rs", patient: "pA")

        for count in [1, 2, 3, 7] {
            let pages = try await Self.pages(with, "/List?_count=\(count)", token)
            let plain = try await Self.pages(without, "/List?_count=\(count)", other)

            #expect(pages.map(\.keys) == plain.map(\.keys))
            #expect(pages.allSatisfy { $0.json?["entry"]?.array?.isEmpty == false })
        }
    }

    @Test func `what would cost too much ends the list and says so`() async throws {
        let records =
            [Self.list("a", naming: "pA")] + (0..<60).map { Self.list("b\(100 + $0)", naming: "pB") }
            + [Self.list("c", naming: "pA")]
        let harness = try Self.harness(records)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send("GET", "/List?_count=1", token: token)
        let whole = await harness.send("GET", "/List", token: token)

        #expect(answer.keys.first == "List/a")
        #expect(answer.text.contains("further-pages-withheld"))
        #expect(answer.json?["link"]?.array?.count == 1)
        #expect(answer.upstream.count == 32)
        #expect(whole.keys == ["List/a", "List/c"])
    }

    // MARK: - several types

    @Test(.verifies("attack@ATK-093"), arguments: [ScriptedRecords.Obedience.obedient, .lenient])
    func `a search of the whole server is one narrowed search for each type`(
        obedience: ScriptedRecords.Obedience
    ) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(obedience).upstream)
        let token = try catalogue.token("PO", from: harness)
        let expected: Set = [
            "Patient/pA", "Observation/obsA", "Observation/obsA-member", "Observation/obsA-perfB",
            "Observation/obsA-vitals",
        ]

        for target in ["/?_type=Patient,Observation", "/", "/Patient/pA/*", "/?_type=Observation,Patient&_count=2"] {
            let pages = try await Self.pages(harness, target, try #require(token))
            #expect(Set(pages.flatMap(\.keys)) == expected, "\(target)")
            #expect(pages.flatMap(\.keys).count == expected.count)
        }
        let form = await harness.send(
            "POST", "/_search", token: token, headers: [("Content-Type", "application/x-www-form-urlencoded")],
            body: Array("_type=Observation".utf8))
        #expect(form.status == 200 && form.keys.count == 4)
        #expect(form.upstream.allSatisfy { $0.method == .post && $0.path == "/Observation/_search" })
    }

    // MARK: - compartments of others

    @Test(.verifies("attack@ATK-095"), arguments: ["encA", "encB", "never"])
    func `an encounter's compartment is opened by reading the encounter`(id: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream)
        let token = try catalogue.token("P", from: harness)

        let answer = await harness.send("GET", "/Encounter/\(id)/Observation", token: token)
        let never = await harness.send("GET", "/Encounter/never/Observation", token: token)

        if id == "encA" {
            #expect(answer.status == 200)
            #expect(answer.upstream.map(\.path) == ["/Encounter/encA", "/Observation"])
        } else {
            #expect(answer.status == 404)
            #expect(answer.text == never.text)
            #expect(answer.upstream.map(\.path) == ["/Encounter/\(id)"])
        }
        try expectNoLeak(answer)
    }

    // MARK: - histories

    static let moved = [
        observation("o1", of: "pA", category: "laboratory", code: "1"),
        observation("o2", of: "pB", category: "laboratory", code: "SECRET-B"),
        // o3 was pB's once, and is pA's now; o4 the other way about.
        observation("o3", of: "pB", category: "laboratory", code: "SECRET-B"),
        observation("o3", of: "pA", category: "laboratory", code: "3"),
        observation("o4", of: "pA", category: "laboratory", code: "SECRET-B"),
        observation("o4", of: "pB", category: "laboratory", code: "SECRET-B"),
        observation("o5", of: "pA", category: "laboratory", code: "SECRET-B"),
        observation("o6", of: "pA", category: "vital-signs", code: "6"),
    ]

    @Test(.verifies("attack@ATK-099", "attack@ATK-102"), arguments: [1, 2, 50])
    func `versions in a type's history are judged with the current one, and deletions stay out`(
        count: Int
    ) async throws {
        let panels = PanelSource.table(
            users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])])
        let harness = try Self.harness(Self.moved, panels: panels, deleted: ["Observation/o5"])
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")

        let pages = try await Self.pages(harness, "/Observation/_history?_count=\(count)", token)

        #expect(pages.flatMap(\.keys) == ["Observation/o3", "Observation/o1", "Observation/o6"])
        #expect(pages.allSatisfy { $0.json?["total"] == nil && !$0.text.contains("DELETE") })
        #expect(pages.dropLast().allSatisfy { $0.keys.count == count })
    }

    @Test(.verifies("attack@ATK-102"))
    func `who may see all of a type is told of deletions; who may see some is not`() async throws {
        let panels = PanelSource.table(users: [:], clients: [ClientID("backend"): .everyone])
        let harness = try Self.harness(
            [Self.moved[0], Self.moved[7]], panels: panels, deleted: ["Observation/o1"])
        let all = try harness.token(scope: "system/*.rs", client: "backend", subject: nil)
        let some = try harness.token(
            scope: "system/Observation.rs?category=\(Self.system)|vital-signs", client: "backend", subject: nil)

        for path in ["/Observation/_history", "/_history"] {
            let whole = await harness.send("GET", path, token: all)
            let limited = await harness.send("GET", path, token: some)

            #expect(whole.status == 200 && whole.text.contains("DELETE") && whole.keys.count == 2)
            #expect(limited.status == 200 && !limited.text.contains("DELETE"))
            #expect(limited.keys == ["Observation/o6"])
        }
    }
}
