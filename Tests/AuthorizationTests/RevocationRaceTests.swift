import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Authorization

/// Access that ends while it is being given: at each place of the one course the other one is walked whole. When the
/// ending has returned no token of what was ended is accepted, made before it or meanwhile, and none is made.
@Suite struct RevocationRaceTests {
    struct Pair: Sendable, CustomTestStringConvertible {
        let course: RaceCourse
        let ending: RaceEnding
        var testDescription: String { "\(course.rawValue), \(ending.rawValue)" }
    }

    static let pairs = RaceCourse.allCases.flatMap { course in
        RaceEnding.allCases.filter { $0.ends(course) }.map { Pair(course: course, ending: $0) }
    }

    /// A server at which `anna` signs in as often as she likes, also while her account is disabled.
    private static func harness(_ seam: Seam) async throws -> LaunchHarness {
        let generous = ThrottlePolicy(free: 10_000, window: 900, firstWait: 30, longestWait: 900)
        let harness = try await LaunchHarness(
            configure: { configuration in
                configuration.accountThrottle = generous
                configuration.accountAnywhereThrottle = generous
                configuration.sourceThrottle = generous
            }, seam: seam)
        try await RaceEnding.configure(harness, "patient-a")
        return harness
    }

    /// What is left of tokens for whoever looks: the gateway, introspection, the token endpoint.
    private func demandEnded(
        _ tokens: [TokenResponse], _ pair: Pair, _ harness: LaunchHarness, alsoRefresh: Bool, _ place: String
    ) async throws {
        for token in tokens {
            let claims = try harness.access(token)
            // Who has become somebody else holds what is theirs as that person.
            if pair.ending == .otherPerson, claims.access.launch.patient?.text != "patient-a" { continue }
            #expect(try harness.isRefused(token), "\(place): the gateway accepts \(claims.access.grantID)")
            let found = try await IssuedTokens(parts: harness.server.token.parts).access(
                token.accessToken, at: harness.clock.now)
            #expect(found == nil, "\(place): introspection tells of it")
        }
        guard alsoRefresh, let last = tokens.last(where: { $0.refreshToken != nil }),
            let refresh = last.refreshToken?.reveal(),
            try pair.ending != .otherPerson || harness.access(last).access.launch.patient?.text == "patient-a"
        else { return }
        let answer = try await harness.refresh(
            refresh, client: pair.course.client, authorization: pair.course.authorization)
        #expect(answer.response == nil, "\(place): it is renewed")
    }

    private func finish(
        _ tokens: [TokenResponse], _ pair: Pair, _ harness: LaunchHarness, _ place: String
    ) async throws {
        let client = ClientID(pair.course.client)
        try await demandEnded(tokens, pair, harness, alsoRefresh: true, place)
        try await pair.ending.takeBack(harness, client: client)
        // What was ended does not come back with the person or the client.
        try await demandEnded(tokens, pair, harness, alsoRefresh: !pair.ending.keepsGrants, place + ", taken back")
        harness.clock.advance(seconds: 1)
    }

    @Test(.verifies("house@ENDED-AT-ONCE", "oauth-attack@G-06"), arguments: pairs)
    func `what is ended at any place of a course is over`(_ pair: Pair) async throws {
        let seam = Seam()
        let harness = try await Self.harness(seam)
        let client = ClientID(pair.course.client)
        var places: [String] = []
        for number in 0..<500 {
            let start = try await pair.course.prepare(harness, number: number)
            seam.watch(at: number) { try await pair.ending.end(harness, client: client) }
            let new = try await start.go()
            let place = seam.rest()
            // No such place any more: it ends after all.
            if place == nil { try await pair.ending.end(harness, client: client) }
            try await finish(start.tokens + new, pair, harness, place ?? "at the end")
            guard let place else {
                #expect(!new.isEmpty, "the course leads to tokens when nothing ends it")
                break
            }
            places.append(place)
        }
        #expect(places.contains(pair.course.decidingWrite), "\(places)")
    }

    @Test(.verifies("house@ENDED-AT-ONCE", "oauth-attack@G-06"), arguments: pairs.filter { $0.ending != .grants })
    func `a course that is walked at any place of an ending leads to nothing that outlives it`(
        _ pair: Pair
    ) async throws {
        let seam = Seam()
        let harness = try await Self.harness(seam)
        let client = ClientID(pair.course.client)
        var places: [String] = []
        var made = 0
        for number in 0..<100 {
            let start = try await pair.course.prepare(harness, number: number)
            let new = Mutex<[TokenResponse]>([])
            seam.watch(at: number) {
                // The ending has looked at its clock already.
                harness.clock.advance(seconds: 1)
                let tokens = try await start.go()
                new.withLock { $0 = tokens }
            }
            try await pair.ending.end(harness, client: client)
            let place = seam.rest()
            let tokens = new.withLock { $0 }
            made += tokens.count
            try await finish(start.tokens + tokens, pair, harness, place ?? "not at all")
            guard let place else { break }
            places.append(place)
        }
        #expect(places.contains { $0.hasSuffix(", done") }, "\(places)")
        #expect(places.contains("revocations"), "\(places)")
        #expect(made > 0, "before the ending's own write the course leads to tokens")
    }

    @Test(.verifies("house@ENDED-AT-ONCE"))
    func `who is about to get a remembered choice that is forgotten at this moment is asked`() async throws {
        let seam = Seam()
        let harness = try await LaunchHarness(seam: seam)
        for prompt in [nil, "none"] as [String?] {
            let (page, session) = try await harness.reachConsent(["prompt": "consent"])
            var fields = [("decision", "allow"), ("remember", "yes")]
            for item in page.offer.items {
                fields += [(item.field, item.value)] + item.parts.map { ($0.field, $0.value) }
            }
            let given = await harness.server.interaction.consent(
                transaction: page.transaction, form: try LaunchHarness.form(fields), session: session,
                from: harness.source)
            #expect(given.redirectParameters?["code"] != nil)
            var place = 0
            // On to the write itself.
            while true {
                seam.watch(at: place) { try await RaceEnding.grants.end(harness, client: ClientID("app")) }
                let answer = try await harness.begin(["prompt": prompt], session: session)
                let name = try #require(seam.rest(), "the write is never reached")
                if name == "issue" {
                    if prompt == nil {
                        #expect(answer.consent != nil, "\(answer.outcome)")
                    } else {
                        #expect(answer.redirectParameters?["error"] == "consent_required", "\(answer.outcome)")
                    }
                    break
                }
                #expect(answer.redirectParameters?["code"] == nil, "\(name)")
                let (page, _) = try await harness.reachConsent(["prompt": "consent"], session: session)
                _ = await harness.server.interaction.consent(
                    transaction: page.transaction, form: try LaunchHarness.form(fields), session: session,
                    from: harness.source)
                place += 1
            }
        }
    }

    // MARK: - signing in elsewhere

    /// The whole way by a provider, as far as it leads.
    private func walk(_ federation: FederationHarness) async throws -> [TokenResponse] {
        let answer = try await federation.signIn()
        guard let interaction = answer.interaction, let page = interaction.consent,
            let session = interaction.newCookie
        else { return [] }
        return try await RaceCourse.tokens(
            federation.harness, of: try await federation.harness.decide(page, session: session))
    }

    enum Undoing: CaseIterable, Sendable { case undone, disabled }

    /// - Parameter moves: whether the site says another person at the sign-in that is under way.
    @Test(.verifies("house@ENDED-AT-ONCE", "house@MEMBER-UNDO"), arguments: Undoing.allCases, [false, true])
    func `a login that ends at any place of a sign-in is over, with its sessions`(
        _ undoing: Undoing, moves: Bool
    ) async throws {
        let seam = Seam()
        let federation = try await FederationHarness(seam: seam)
        let (harness, store) = (federation.harness, federation.store)
        _ = try await federation.launch()
        let account = try #require(try await store.logins().first).account
        var places: [String] = []
        for number in 0..<500 {
            let before = try await walk(federation)
            #expect(before.count == 1)
            let whole = try #require(try await store.link(for: account))
            let other = whole.fhirUser.id.text == "patient-a" ? "patient-b" : "patient-a"
            let said = moves ? other : whole.fhirUser.id.text
            federation.site.say(FederationHarness.patient(said))
            let end: @Sendable () async throws -> Void = {
                switch undoing {
                case .undone: _ = try await harness.server.access.undoLogin(account, by: "test", from: harness.source)
                case .disabled: _ = try await harness.server.accounts.disable(account, by: "test", from: harness.source)
                }
            }
            seam.watch(at: number, end)
            let new = try await walk(federation)
            let place = seam.rest()
            if place == nil { try await end() }
            for token in before + new { #expect(try harness.isRefused(token), "\(place ?? "at the end")") }
            let sessions = try await store.sessions(of: account)
            #expect(sessions.isEmpty, "\(place ?? "at the end"): somebody is signed in")
            let link = try await store.link(for: account)
            switch undoing {
            case .undone:
                #expect(try await store.login(of: account)?.undoneAt != nil, "\(place ?? "at the end")")
                #expect(link == nil, "\(place ?? "at the end"): the link is made again")
                #expect(try await walk(federation).isEmpty)
                let record = AuthorizationRecord(
                    id: DecisionID("restored-\(number)"), kind: .userChanged, outcome: .succeeded, at: 0)
                let again = MemberLink(
                    subject: account, fhirUser: try #require(InstanceKey("Patient/\(said)")), patients: [])
                #expect(try await store.restore(again, record: record))
            case .disabled:
                #expect(try await walk(federation).isEmpty)
                try await harness.server.accounts.enable(account, by: "test", from: harness.source)
            }
            for token in before + new { #expect(try harness.isRefused(token), "\(place ?? "at the end")") }
            harness.clock.advance(seconds: 1)
            guard let place else {
                #expect(!new.isEmpty)
                break
            }
            places.append(place)
        }
        #expect(places.contains("replace session") && places.contains("issue"), "\(places)")
        #expect(!moves || places.contains("relink"), "\(places)")
    }
}
