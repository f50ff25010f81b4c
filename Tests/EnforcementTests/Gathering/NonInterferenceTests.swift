import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import Foundation
import RequirementTraits
import Testing

/// Changing only what the token cannot see changes nothing of what anybody can notice: no status, header or body, and
/// nothing of what the protected server is asked.
///
/// Random stores that agree in what is visible to the token, random requests, a protected server that obeys. What a
/// server is asked may differ in one way that is allowed by the record of decision 30: how many pages it takes to fill a
/// page of a list whose rows are not all visible.
@Suite(.underMutation) struct NonInterferenceTests {
    private static let worlds = ProcessInfo.processInfo.environment["CHAPERONE_NIGHTLY"] == nil ? 24 : 2_000

    private struct World {
        var visible: [JSONValue] = []
        var hidden: [[JSONValue]] = [[], []]
    }

    private struct Face: Equatable, CustomStringConvertible {
        let status: Int
        let fields: [String]
        let body: String
        let upstream: [String]

        init(_ answer: GatewayHarness.Answer, countsUpstream: Bool) {
            status = answer.status
            fields = answer.fields.filter { $0.name != "x-request-id" }.map { "\($0.name): \($0.value)" }
            body = NonInterferenceTests.withoutSeals(answer.text)
            upstream =
                countsUpstream
                ? answer.upstream.map {
                    "\($0.method) \($0.path)?\($0.query ?? "") \($0.pageTarget ?? "") \(String(decoding: $0.body, as: UTF8.self))"
                } : []
        }

        var description: String { "\(status) \(fields) \(body) asked \(upstream)" }
    }

    /// A sealed link differs each time that it is made; that there is one must not.
    private static func withoutSeals(_ text: String) -> String {
        guard let range = text.range(of: "/_page/") else { return text }
        let rest = text[range.upperBound...].drop { $0 != "\"" }
        return "\(text[..<range.upperBound])SEAL\(withoutSeals(String(rest)))"
    }

    private static func nextLink(_ answer: GatewayHarness.Answer) -> String? {
        let next = answer.json?["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string
        return next.map { String($0.dropFirst(GatewayHarness.publicBase.count)) }
    }

    @Test(.verifies("house@non-interference"), arguments: 1...8)
    func `two stores that agree in what is visible cannot be told apart`(shard: Int) async throws {
        var compared = 0
        var answered = 0
        for seed in 0..<Self.worlds / 8 {
            var random = SeededChoice(seed: UInt64(shard * 10_000 + seed))
            let world = Self.world(&random)
            let tokens = [
                ("patient/*.rs", "pA"), ("patient/Patient.rs patient/Observation.rs", "pA"),
                ("patient/Observation.rs?category=\(GatheredAnswerTests.system)|laboratory", "pA"),
                (GatheredAnswerTests.twoLimits, "pA"), ("patient/DocumentReference.rs patient/List.rs", "pA"),
            ]
            let harnesses = try world.hidden.map { try GatheredAnswerTests.harness(world.visible + $0) }
            for (scope, patient) in tokens {
                for _ in 0..<12 {
                    let current = Self.target(&random, world)
                    var pages = 0
                    var faces: [Face] = []
                    var links: [String?] = [current, current]
                    repeat {
                        faces = []
                        for (place, harness) in harnesses.enumerated() {
                            let token = try harness.token(scope: scope, patient: patient)
                            let answer = await harness.send("GET", links[place] ?? current, token: token)
                            faces.append(Face(answer, countsUpstream: !Self.mayFill(current)))
                            links[place] = Self.nextLink(answer)
                            if answer.status == 200 { answered += 1 }
                        }
                        #expect(faces[0] == faces[1], "seed \(shard)/\(seed), \(scope), \(current), page \(pages)")
                        compared += 1
                        pages += 1
                    } while links[0] != nil && links[1] != nil && pages < 20
                }
            }
        }
        #expect(compared > 100)
        #expect(answered > compared / 3)
    }

    /// Lists whose rows are not all visible, and what comes in pages from an operation.
    private static func mayFill(_ target: String) -> Bool {
        ["/List", "_type=List", "$everything", "/*", "/?", "Binary"].contains { target.contains($0) }
            || target == "/"
    }

    // MARK: - worlds

    private static let codes = ["laboratory", "vital-signs"]

    private static func world(_ random: inout SeededChoice) -> World {
        var world = World()
        world.visible = [
            ["resourceType": "Patient", "id": "pA", "name": [["family": "Alpha"]]],
            ["resourceType": "Practitioner", "id": "dr1", "name": [["family": "Jones"]]],
            ["resourceType": "Encounter", "id": "encA", "status": "finished", "subject": reference("Patient/pA")],
        ]
        for number in 0..<random.number(2...7) { world.visible.append(own(number, &random)) }
        for place in 0..<2 {
            var records: [JSONValue] = []
            if random.flip() { records.append(["resourceType": "Patient", "id": "pB", "name": [["family": "Alpha"]]]) }
            for number in 0..<random.number(0...8) { records.append(foreign(number, &random)) }
            world.hidden[place] = records
        }
        return world
    }

    private static func reference(_ text: String) -> JSONValue { ["reference": .string(text)] }

    private static func own(_ number: Int, _ random: inout SeededChoice) -> JSONValue {
        switch random.number(0...5) {
        case 0...2:
            // It may point at what is hidden: that is visible, what it points at is not.
            var members: [JSONMemberValue] =
                GatheredAnswerTests.observation(
                    "own\(number)", of: "pA", category: random.pick(codes), code: random.pick(["a", "b"])
                ).object ?? []
            members.append(
                JSONMemberValue(
                    "performer", .array([reference(random.pick(["Practitioner/dr1", "Patient/pB", "Patient/pA"]))])))
            members.append(JSONMemberValue("encounter", reference(random.pick(["Encounter/encA", "Encounter/encB"]))))
            return .object(members)
        case 3: return GatheredAnswerTests.list("own\(number)", naming: "pA")
        case 4:
            return [
                "resourceType": "DocumentReference", "id": .string("own\(number)"), "status": "current",
                "subject": reference("Patient/pA"),
                "content": [["attachment": ["url": .string(random.pick(["Binary/bin1", "Binary/bin2"]))]]],
            ]
        default:
            return [
                "resourceType": "Coverage", "id": .string("own\(number)"), "status": "active",
                "beneficiary": reference("Patient/pA"), "subscriber": reference("Patient/pB"),
            ]
        }
    }

    /// Something that no token here may see; some of it points at what is visible.
    private static func foreign(_ number: Int, _ random: inout SeededChoice) -> JSONValue {
        let id = "other\(number)"
        switch random.number(0...7) {
        case 0, 1:
            var members: [JSONMemberValue] =
                GatheredAnswerTests.observation(
                    id, of: "pB", category: random.pick(codes), code: random.pick(["a", "b"])
                ).object ?? []
            members.append(JSONMemberValue("performer", .array([reference("Patient/pA")])))
            members.append(JSONMemberValue("hasMember", .array([reference("Observation/own0")])))
            return .object(members)
        case 2: return GatheredAnswerTests.list(id, naming: "pB")
        case 3:
            return [
                "resourceType": "Coverage", "id": .string(id), "status": "active",
                "beneficiary": reference("Patient/pB"), "subscriber": reference("Patient/pA"),
            ]
        case 4:
            return [
                "resourceType": "Encounter", "id": "encB", "status": "finished", "subject": reference("Patient/pB"),
            ]
        case 5:
            return [
                "resourceType": "DocumentReference", "id": .string(id), "status": "current",
                "subject": reference("Patient/pB"),
                "content": [["attachment": ["url": .string(random.pick(["Binary/bin3", "Binary/bin4"]))]]],
            ]
        case 6: return ["resourceType": "Binary", "id": .string(random.pick(["bin3", "bin4"])), "data": "eA=="]
        default: return ["resourceType": "Observation", "id": .string(id), "status": "final", "code": ["text": "x"]]
        }
    }

    // MARK: - requests

    private static func target(_ random: inout SeededChoice, _ world: World) -> String {
        let types = ["Observation", "Patient", "Encounter", "List", "Coverage", "DocumentReference"]
        let type = random.pick(types)
        let id = random.pick(
            ["own0", "own1", "other0", "other1", "other2", "pA", "pB", "encA", "encB", "bin1", "bin3", "none"])
        let count = random.pick(["", "_count=1", "_count=2"])
        switch random.number(0...16) {
        case 0: return "/\(type)/\(id)"
        case 1: return "/\(type)/\(id)/_history"
        case 2: return "/\(type)/\(id)/_history/1"
        case 3, 4: return "/\(type)?\(count)"
        case 5: return "/\(type)?_id=\(id)"
        case 6: return "/Observation?category=\(random.pick(codes))&\(count.isEmpty ? "_total=accurate" : count)"
        case 7: return "/Observation?_include=Observation:performer&_include=Observation:encounter"
        case 8: return "/Patient?_id=pA&_revinclude=Observation:\(random.pick(["patient", "performer", "focus"]))"
        case 9: return "/Coverage?_include=Coverage:subscriber"
        case 10: return "/?_type=Observation,Patient&\(count.isEmpty ? "_lastUpdated=ge2020" : count)"
        case 11: return random.pick(["/Patient/pA/*", "/Patient/pB/*", "/", "/Patient/pB/Observation"])
        case 12: return "/Patient/\(random.pick(["pA", "pB"]))/\(type)"
        case 13: return "/Encounter/\(random.pick(["encA", "encB", "none"]))/Observation"
        case 14: return "/Patient/\(random.pick(["pA", "pB", "none"]))/$everything?\(count)"
        case 15: return "/Binary/\(id)"
        default:
            return
                "/Observation?patient=\(random.pick(["pA", "pB", "none"]))&_summary=\(random.pick(["count", "text"]))"
        }
    }
}

/// Choices that are the same for the same seed.
struct SeededChoice {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return range.lowerBound + Int(((state &* 0x2545_F491_4F6C_DD1D) >> 33) % UInt64(range.count))
    }

    mutating func flip() -> Bool { number(0...1) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...(elements.count - 1))] }
}
