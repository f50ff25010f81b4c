import ChaperoneTesting
import RequirementTraits
import Testing

@testable import Enforcement

/// A protected server that passes over what a search says is not believed, whatever the search was a part of.
@Suite(.timeLimit(.minutes(2))) struct DistrustTests {
    private static let types = ["Observation", "Condition"]

    private static var statement: String {
        let resources = types.map { type in
            #"{"type":"\#(type)","interaction":[{"code":"read"},{"code":"search-type"}],"searchParam":[{"name":"patient","type":"reference"},{"name":"subject","type":"reference"},{"name":"code","type":"token"}]}"#
        }
        return
            #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","resource":[\#(resources.joined(separator: ","))]}]}"#
    }

    private static func foreign(_ type: String) -> String {
        #"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"\#(type)","id":"x","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pB"}},"search":{"mode":"match"}}]}"#
    }

    @Test(
        .verifies("house@CAP-03"),
        arguments: [
            ("GET", "/?_type=Observation,Condition", ["Observation", "Condition"]),
            ("DELETE", "/Observation?code=x", ["Observation"]),
        ])
    func `no count is believed of a type on which it was seen to disobey`(
        method: String, target: String, distrusted: [String]
    ) async throws {
        try await withGateway(upstream: { seen in
            if seen.target.hasSuffix("/metadata") { return .answer(200, Self.statement) }
            if seen.target.contains("_summary=count") {
                return .answer(200, #"{"resourceType":"Bundle","type":"searchset","total":3}"#)
            }
            return .answer(200, Self.foreign(seen.target.contains("/Condition") ? "Condition" : "Observation"))
        }) { gateway, _ in
            _ = await gateway.readCapabilities()
            for type in Self.types {
                #expect(try await gateway.send(gateway.request("GET", "/\(type)?_summary=count"))[0].status == 200)
            }
            _ = try await gateway.send(gateway.request(method, target))

            for type in Self.types {
                let count = try await gateway.send(gateway.request("GET", "/\(type)?_summary=count"))[0]
                #expect(count.status == (distrusted.contains(type) ? 400 : 200), "\(type)")
            }
        }
    }
}
