import ChaperoneTesting
import Enforcement
import FHIRCore
import FHIRXML
import RequirementTraits
import SyntheticRecords
import Testing

/// What a client sees does not depend on the format that it speaks: there is one judge, and it reads JSON (decision 4).
@Suite(.underMutation) struct SameInBothFormatsTests {
    @Test(.verifies("house@xml-same-content"), arguments: [ScriptedRecords.Obedience.obedient, .lenient])
    func `every row of the attack catalogue`(obedience: ScriptedRecords.Obedience) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        for row in catalogue.attacks where !row.headers.contains(where: { $0.name.lowercased() == "accept" }) {
            let token = try #require(try Self.tokens[row.token])
            let pair = try await FormatPair.send(
                row.method, row.target, scope: token.scope, patient: token.patient, headers: row.headers
            ) { catalogue.store(obedience).upstream }

            try pair.expectSame("\(row.testDescription) against \(obedience)")
            try expectNoLeak(pair.xml)
        }
    }

    /// Method, target and body.
    private static let shapes: [(String, String, String)] = [
        ("GET", "/Observation/obsA", ""), ("HEAD", "/Observation/obsA", ""), ("GET", "/Observation/obsB", ""),
        ("GET", "/Observation/obsA/_history/1", ""), ("GET", "/Observation/obsA/_history", ""),
        ("GET", "/Observation/_history", ""), ("GET", "/_history", ""), ("GET", "/Observation", ""),
        ("GET", "/Observation?_count=1", ""), ("GET", "/Observation?_include=Observation:subject", ""),
        ("GET", "/Observation?_include=Observation:performer", ""), ("GET", "/Observation?_elements=code", ""),
        ("GET", "/Observation?_summary=true", ""), ("GET", "/Observation?code=nothing", ""),
        ("GET", "/Observation?nonsense=1", ""), ("GET", "/Observation?a%01b=c", ""),
        ("GET", "/Observation?%EF%BF%BF=c", ""),
        ("GET", "?_type=Patient,Observation", ""), ("GET", "/Patient/pA/Observation", ""),
        ("POST", "/Observation", created), ("POST", "/Observation", foreign), ("PUT", "/Observation/obsA", updated),
        ("PUT", "/Observation/obsB", foreign), ("PUT", "/Observation/obsA", foreign),
        ("PUT", "/Observation?code=x", created), ("PATCH", "/Observation/obsA", "[]"),
        ("DELETE", "/Observation/obsA", ""), ("DELETE", "/Observation/obsB", ""),
        (
            "POST", "",
            #"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation/obsA"}}]}"#
        ),
        ("POST", "", #"{"resourceType":"Bundle","type":"collection"}"#), ("POST", "/Patient", created),
        ("GET", "/$export", ""), ("GET", "/Patient/pA/$everything", ""),
        ("POST", "/Patient/$match", #"{"resourceType":"Parameters","parameter":[{"name":"a","valueString":"b"}]}"#),
        ("GET", "/_page/nothing", ""), ("PROPFIND", "/Observation", ""), ("GET", "/Nothing/x", ""),
        ("GET", "/Patient/../Patient/pB", ""), ("POST", "/Nothing", created), ("GET", "/Binary/x", ""),
    ]

    private static let created =
        #"{"resourceType":"Observation","status":"final","code":{"text":"new"},"subject":{"reference":"Patient/pA"},"#
        + #""valueQuantity":{"value":1.50},"_issued":{"extension":[{"url":"http://x","valueCode":"unknown"}]}}"#
    private static let updated =
        #"{"resourceType":"Observation","id":"obsA","status":"amended","code":{"text":"new"},"subject":{"reference":"Patient/pA"}}"#
    private static let foreign =
        #"{"resourceType":"Observation","id":"obsA","status":"final","code":{"text":"new"},"subject":{"reference":"Patient/pB"}}"#

    struct Held: Sendable {
        let scope: String?
        let patient: String?
    }

    /// The tokens of `fixtures/attacks/attacks.json`, as scopes.
    private static var tokens: [String: Held] {
        get throws {
            let catalogue = try AttackCatalogue.shared.get()
            return catalogue.held.mapValues { Held(scope: $0["scope"]?.string, patient: $0["patient"]?.string) }
        }
    }

    @Test(.verifies("house@xml-same-content"), arguments: shapes)
    func `every kind of request and answer`(method: String, target: String, body: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        for name in ["P", "Pw", "Gw", "N"] {
            let token = try #require(try Self.tokens[name])
            for obedience in [ScriptedRecords.Obedience.obedient, .lenient] {
                let pair = try await FormatPair.send(
                    method, target, scope: token.scope, patient: token.patient, body: body
                ) { catalogue.store(obedience).upstream }

                try pair.expectSame(
                    "\(method) \(target) with \(name) against \(obedience): \(pair.json.status) \(pair.xml.status)")
            }
        }
    }

    @Test(
        .verifies("house@xml-same-content"),
        arguments: ["return=minimal", "return=OperationOutcome", "handling=lenient"])
    func `whatever a client prefers`(preference: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        for (method, target, body) in [
            ("POST", "/Observation", Self.created), ("PUT", "/Observation/obsA", Self.updated),
            ("GET", "/Observation?nonsense=1", ""),
        ] {
            let pair = try await FormatPair.send(
                method, target, scope: "patient/*.cruds", patient: "pA", body: body,
                headers: [(name: "Prefer", value: preference)]
            ) { catalogue.store(.obedient).upstream }
            try pair.expectSame("\(method) \(target) \(preference)")
        }
    }

    @Test(.verifies("house@xml-same-content"))
    func `a version that the client has is not sent again in either`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let pair = try await FormatPair.send(
            "GET", "/Observation/obsA", scope: "patient/*.rs", patient: "pA",
            headers: [(name: "If-None-Match", value: "W/\"1\"")]
        ) { catalogue.store(.obedient).upstream }

        try pair.expectSame("304")
        #expect(pair.xml.status == 304)
        #expect(pair.xml.field("etag") == "W/\"1\"")
    }

    @Test(.verifies("house@xml-same-content"))
    func `every type of the synthetic members`() async throws {
        let records = SyntheticRecordSet().bundles().flatMap { bundle in
            bundle.bundle["entry"]?.array?.compactMap { $0["resource"] } ?? []
        }
        let types = Set(records.compactMap { $0["resourceType"]?.string }).sorted()
        #expect(types.count > 10)
        var found = 0
        for type in types {
            let pair = try await FormatPair.send("GET", "/\(type)", scope: "patient/*.rs", patient: "patient-a") {
                ScriptedRecords(records, base: GatewayHarness.upstreamBase).upstream
            }
            try pair.expectSame("\(type)")
            found += pair.json.keys.count
        }
        #expect(found > 50)
    }

    @Test(
        .verifies("house@xml-same-content"),
        arguments: [UpstreamFailure.unreachable, .timedOut, .interrupted, .malformed, .tooLarge])
    func `every failure of the protected server`(failure: UpstreamFailure) async throws {
        for (method, target, body) in [("GET", "/Observation/obsA", ""), ("POST", "/Observation", Self.created)] {
            let pair = try await FormatPair.send(
                method, target, scope: "patient/*.cruds", patient: "pA", body: body
            ) { ScriptedUpstream { _ in .failure(failure) } }
            try pair.expectSame("\(failure)")
        }
    }
}
