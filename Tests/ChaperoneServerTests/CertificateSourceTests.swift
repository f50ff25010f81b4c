import Authorization
import CertificateTrust
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// The sources that certificates name: what is asked of them, how often, and how long it counts.
@Suite struct CertificateSourceTests: CertificateStatusSuite {
    let bench: CertificateStatusBench

    init() throws { bench = try CertificateStatusBench() }

    // MARK: - asking

    @Test(.verifies("house@certificate-sources-guarded"))
    func `what a certificate names is asked as what a certificate names, for as much as a list may be`() async throws {
        try publish(answer: "good")

        #expect(try await verdict(try judge(), "leaf") == .trusted)

        #expect(places.seen.allSatisfy { $0.trust == .certificate && $0.milliseconds <= 2500 })
        let list = try #require(places.seen.first { $0.url == StatusFixtures.issuingList })
        #expect(list.method == .get && list.longestAnswer == 10 << 20)
        let question = try #require(places.seen.first { $0.url == StatusFixtures.responder })
        #expect(question.longestAnswer == 64 << 10)
        guard case .post(let body, type: "application/ocsp-request") = question.method else {
            Issue.record("\(question.method)")
            return
        }
        #expect(body.first == 0x30)
    }

    @Test(arguments: [
        ("good", CertificateValidator.Verdict.trusted), ("withdrawn", .withdrawn),
        ("forged", CertificateStatusBench.unknown),
    ])
    func `a responder's answer stands in for a list`(
        _ answer: String, _ expected: CertificateValidator.Verdict
    ) async throws {
        try publish(issuing: nil, answer: answer)

        #expect(try await verdict(try judge(), "leaf") == expected)
    }

    @Test func `what a responder says is withdrawn is so whatever a list says`() async throws {
        try publish(answer: "withdrawn")

        #expect(try await verdict(try judge(), "leaf") == .withdrawn)
    }

    @Test func `what is at hand is not asked for again`() async throws {
        try publish(answer: "good")
        let judge = try judge()
        for _ in 0..<3 { #expect(try await verdict(judge, "leaf") == .trusted) }
        #expect(
            places.urls().sorted() == [StatusFixtures.issuingList, StatusFixtures.rootList, StatusFixtures.responder])

        // Another certificate of the same issuer is on the same list.
        #expect(try await verdict(judge, "on-hold") == .withdrawn)
        #expect(places.seen.count == 3)
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `many that wait for one list share one fetch`() async throws {
        try publish()
        let judge = try judge(asksResponders: false)
        places.hold()
        let certificate = try fixtures.client("leaf")

        let verdicts = await withTaskGroup(of: CertificateValidator.Verdict.self) { group in
            for _ in 0..<64 { group.addTask { [clock] in await judge.verdict(on: certificate, at: clock.now) } }
            while places.seen.count < 2 { await Task.yield() }
            for _ in 0..<1000 { await Task.yield() }
            places.release()
            return await group.reduce(into: []) { $0.append($1) }
        }

        #expect(verdicts.count == 64 && verdicts.allSatisfy { $0 == .trusted })
        #expect(places.urls().sorted() == [StatusFixtures.issuingList, StatusFixtures.rootList])
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `a place that fails is not asked again at once, and there is a limit to all`() async throws {
        let patient = try judge(asksResponders: false)
        for _ in 0..<5 { #expect(try await verdict(patient, "leaf") == Self.unknown) }
        #expect(places.seen.count == 2)
        clock.advance(seconds: 10)
        #expect(try await verdict(patient, "leaf") == Self.unknown)
        #expect(places.seen.count == 4)

        var bounds = CertificateStatusSources.Bounds()
        bounds.startsPerMinute = 1
        try publish()
        let limited = try judge(bounds: bounds, asksResponders: false)
        #expect(try await verdict(limited, "leaf") == Self.unknown)
        #expect(places.seen.count == 5)
        clock.advance(seconds: 60)
        #expect(try await verdict(limited, "leaf") == .trusted)

        bounds.places = 0
        #expect(try await verdict(try judge(bounds: bounds), "leaf") == Self.unknown)
        #expect(places.seen.count == 6)
    }

    // MARK: - renewal

    @Test(.verifies("house@certificates-withdrawn"))
    func `a renewal shows what was withdrawn, at the token endpoint and at the gateway`() async throws {
        try publish()
        let judge = try judge(asksResponders: false)
        let certificate = try fixtures.client("leaf")
        #expect(try await verdict(judge, "leaf") == .trusted)
        #expect(!judge.isWithdrawn(certificate, at: clock.now))

        try publish(issuing: "issuing-newer")
        #expect(await judge.keeper.sources.renew().isEmpty)
        #expect(try await verdict(judge, "leaf") == .trusted)
        clock.advance(seconds: 3600)
        #expect(await judge.keeper.sources.renew().isEmpty)

        #expect(!judge.validator.isWithdrawn(certificate.thumbprint))
        #expect(judge.newlyWithdrawn(at: clock.now) == [certificate.thumbprint])
        #expect(judge.validator.isWithdrawn(certificate.thumbprint))
        #expect(judge.newlyWithdrawn(at: clock.now).isEmpty)
        #expect(judge.isWithdrawn(certificate, at: clock.now))
        // Without what leads to its authority it is the same certificate.
        #expect(judge.isWithdrawn(try fixtures.client("leaf", over: []), at: clock.now))
        #expect(try await verdict(judge, "leaf") == .withdrawn)

        // An older list does not bring it back, and neither does the end of the list.
        try publish(issuing: "issuing-older")
        clock.advance(seconds: 3600)
        #expect(await judge.keeper.sources.renew().map(\.failure) == [.older])
        #expect(try await verdict(judge, "leaf") == .withdrawn)
        places.answer(StatusFixtures.issuingList, .failure(.timedOut))
        clock.advance(seconds: 2 * 86_400)
        #expect(try await verdict(judge, "leaf") == .withdrawn)
        #expect(judge.isWithdrawn(certificate, at: clock.now))
    }

    @Test func `an answer of before does not bring a certificate back`() async throws {
        try publish(issuing: nil, answer: "good")
        let judge = try judge()
        #expect(try await verdict(judge, "leaf") == .trusted)

        try publish(issuing: nil, answer: "withdrawn")
        clock.advance(seconds: 3600)
        _ = await judge.keeper.sources.renew()
        #expect(try await verdict(judge, "leaf") == .withdrawn)
        #expect(judge.isWithdrawn(try fixtures.client("leaf"), at: clock.now))

        try publish(issuing: nil, answer: "good")
        clock.advance(seconds: 3600)
        _ = await judge.keeper.sources.renew()
        #expect(try await verdict(judge, "leaf") == .withdrawn)
        // A later one does: it is off hold.
        try publish(issuing: nil, answer: "good-later")
        clock.advance(seconds: 3600)
        _ = await judge.keeper.sources.renew()
        #expect(try await verdict(judge, "leaf") == .trusted)
    }

    @Test func `a list counts to its end, and is renewed before it`() async throws {
        try publish()
        var bounds = CertificateStatusSources.Bounds()
        bounds.renewal = 7 * 86_400
        let judge = try judge(bounds: bounds, asksResponders: false)
        #expect(try await verdict(judge, "leaf") == .trusted)
        #expect(places.seen.count == 2)

        clock.advance(seconds: 86_400 * 3 / 4 - 1)
        _ = await judge.keeper.sources.renew()
        #expect(places.seen.count == 2)
        clock.advance(seconds: 1)
        _ = await judge.keeper.sources.renew()
        #expect(places.seen.count == 4)
        clock.advance(seconds: 86_400 / 4 - 1)
        #expect(try await verdict(judge, "leaf") == .trusted)
        places.answer(StatusFixtures.issuingList, .failure(.timedOut))
        clock.advance(seconds: 1)
        #expect(try await verdict(judge, "leaf") == Self.unknown)
    }

    @Test func `nothing counts for longer than is allowed, and what nobody asks for is forgotten`() async throws {
        try publish()
        var bounds = CertificateStatusSources.Bounds()
        bounds.longestAge = 600
        let judge = try judge(bounds: bounds, asksResponders: false)
        #expect(try await verdict(judge, "leaf") == .trusted)

        places.answer(StatusFixtures.issuingList, .failure(.timedOut))
        clock.advance(seconds: 600)
        #expect(try await verdict(judge, "leaf") == Self.unknown)
        let count = places.seen.count
        clock.advance(seconds: bounds.idle)
        #expect(await judge.keeper.sources.renew().isEmpty)
        #expect(places.seen.count == count)
    }

    @Test func `lists that take too much room make room`() async throws {
        try publish()
        var bounds = CertificateStatusSources.Bounds()
        bounds.keptLists = 1
        let judge = try judge(bounds: bounds, asksResponders: false)

        #expect(try await verdict(judge, "leaf") == Self.unknown)
        #expect(judge.keeper.sources.lists(at: clock.now).count == 1)
    }
}
