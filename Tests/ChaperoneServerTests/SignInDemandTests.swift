import AccessPolicy
import Authorization
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

@testable import ChaperoneServer
@testable import OAuthCore

/// Demands that are raised hold for the tokens that are out, at the gateway and at the decision listener.
@Suite(.verifies("house@ASSURANCE-TOKENS")) struct SignInDemandTests {
    private static let key = "the shared key of a foreign gateway"

    /// A server with a decision listener, which can be started again with other settings. A class for its state.
    private final class Site: Sendable {
        let decisions: Int
        private let listener: String
        private let running: Mutex<RunningServer>
        var server: RunningServer { running.withLock { $0 } }

        init(settings: String, keyFile: String) async throws {
            decisions = try #require(try await RunningServer.freePorts(1).first)
            listener = "decisions: {port: \(decisions), key-file: \(keyFile)}"
            running = Mutex(try await RunningServer.start(settings: settings, listeners: listener))
        }

        func restart(settings: String) async throws {
            let next = try await server.restarted(settings: settings, listeners: listener)
            running.withLock { $0 = next }
        }
    }

    private func withSite(settings: String = "", _ work: (Site) async throws -> Void) async throws {
        try await ServerFolder.with { folder in
            let file = folder + "/key"
            try PrivateFile.write(Array((Self.key + "\n").utf8), to: file)
            let site = try await Site(settings: settings, keyFile: file)
            let result: Result<Void, any Error>
            do { result = .success(try await work(site)) } catch { result = .failure(error) }
            try await site.server.stop()
            try result.get()
        }
    }

    private func decision(_ site: Site, _ token: JSONValue) async throws -> Answer {
        try await Browser().get(
            "http://127.0.0.1:\(site.decisions)/authz/nginx",
            headers: [
                ("x-chaperone-key", Self.key), ("x-original-method", "GET"),
                ("x-original-uri", "/fhir/Patient/patient-a"), ("x-original-address", "192.0.2.7"),
                ("authorization", "Bearer \(token["access_token"]?.string ?? "")"),
            ])
    }

    private func read(_ site: Site, _ token: JSONValue) async throws -> Answer {
        try await TestApp(server: site.server).fhir("/Patient/patient-a", token)
    }

    @Test func `a token is refused after a start with a higher demand, and good again after one with the old`()
        async throws
    {
        try await withSite { site in
            let token = try await TestApp(server: site.server).launch()
            #expect(try await read(site, token).status == 200)
            #expect(try await decision(site, token).status == 200)

            try await site.restart(settings: "second-factor: {programs: [patient-access]}")

            for _ in 0..<2 {
                let refused = try await read(site, token)
                #expect(refused.status == 401)
                #expect(refused["www-authenticate"]?.contains("error=\"invalid_token\"") == true)
                #expect(try await decision(site, token).status == 401)
            }
            try await site.restart(settings: "")
            #expect(try await read(site, token).status == 200)
            #expect(try await decision(site, token).status == 200)
        }
    }

    @Test func `what a role demands holds from the request on after somebody got the role`() async throws {
        try await withSite(settings: "second-factor: {roles: [clinician]}") { site in
            let token = try await TestApp(server: site.server).launch()
            #expect(try await read(site, token).status == 200)
            let installation = site.server.composition.installation
            let account = try #require(try await installation.server.stores.users.user(named: "patient-a"))

            let isChanged = try await installation.server.accounts.setRoles(
                [.member, .clinician], of: account.subject, by: "test", from: RequestSource(address: "test"))

            #expect(isChanged)
            #expect(try await read(site, token).status == 401)
            #expect(try await decision(site, token).status == 401)
        }
    }
}
