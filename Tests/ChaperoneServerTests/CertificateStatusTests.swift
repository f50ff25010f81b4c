import Authorization
import CertificateTrust
import ChaperoneTesting
import Foundation
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Withdrawn certificates: who is refused, at the token endpoint and at the gateway.
@Suite struct CertificateStatusTests: CertificateStatusSuite {
    let bench: CertificateStatusBench

    init() throws { bench = try CertificateStatusBench() }

    // MARK: - refusals

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            ("other", "issuing"), ("on-hold", "issuing"), ("below-withdrawn", "withdrawn-issuing"),
        ], [CertificateStatusPolicy.Demand.required, .whenAvailable])
    func `what is withdrawn, on hold or below what is withdrawn is refused, whatever is demanded`(
        _ named: (String, String), _ demand: CertificateStatusPolicy.Demand
    ) async throws {
        try publish()

        #expect(try await verdict(try judge(demanding: demand), named.0, over: [named.1]) == .withdrawn)
    }

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            "issuing-ended", "issuing-not-begun", "issuing-forged", "issuing-weak", "issuing-delta", "issuing-indirect",
            "issuing-other-point", "root",
        ])
    func `a list that does not hold is none, and is not kept`(_ list: String) async throws {
        try publish(issuing: list)
        let required = try judge()

        #expect(try await verdict(required, "leaf") == Self.unknown)
        #expect(try await verdict(try judge(demanding: .whenAvailable), "leaf") == .trusted)
        // What comes instead of a list does not take the place of one that was good.
        clock.advance(seconds: 20)
        try publish()
        #expect(try await verdict(required, "leaf") == .trusted)
        try publish(issuing: list)
        clock.advance(seconds: 3600)
        _ = await required.keeper.sources.renew()
        #expect(try await verdict(required, "leaf") == .trusted)
    }

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            .unreachable("x"), .timedOut, .forbiddenAddress, .badAddress, .tooLarge, .redirected(302), .status(404),
        ] as [OutboundFailure])
    func `a source that cannot be asked leaves the status unknown`(_ failure: OutboundFailure) async throws {
        try publish()
        places.answer(StatusFixtures.issuingList, .failure(failure))

        #expect(try await verdict(try judge(), "leaf") == Self.unknown)
        #expect(try await verdict(try judge(demanding: .whenAvailable), "leaf") == .trusted)
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `a list is published in DER, and in PEM it is none`() async throws {
        try publish()
        places.answer(StatusFixtures.issuingList, .success(try fixtures.list("issuing")))

        #expect(try await verdict(try judge(), "leaf") == Self.unknown)
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `a certificate that names the place of another authority's list takes nothing from that`() async throws {
        try publish()
        let judge = try judge(asksResponders: false)

        #expect(try await verdict(judge, "below-silent", over: ["silent-issuing"]) == Self.unknown)
        #expect(try await verdict(judge, "leaf") == .trusted)
        #expect(places.urls().filter { $0 == StatusFixtures.issuingList }.count == 2)
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `where nothing names a source nobody is let in by default`() async throws {
        try publish()
        let expected = CertificateValidator.Verdict.statusUnknown(CertificateStatusPolicy.Gap.noSource.rawValue)

        #expect(try await verdict(try judge(), "direct", over: []) == expected)
        #expect(try await verdict(try judge(fetchesLists: false, asksResponders: false), "leaf") == expected)
        #expect(try await verdict(try judge(demanding: .off), "direct", over: []) == .trusted)
        #expect(places.seen.isEmpty)
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `certificates of somebody's own making have nothing fetched`() async throws {
        try publish()
        let judge = try judge()

        for (name, others) in [("made-up", ["issuing"]), ("made-up", []), ("leaf", []), ("server-only", ["issuing"])] {
            #expect(try await verdict(judge, name, over: others) == .untrusted)
            #expect(!judge.isWithdrawn(try fixtures.client(name, over: others), at: clock.now))
        }
        _ = await judge.keeper.sources.renew()

        #expect(places.seen.isEmpty)
    }

    // MARK: - the gateway

    @Test(.verifies("house@certificates-withdrawn"), arguments: [true, false])
    func `a certificate below a withdrawn authority is known though it comes alone`(isConfigured: Bool) async throws {
        try publish()
        let judge = try judge(asksResponders: false, intermediates: isConfigured ? ["withdrawn-issuing"] : [])
        let bare = try fixtures.client("below-withdrawn", over: [])
        // Nothing is known of the authority that is not shown, nor of its status: the gateway fetches nothing.
        #expect(!judge.isWithdrawn(bare, at: clock.now))
        if !isConfigured {
            // Whoever shows the authority has it known.
            let whole = try fixtures.client("below-withdrawn", over: ["withdrawn-issuing"])
            #expect(!judge.isWithdrawn(whole, at: clock.now))
        }
        #expect(places.seen.isEmpty)
        _ = await judge.keeper.sources.renew()
        clock.advance(seconds: 60)

        #expect(judge.isWithdrawn(bare, at: clock.now))
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `what others have shown lets nobody in, and what the operator has named does`() async throws {
        try publish()
        let learning = try judge(asksResponders: false)
        #expect(try await verdict(learning, "leaf") == .trusted)
        #expect(try await verdict(learning, "leaf", over: []) == .untrusted)

        let named = try judge(asksResponders: false, intermediates: ["issuing"])
        #expect(try await verdict(named, "leaf", over: []) == .trusted)
        #expect(try await verdict(named, "other", over: []) == .withdrawn)
        #expect(try await verdict(named, "made-up", over: []) == .untrusted)
    }

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [CertificateStatusPolicy.Demand.required, .whenAvailable])
    func `leaving out what leads to the authority hides no withdrawal, also where it is nobody's proof`(
        _ demand: CertificateStatusPolicy.Demand
    ) async throws {
        try publish()
        let judge = try judge(demanding: demand, asksResponders: false)
        #expect(try await verdict(judge, "other", over: []) == .untrusted, "nothing is known yet")
        #expect(try await verdict(judge, "leaf") == .trusted)

        #expect(try await verdict(judge, "other", over: []) == .withdrawn)
        #expect(try await verdict(judge, "on-hold", over: []) == .withdrawn)
        // The number alone, where no path is known, and nothing of it is remembered.
        let file = try temporaryList("issuing")
        defer { unlink(file) }
        let byNumber = try self.judge(demanding: demand, files: [file])
        #expect(try await verdict(byNumber, "other", over: []) == .withdrawn)
        #expect(!byNumber.validator.isWithdrawn(try fixtures.client("other").thumbprint))
        #expect(try await verdict(byNumber, "made-up", over: []) == .untrusted)

        // Where nothing is looked up there is nothing to hide.
        #expect(try await verdict(try self.judge(demanding: .off, files: [file]), "other", over: []) == .untrusted)
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `leaving out what leads to the authority hides no status that is not known`() async throws {
        try publish()
        let required = try judge(asksResponders: false)
        let lenient = try judge(demanding: .whenAvailable, asksResponders: false)
        for judge in [required, lenient] { #expect(try await verdict(judge, "on-hold") == .withdrawn) }
        places.answer(StatusFixtures.issuingList, .failure(.timedOut))
        clock.advance(seconds: 7 * 86_400)

        #expect(try await verdict(required, "leaf", over: []) == Self.unknown)
        #expect(try await verdict(lenient, "leaf", over: []) == .untrusted)
        #expect(try await verdict(required, "made-up", over: []) == .untrusted)
    }

    private func temporaryList(_ name: String) throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).crl").path
        try PrivateFile.write(try fixtures.list(name), to: file)
        return file
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `the gateway fetches nothing while it decides, and has what it lacks fetched`() async throws {
        try publish(issuing: "issuing-newer")
        let judge = try judge(asksResponders: false)
        let certificate = try fixtures.client("leaf")

        // As after a restart: the token is good, and nothing is known of its certificate.
        #expect(!judge.isWithdrawn(certificate, at: clock.now))
        #expect(places.seen.isEmpty)
        _ = await judge.keeper.sources.renew()
        #expect(places.seen.count == 2)
        #expect(judge.isWithdrawn(certificate, at: clock.now))
    }

    @Test func `a certificate that hides what leads to its authority is known by its number`() async throws {
        try publish(issuing: "issuing-newer")
        let judge = try judge(asksResponders: false)
        #expect(try await verdict(judge, "on-hold") == .trusted)

        #expect(judge.isWithdrawn(try fixtures.client("leaf", over: []), at: clock.now))
        #expect(!judge.isWithdrawn(try fixtures.client("other", over: []), at: clock.now))
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `the end of the list brings nobody back, not even without what leads to the authority`() async throws {
        try publish(issuing: "issuing-newer")
        let judge = try judge(asksResponders: false)
        #expect(try await verdict(judge, "on-hold") == .trusted)
        let bare = try fixtures.client("leaf", over: [])
        #expect(judge.isWithdrawn(bare, at: clock.now))

        places.answer(StatusFixtures.issuingList, .failure(.timedOut))
        clock.advance(seconds: 7 * 86_400)
        _ = await judge.keeper.sources.renew()
        #expect(judge.keeper.sources.lists(at: clock.now).count <= 1)

        #expect(judge.isWithdrawn(bare, at: clock.now))
        #expect(judge.validator.isWithdrawn(bare.thumbprint))
        #expect(judge.isWithdrawn(try fixtures.client("leaf"), at: clock.now))
    }
}
