import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Every shape of request that FHIR R4 knows has an answer and exactly one closed record, whatever the token holds.
@Suite(.underMutation) struct EveryInteractionTests {
    /// Method, target and body.
    private static let shapes: [(String, String, String)] = [
        ("GET", "/metadata", ""), ("GET", "/Observation/obsA", ""), ("HEAD", "/Observation/obsA", ""),
        ("GET", "/Observation/obsA/_history/1", ""), ("GET", "/Observation/obsA/_history", ""),
        ("GET", "/Observation/_history", ""), ("GET", "/_history", ""), ("GET", "/Observation", ""),
        ("GET", "?_type=Patient,Observation", ""), ("GET", "/?_id=obsB", ""),
        ("GET", "/Patient/pA/Observation", ""), ("GET", "/Patient/pA/*", ""),
        ("GET", "/Encounter/encA/Observation", ""),
        ("GET", "/Practitioner/dr1/Observation", ""), ("GET", "/Device/d1/Observation", ""),
        ("POST", "/Observation", #"{"resourceType":"Observation"}"#),
        ("PUT", "/Observation/obsA", #"{"resourceType":"Observation","id":"obsA"}"#),
        ("PUT", "/Observation?code=x", #"{"resourceType":"Observation"}"#),
        ("PATCH", "/Observation/obsA", "[]"), ("PATCH", "/Observation?code=x", "[]"),
        ("DELETE", "/Observation/obsA", ""), ("DELETE", "/Observation?status=final", ""),
        ("POST", "", #"{"resourceType":"Bundle","type":"batch","entry":[]}"#),
        ("POST", "", #"{"resourceType":"Bundle","type":"transaction","entry":[]}"#),
        ("POST", "", #"{"resourceType":"Bundle","type":"collection","entry":[]}"#),
        ("GET", "/$export", ""), ("GET", "/Patient/$everything", ""), ("GET", "/Patient/pA/$everything", ""),
        ("POST", "/Patient/$match", #"{"resourceType":"Parameters"}"#), ("GET", "/_page/nothing", ""),
        ("PROPFIND", "/Observation", ""), ("GET", "/Nothing/x", ""), ("GET", "/Patient/../Patient/pB", ""),
    ]

    /// A record names scopes of the token, and of patients the one in context and those in the address.
    private func check(_ record: AccessRecord, _ held: JSONValue, _ note: Comment) {
        let scopes = Set((held["scope"]?.string ?? "").split(separator: " ").map(String.init))
        #expect(Set(record.scopes).isSubset(of: scopes), note)
        if record.outcome == .permitted, record.released > 0 { #expect(!record.scopes.isEmpty, note) }
        let own = held["patient"]?.string
        let named = Set([own, record.path.contains("pA") ? "pA" : nil].compactMap { $0 })
        // What is no request of FHIR at all names nobody but who is in context.
        #expect(Set(record.patients).isSubset(of: named), note)
        if let own { #expect(record.patients.contains(own), note) }
        #expect(Set(record.askedOnly).isSubset(of: record.patients), note)
        if record.outcome != .permitted { #expect(record.released == 0, note) }
    }

    @Test(.verifies("house@every-interaction"), arguments: Self.shapes)
    func `an answer and one closed record`(method: String, target: String, body: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(.lenient).upstream)
        let type = method == "PATCH" ? "application/json-patch+json" : "application/fhir+json"
        for name in ["P", "Pw", "Gw", "N"] {
            let token = try #require(try catalogue.token(name, from: harness))

            let answer = await harness.send(
                method, target, token: token, headers: body.isEmpty ? [] : [(name: "Content-Type", value: type)],
                body: Array(body.utf8))

            #expect((200...599).contains(answer.status))
            // The capability statement is open to everybody and no access to anybody's data.
            if target != "/metadata" {
                #expect(answer.records.count { $0.index.phase != .opening && $0.parent == nil } == 1, "\(name)")
                let held = try #require(catalogue.held[name])
                for record in try RecordedPatientsTests.records(answer) { check(record, held, "\(name) \(target)") }
            }
        }
    }
}
