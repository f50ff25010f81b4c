import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import Synchronization
import Testing

/// What the site says of its members, which a test can change. A class for its state.
final class SiteDouble: Sendable {
    struct Down: Error {}
    private let answers = Mutex<[String: MemberDirectoryAnswer]?>([:])

    func say(_ answer: MemberDirectoryAnswer, of identifier: String = "M-1") {
        answers.withLock { $0?[identifier] = answer }
    }
    /// Something that happens while the site is being asked.
    private let hook = Mutex<(@Sendable () async throws -> Void)?>(nil)
    func whenAsked(_ work: @escaping @Sendable () async throws -> Void) { hook.withLock { $0 = work } }
    func goDown() { answers.withLock { $0 = nil } }

    var source: MemberSource {
        .asked { identity in
            if let work = self.hook.withLock({ $0 }) { try await work() }
            guard let answers = self.answers.withLock({ $0 }) else { throw Down() }
            return answers[identity.identifier] ?? .unknown
        }
    }
}

/// An authorization server in memory whose people sign in at a provider. One that is made after another goes on with its
/// stores, clock and provider, as a process that was started anew.
struct FederationHarness {
    let harness: LaunchHarness
    let provider: ProviderDouble
    let site: SiteDouble
    /// How many came before it.
    private let generation: UInt64

    init(
        _ settings: IdentityProvider = ProviderDouble.provider(), more: [IdentityProvider] = [], links: Bool = false,
        assurance: AssuranceRules = AssuranceRules(), takesPasswords: Bool = true,
        after earlier: FederationHarness? = nil, seam: Seam? = nil,
        configure: (inout AuthorizationConfiguration) -> Void = { _ in }
    ) async throws {
        generation = earlier.map { $0.generation + 1 } ?? 0
        let clock = earlier?.harness.clock ?? ManualClock()
        let provider = earlier?.provider ?? ProviderDouble(now: { clock.now })
        let site = earlier?.site ?? SiteDouble()
        let source = links ? MemberSource.links : site.source
        let all = [settings] + more
        let federation = Federation(
            providers: all,
            sources: Dictionary(
                uniqueKeysWithValues: all.map { ($0.id, MemberSourceRules(source: source, issuer: $0.issuer)) }),
            assurance: assurance, panels: try LaunchHarness.panels(), fetch: provider)
        harness = try await LaunchHarness(
            store: earlier?.store ?? InMemoryAuthorizationStore(), clock: clock, seed: 7 + generation,
            isFresh: earlier == nil, federation: federation, takesPasswords: takesPasswords, configure: configure,
            seam: seam)
        self.provider = provider
        self.site = site
        guard earlier == nil else { return }
        site.say(Self.patient("patient-a"))
    }

    static func patient(_ id: String) -> MemberDirectoryAnswer {
        .known(MemberFacts(of: MemberChoiceTests.key("Patient/\(id)")))
    }

    var endpoint: FederationEndpoint { harness.server.federation }

    /// A browser at the login page of a launch.
    func begin(_ changes: [String: String?] = [:]) async throws -> (launch: Secret, cookie: Secret) {
        let answer = try await harness.begin(changes)
        return (try #require(answer.login).transaction, try #require(answer.newCookie))
    }

    /// To the provider; what stands in the address.
    func go(
        _ launch: Secret?, _ cookie: Secret?, to id: String = "plan"
    ) async throws -> (query: [String: String], location: String) {
        let answer = await endpoint.begin(provider: id, launch: launch, session: cookie, from: harness.source)
        guard case .redirect(let location, _) = answer else {
            Issue.record("\(answer)")
            return ([:], "")
        }
        let query = try #require(InteractionAnswer.query(of: location))
        provider.set { $0.nonce = query["nonce"] ?? "" }
        return (query, location)
    }

    /// Back from the provider, with parameters that replace the good ones.
    func comeBack(
        _ query: [String: String], _ cookie: Secret?, at id: String = "plan", _ changes: [String: String?] = [:]
    ) async throws -> FederationAnswer {
        var parameters: [String: String] = [
            "code": "code-1", "state": query["state"] ?? "", "iss": ProviderDouble.issuer,
        ]
        for (name, value) in changes { parameters[name] = value }
        let form = try LaunchHarness.form(parameters.map { ($0.key, $0.value) })
        return await endpoint.complete(provider: id, form, session: cookie, from: harness.source)
    }

    /// From the login page to what comes after the provider.
    func signIn(_ changes: [String: String?] = [:]) async throws -> FederationAnswer {
        let (launch, cookie) = try await begin()
        let (query, _) = try await go(launch, cookie)
        return try await comeBack(query, cookie, changes)
    }

    /// The whole launch, to the token response.
    func launch() async throws -> TokenResponse {
        let answer = try await signIn()
        let interaction = try #require(answer.interaction)
        let page = try #require(interaction.consent, "\(interaction.outcome)")
        let decided = try await harness.decide(page, session: try #require(interaction.newCookie))
        let code = try #require(decided.redirectParameters?["code"], "\(decided.outcome)")
        return try #require(try await harness.exchange(code).response)
    }

    var store: InMemoryAuthorizationStore { harness.store }

    /// The reasons of the failed logins that are on record.
    var failures: [String] {
        harness.log.records.filter { $0.kind == .loginFailed }.compactMap(\.outcome.reason)
    }
}

extension FederationAnswer {
    var interaction: InteractionAnswer? { if case .interaction(let answer) = self { answer } else { nil } }
    /// The error that the person is shown; nothing was given with it.
    var shown: OAuthError? {
        guard let interaction, case .keep = interaction.session else { return nil }
        return interaction.shownError
    }
}
