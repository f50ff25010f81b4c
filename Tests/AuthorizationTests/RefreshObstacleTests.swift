import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// What keeps a refresh token that is known and current from being used: the token endpoint refuses it, and introspection
/// calls it inactive, for the same causes.
@Suite struct RefreshObstacleTests {
    /// What happens after the token was given.
    enum Cause: CaseIterable {
        case nothing, becamePublic, grantTypeTaken, offlineTaken, accountDisabled, personUnlinked, directoryForgets
    }

    private func granted(_ harness: LaunchHarness) async throws -> (token: String, secret: String) {
        let secret = LaunchHarness.basic("confidential", "confidential-secret")
        let code = try await harness.launch(["client_id": "confidential"])
        let response = try await harness.exchange(code, ["client_id": nil], authorization: secret).response
        return (try #require(response?.refreshToken).reveal(), secret)
    }

    private func isActive(_ token: String, _ harness: LaunchHarness) async throws -> Bool {
        let bearer = "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))
        let answer = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", token)]), authorization: bearer, from: harness.source)
        guard case .facts(let json) = answer else {
            Issue.record("\(answer)")
            return false
        }
        return json["active"]?.bool == true
    }

    /// Brings a changed registration in, as a configuration would.
    private func change(
        _ harness: LaunchHarness, method: ClientAuthenticationMethod = .clientSecretBasic,
        grants: Set<GrantType> = [.authorizationCode, .refreshToken], profile: ClientProfile = .smart22,
        id: String = "confidential", without removed: Scope? = nil
    ) async throws {
        var client = try #require(try LaunchHarness.clients().first { $0.id.text == id })
        client.metadata = try ClientMetadata(
            name: client.name, redirectURIs: [LaunchHarness.redirect], grantTypes: grants, authenticationMethod: method)
        if method == .none { client.secrets = [] }
        client.profile = profile
        client.approvedScopes = ScopeSet(client.approvedScopes.scopes.filter { $0 != removed })
        #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .changed)
    }

    @Test(.verifies("house@REFRESH-OBSTACLE"), arguments: Cause.allCases)
    func `introspection calls a refresh token active exactly when it can be used`(_ cause: Cause) async throws {
        let directory = DirectoryDouble()
        let harness = try await LaunchHarness(directory: directory)
        let (token, secret) = try await granted(harness)
        let anna = try #require(try await harness.store.user(named: "anna")).subject
        var header: String? = secret
        switch cause {
        case .nothing: break
        case .becamePublic:
            try await change(harness, method: .none)
            header = nil
        case .grantTypeTaken: try await change(harness, grants: [.authorizationCode])
        case .offlineTaken: try await change(harness, without: .offlineAccess)
        case .accountDisabled:
            _ = try await harness.server.accounts.disable(anna, by: "root", from: harness.source)
        case .personUnlinked: _ = try await harness.server.access.unlink(anna, by: "root", from: harness.source)
        case .directoryForgets: directory.forget()
        }
        let isActive = try await isActive(token, harness)
        let answer = try await harness.refresh(token, client: "confidential", authorization: header)
        #expect(isActive == (cause == .nothing))
        #expect((answer.response != nil) == isActive, "\(answer)")
    }

    @Test(.verifies("house@REFRESH-OBSTACLE"))
    func `what was given to a client that proves itself gives nothing while it does not, and nothing ends`()
        async throws
    {
        let harness = try await LaunchHarness()
        let (token, secret) = try await granted(harness)
        try await change(harness, method: .none)
        for _ in 0..<2 {
            #expect(try await harness.refresh(token, client: "confidential").face == "400 invalid_grant")
        }
        try await change(harness)
        #expect(
            try await harness.token(
                ["grant_type": "refresh_token", "refresh_token": token], authorization: secret
            ).response != nil)
    }

    @Test(.verifies("house@REFRESH-OBSTACLE"))
    func `a code without a challenge is not redeemed by a client that became public`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch([
            "client_id": "smart1", "code_challenge": nil, "code_challenge_method": nil,
        ])
        try await change(harness, method: .none, profile: .smart22, id: "smart1")
        let answer = try await harness.exchange(code, ["client_id": "smart1", "code_verifier": nil])
        #expect(answer.face == "400 invalid_grant")
    }
}

/// Logins of providers that are not what they were.
@Suite struct UnvouchedLoginTests {
    private enum Change: CaseIterable { case removed, otherIssuer }

    private func restarted(_ earlier: FederationHarness, _ change: Change, links: Bool) async throws
        -> FederationHarness
    {
        switch change {
        case .removed: try await FederationHarness(ProviderDouble.provider(id: "other"), links: links, after: earlier)
        case .otherIssuer:
            try await FederationHarness(
                ProviderDouble.provider(issuer: "https://new.example"), links: links, after: earlier)
        }
    }

    @Test(.verifies("house@MEMBER-ISSUER"), arguments: [(true, false), (true, true), (false, false), (false, true)])
    func `a provider that is gone, or is another one by that name, vouches for nobody and ends nothing`(
        isRemoved: Bool, links: Bool
    ) async throws {
        let first = try await FederationHarness()
        let token = try #require(try await first.launch().refreshToken).reveal()
        let account = try #require(try await first.store.logins().first).account
        let changed = try await restarted(first, isRemoved ? .removed : .otherIssuer, links: links)
        let directory = SiteMemberDirectory(
            links: changed.store, logins: changed.store,
            sources: changed.harness.federation.sources, clock: changed.harness.clock.clock)
        #expect(try await directory.member(for: account) == nil)
        #expect(try await !directory.canTell(of: account))

        let refused = try await changed.harness.refresh(token)
        #expect(refused.face == "400 invalid_grant")
        #expect(refused.error?.summary.contains("sign in again") == true)
        #expect(try await changed.store.grants(matching: GrantFilter(onlyActive: true), limit: 9).count == 1)

        let back = try await FederationHarness(after: changed)
        #expect(try await back.harness.refresh(token).response != nil)
    }

    @Test(.verifies("house@MEMBER-ISSUER"))
    func `a local account is known by its link alone`() async throws {
        let federation = try await FederationHarness()
        let anna = try #require(try await federation.store.user(named: "anna")).subject
        let directory = SiteMemberDirectory(
            links: federation.store, logins: federation.store, clock: federation.harness.clock.clock)
        #expect(try await directory.canTell(of: anna))
        #expect(try await directory.member(for: anna)?.fhirUser == InstanceKey("Patient/patient-a"))
    }
}
