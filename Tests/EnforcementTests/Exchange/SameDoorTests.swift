import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Enforcement

/// A page of this process and a client on the wire come in by one door.
@Suite struct SameDoorTests {
    @Test(.verifies("house@every-interaction-recorded"))
    func `a look of a page of ours is recorded and bounded like a client's`() throws {
        let rules: [ResourceType: PanelQuery.Rule] = [
            .practitioner: try #require(PanelQuery.Rule(.patient, by: "general-practitioner"))
        ]
        let sealer = try #require(Sealer(keys: [[UInt8](repeating: 7, count: 32)]))
        let key = try PrivateJWK.generate(.es256, keyID: "k")
        let keys = JWKSet([key.publicKey])
        let enforcer = Enforcer(
            policy: ServerPolicy(
                publicBase: GatewayHarness.publicBase, upstreamBase: GatewayHarness.upstreamBase,
                types: try TypeTable.r4()),
            verifier: AccessTokenVerifier(
                expectation: AccessTokenClaims.Expectation(
                    issuer: GatewayHarness.issuer, audience: GatewayHarness.publicBase),
                keys: { keys }, revocation: { _ in .active }),
            panels: PanelSource.table(users: [:]).asking(PanelQuery(rules: rules)),
            pageLinks: PageLinks(
                sealer: { sealer }, publicBase: GatewayHarness.publicBase,
                server: try UpstreamFHIRServer(base: GatewayHarness.upstreamBase)),
            facts: RecordFacts(
                reportingEntity: "plan-1", organization: { "org of \($0.text)" }, purposes: { _ in ["TREAT"] }))
        let access = GrantedAccess(
            clientID: ClientID("pages"), subject: SubjectID("member"), scopeText: "user/*.rs",
            launch: LaunchContext(patient: nil, fhirUser: InstanceKey("Practitioner/dr1")), program: .general,
            grantID: GrantID("g"), tokenID: TokenID("t"), issuedAt: 0, expiresAt: 9_999_999_999)
        let request = ClientRequest(
            method: "GET", path: "/Patient",
            headers: [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
            receivedAt: GatewayHarness.now * 1000)

        let incoming = enforcer.receive(request, as: access)

        #expect(incoming.panelQuestion != nil)
        #expect(incoming.reportingEntity == "plan-1")
        #expect(incoming.organization == "org of pages")
        #expect(incoming.purposeOfUse == ["TREAT"])
        #expect(incoming.traceID == "0af7651916cd43dd8448eb211c80319c")
    }
}
