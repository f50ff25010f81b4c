import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// What people are asked, and what their ticks mean.
@Suite struct ConsentOfferTests {
    private func offer(_ scope: String) throws -> ConsentOffer { ConsentOffer(of: try ScopeSet(parsing: scope)) }

    @Test(arguments: [
        ("patient/Observation.rs", "See measurements, results and observations"),
        ("patient/MedicationRequest.read", "See prescriptions"),
        ("patient/Observation.cud", "Add to, change and delete measurements, results and observations"),
        ("patient/Condition.r", "Open single entries of health problems and diagnoses"),
        ("patient/*.rs", "See all kinds of health records, also kinds that are added later"),
        (
            "user/Patient.rs",
            "See name, date of birth, address and other personal details of every person whose records you may use"
        ),
        (
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            "See measurements, results and observations, only laboratory results"
        ),
        (
            "patient/Observation.rs?code=1234-5",
            "See measurements, results and observations, only where code is “1234-5”"
        ),
        ("patient/MeasureReport.rs", "See measure report records"), ("openid", "Know that it is you who signed in"),
        ("offline_access", "Keep this access while you are not using the app, until you withdraw it"),
    ])
    func `each scope is one sentence`(_ scope: String, _ sentence: String) throws {
        #expect(try offer(scope).items.map(\.sentence) == [sentence])
    }

    @Test(arguments: ["launch/patient", "launch"])
    func `context is not asked about`(_ scope: String) throws {
        #expect(try offer(scope).items.isEmpty)
    }

    @Test func `all ticks leave the request as it was`() throws {
        let scope = "launch/patient openid patient/Observation.rs patient/Condition.rs patient/Patient.rs"
        let offer = try offer(scope)
        #expect(offer.scopes(chosen: offer.everything)?.text == scope)
    }

    @Test(.verifies("smart-2.2@granular-selection"))
    func `the eight categories of US Core can be left out one by one`() throws {
        let offer = try offer("patient/Condition.rs patient/Observation.rs")
        #expect(offer.items.map(\.parts.count) == [3, 6])
        let left = try #require(offer.items.first?.parts.first)
        let granted = try #require(offer.scopes(chosen: offer.everything.subtracting([left.value])))
        #expect(
            granted.scopes.map(\.text) == offer.items[0].parts.dropFirst().map(\.value) + ["patient/Observation.rs"])
        #expect(granted.malformed.isEmpty && granted.unrecognised.isEmpty)
    }

    @Test(arguments: ["patient/Observation.read", "patient/Observation.cruds", "patient/Observation.rs?code=x"])
    func `categories are not offered in version 1, for writing, or inside a limit`(_ scope: String) throws {
        #expect(try offer(scope).items.allSatisfy { $0.parts.isEmpty })
    }

    @Test func `an unticked item is out with all its parts`() throws {
        let offer = try offer("patient/Observation.rs patient/Patient.rs")
        let chosen = offer.everything.subtracting(["patient/Observation.rs"])
        #expect(offer.scopes(chosen: chosen)?.text == "patient/Patient.rs")
    }

    @Test func `parts that come ticked under an unticked line are not chosen`() throws {
        let offer = try offer("patient/Observation.rs patient/Patient.rs")
        let fields = offer.items[0].parts.map(\.field) + [offer.items[1].field]
        let form = try LaunchHarness.form(fields.map { ($0, "1") })
        #expect(offer.chosen(in: form) == ["patient/Patient.rs"])
    }

    @Test(.verifies("oauth-attack@U-08"))
    func `fields that the page does not have, or with other values, are noticed`() throws {
        let offer = try offer("openid patient/Patient.rs patient/Observation.rs")
        let page =
            [("launch", "x"), ("decision", "allow"), ("remember", "yes")]
            + offer.items.flatMap { item in [(item.field, item.value)] + item.parts.map { ($0.field, $0.value) } }
        #expect(offer.additions(in: try LaunchHarness.form(page)) == 0)
        #expect(offer.additions(in: try LaunchHarness.form(Array(page.prefix(2)))) == 0)
        for extra in [
            ("allow-9", "patient/Condition.rs"), ("scope", "system/*.cruds"), ("allow-0-9", "x"), ("Decision", "allow"),
        ] {
            #expect(offer.additions(in: try LaunchHarness.form(page + [extra])) == 1, "\(extra)")
        }
        let changed = page.map { $0.0 == "allow-1" ? ($0.0, "patient/*.cruds") : $0 }
        #expect(offer.additions(in: try LaunchHarness.form(changed)) == 1)
    }

    @Test(.verifies("oauth-attack@U-08"))
    func `a form that holds what was not offered is refused and recorded, and the page stays good`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent()
        let fields =
            [("decision", "allow"), ("allow-77", "system/*.cruds")]
            + page.offer.items.map { ($0.field, $0.value) }
        let answer = await harness.server.interaction.consent(
            transaction: page.transaction, form: try LaunchHarness.form(fields), session: session,
            from: harness.source)
        #expect(answer.shownError?.code == .invalidRequest)
        #expect(answer.shownError?.status == 400)
        let record = try #require(harness.log.records.last)
        #expect(record.kind == .authorizationRefused)
        #expect(record.clientID == ClientID("app"))
        #expect(record.detail == "1 fields of the consent form were not offered")
        #expect(try await harness.store.grants(matching: GrantFilter(), limit: 9).isEmpty)
        #expect(try await harness.decide(page, session: session).redirectParameters?["code"] != nil)
    }

    @Test(.verifies("oauth-attack@U-08"))
    func `what was not offered cannot be chosen`() throws {
        let offer = try offer("openid patient/Patient.rs")
        let chosen = offer.everything.union(["patient/Observation.rs", "system/*.cruds", "offline_access"])
        #expect(offer.scopes(chosen: chosen)?.text == "openid patient/Patient.rs")
    }

    @Test(arguments: [("patient/Patient.rs openid", ["openid"]), ("openid", []), ("patient/Patient.rs", [])])
    func `nothing worth a grant is no grant`(_ scope: String, _ chosen: [String]) throws {
        #expect(try offer(scope).scopes(chosen: Set(chosen)) == nil)
    }

    @Test func `removing a tick never grants more`() throws {
        let offer = try offer("openid offline_access patient/Condition.rs patient/Observation.rs patient/Patient.rs")
        for dropped in offer.everything {
            let before = try #require(offer.scopes(chosen: offer.everything))
            let after = try #require(offer.scopes(chosen: offer.everything.subtracting([dropped])), "\(dropped)")
            #expect(before.covers(after), "\(dropped)")
            #expect(!after.covers(before), "\(dropped) was dropped")
        }
        #expect(offer.everything.count > 4)
    }
}

/// Counting attempts.
@Suite struct ThrottleCountTests {
    private let policy = ThrottlePolicy(free: 3, window: 100, firstWait: 10, longestWait: 35)

    @Test func `waiting doubles up to its limit`() {
        var count = ThrottleCount()
        var waits: [Int64] = []
        var now: Int64 = 1000
        for _ in 0..<7 {
            count.count(by: policy, at: now)
            waits.append(max(count.closedUntil - now, 0))
            now = max(now, count.closedUntil)
        }
        // In 33 s one attempt is forgotten.
        #expect(waits == [0, 0, 10, 20, 35, 35, 20])
    }

    @Test func `after a quiet window the count starts again`() {
        var count = ThrottleCount()
        for _ in 0..<2 { count.count(by: policy, at: 1000) }
        count.count(by: policy, at: 1100)
        #expect(count.attempts == 1)
        #expect(count.isOpen(at: 1100))
    }
}
