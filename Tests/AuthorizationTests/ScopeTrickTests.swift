import AccessPolicy
import Authorization
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Testing

/// Scopes whose constraint asks for what no constraint may ask.
@Suite struct ScopeTrickTests {
    private static let category = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    private static let rest = "launch/patient openid offline_access patient/Patient.rs"

    @Test(
        .verifies("oauth-attack@S-04"),
        arguments: [
            "patient/Observation.rs?category=a%7Clab&_include=*", "patient/Observation.rs?\(category)&_include=*",
            "patient/Observation.rs?\(category)&_revinclude=Provenance:target",
            "patient/Observation.rs?_has:Group:member:_id=1",
            "patient/Observation.rs?_filter=status%20eq%20final", "patient/Observation.rs?unknown=1",
            "patient/Observation.rs?category=a%257Clab", "patient/Observation.rs?\(category)#x",
            "patient/Observation.rs??\(category)", "patient/Observation.rs?", "patient/Observation.rs?category",
            "patient/Observation.rs?category=", "patient/Observation.rs?\(category)&\(category)?x=1",
            "patient/Observation.rs?\(category)&", "patient/Observation.rs?%63ategory=x",
            "patient/Observation.rs%3Fcategory=x",
            "patient/Observation.rs?_count=1", "patient/Observation.rs?patient=patient-b",
            "patient/Observation.rs?category:not=x",
        ])
    func `a constraint that is not understood never widens what is granted`(_ trick: String) async throws {
        let harness = try await LaunchHarness()
        let asked: [String: String?] = ["scope": "\(Self.rest) \(trick)"]
        let answer = try await harness.begin(asked)
        if let error = answer.redirectParameters?["error"] {
            #expect(error == "invalid_scope")
            return
        }

        let response = try #require(try await harness.exchange(try await harness.launch(asked)).response)

        let granted = response.scope.split(separator: " ").filter { $0.contains("Observation") }
        // Dropped, or kept with a constraint of its own: never the whole type.
        #expect(granted.allSatisfy { $0.contains("?") && $0 != "patient/Observation.rs?" }, "\(granted)")
        #expect(granted.allSatisfy { !$0.contains("_include") && !$0.contains("_revinclude") && !$0.contains("_has") })
    }

    @Test(.verifies("oauth-attack@S-04"))
    func `the constraint that is understood is granted as it stands`() async throws {
        let harness = try await LaunchHarness()
        let scope = "patient/Observation.rs?\(Self.category)"

        let code = try await harness.launch(["scope": "\(Self.rest) \(scope)"])

        let response = try #require(try await harness.exchange(code).response)
        #expect(response.scope.split(separator: " ").contains { $0 == scope })
    }
}
