import Authorization
import CertificateTrust
import ChaperoneTesting
import Foundation
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@testable import ChaperoneServer

/// Withdrawn certificates: what is kept, what is fetched and when, and what is made of it.
@Suite struct CertificateStatusTests {
    /// The places that certificates name, as a test has them answer. A class because the test and the code under test
    /// share it; the lock is `state`.
    private final class Places: OutboundFetching {
        private struct State {
            var answers: [String: Result<[UInt8], OutboundFailure>] = [:]
            var seen: [OutboundRequest] = []
            var waiting: [CheckedContinuation<Void, Never>] = []
            var isHeld = false
        }

        private let state = Mutex(State())

        var seen: [OutboundRequest] { state.withLock { $0.seen } }
        func urls() -> [String] { seen.map(\.url) }
        func answer(_ url: String, _ result: Result<[UInt8], OutboundFailure>) {
            state.withLock { $0.answers[url] = result }
        }
        func hold() { state.withLock { $0.isHeld = true } }
        func release() {
            let waiting = state.withLock { state in
                state.isHeld = false
                defer { state.waiting = [] }
                return state.waiting
            }
            for each in waiting { each.resume() }
        }

        func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
            await withCheckedContinuation { continuation in
                let isHeld = state.withLock { state in
                    state.seen.append(request)
                    if state.isHeld { state.waiting.append(continuation) }
                    return state.isHeld
                }
                if !isHeld { continuation.resume() }
            }
            let result = state.withLock { $0.answers[request.url] } ?? .failure(.unreachable("nobody is there"))
            return OutboundAnswer(status: 200, body: try result.get())
        }
    }

    private let fixtures: StatusFixtures
    private let places = Places()
    private let clock = ManualClock(at: StatusFixtures.now)

    init() throws { fixtures = try StatusFixtures() }

    private func judge(
        demanding demand: CertificateStatusPolicy.Demand = .required, files: [String] = [],
        bounds: CertificateStatusSources.Bounds = .init(), fetchesLists: Bool = true, asksResponders: Bool = true,
        kept: KeptLists? = nil, under authority: String = "root", intermediates: [String] = []
    ) throws -> ClientCertificateJudge {
        let files = CertificateListFiles(files)
        #expect(files.reload().isEmpty)
        return ClientCertificateJudge(
            authorities: try #require(CertificateAuthorities(pem: try fixtures.pem(authority))), demand: demand,
            keeper: CertificateStatusKeeper(
                files: files,
                sources: CertificateStatusSources(
                    fetch: places, fetchesLists: fetchesLists, asksResponders: asksResponders, bounds: bounds,
                    kept: kept, clock: clock.clock)),
            intermediates: try intermediates.map { try fixtures.certificate($0) })
    }

    private func publish(root: String = "root", issuing: String? = "issuing", answer: String? = nil) throws {
        places.answer(StatusFixtures.rootList, .success(try fixtures.listDER(root)))
        if let issuing { places.answer(StatusFixtures.issuingList, .success(try fixtures.listDER(issuing))) }
        if let answer { places.answer(StatusFixtures.responder, .success(try fixtures.answer(answer))) }
    }

    private func verdict(
        _ judge: ClientCertificateJudge, _ name: String, over others: [String] = ["issuing"]
    ) async throws -> CertificateValidator.Verdict {
        await judge.verdict(on: try fixtures.client(name, over: others), at: clock.now)
    }

    private static let unknown = CertificateValidator.Verdict.statusUnknown(
        CertificateStatusPolicy.Gap.nothingCurrent.rawValue)

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

    @Test(arguments: [("good", CertificateValidator.Verdict.trusted), ("withdrawn", .withdrawn), ("forged", unknown)])
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

    // MARK: - over a restart

    private func withFolder(_ body: (KeptLists) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lists-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(KeptLists(folder: folder))
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `a list that was fetched counts after a restart at which its authority is away, until its end`() async throws {
        try await withFolder { kept in
            try publish()
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "leaf") == .trusted)
            for url in [StatusFixtures.rootList, StatusFixtures.issuingList] { places.answer(url, .failure(.timedOut)) }
            let fetched = places.seen.count

            let later = try judge(asksResponders: false, kept: kept)
            #expect(try await verdict(later, "leaf") == .trusted)
            #expect(try await verdict(later, "on-hold") == .withdrawn)
            #expect(places.seen.count == fetched)
            // Nothing was fetched for its own lists, and none is kept: without them it would be unknown.
            #expect(try await verdict(try judge(asksResponders: false), "leaf") == Self.unknown)

            clock.advance(seconds: 7 * 86_400)
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "leaf") == Self.unknown)
            #expect(kept.names().isEmpty)
        }
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `who was withdrawn before a restart is so after it, and an older list does not bring them back`() async throws
    {
        try await withFolder { kept in
            try publish(issuing: "issuing-newer")
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "leaf") == .withdrawn)

            try publish(issuing: "issuing-older")
            let later = try judge(asksResponders: false, kept: kept)
            // The gateway knows it before anybody has proved anything.
            #expect(later.isWithdrawn(try fixtures.client("leaf"), at: clock.now))
            #expect(later.isWithdrawn(try fixtures.client("leaf", over: []), at: clock.now))
            clock.advance(seconds: 3600)
            #expect(await later.keeper.sources.renew().map(\.failure) == [.older])
            #expect(try await verdict(later, "leaf") == .withdrawn)
        }
    }

    private enum Tampering: CaseIterable {
        case forgedList, otherList, endedList, otherPlace, otherIssuer, otherIndex, noPath, othersPath, exposed, renamed
        case cutShort, otherAuthority
    }

    @Test(.verifies("house@certificates-withdrawn"), arguments: Tampering.allCases)
    private func `what is kept is verified again, and is gone when it does not hold`(_ how: Tampering) async throws {
        try await withFolder { kept in
            try publish()
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "leaf") == .trusted)
            let name = try #require(
                kept.names().first { kept.read($0, longest: 1 << 20)?.url == StatusFixtures.issuingList })
            let good = try #require(kept.read(name, longest: 1 << 20))
            func changed(
                url: String? = nil, issuer: String? = nil, path: [[UInt8]]? = nil, index: Int? = nil,
                list: [UInt8]? = nil
            ) -> KeptLists.Kept {
                KeptLists.Kept(
                    url: url ?? good.url, issuer: issuer ?? good.issuer, fetchedAt: good.fetchedAt,
                    path: path ?? good.path, index: index ?? good.index, list: list ?? good.list)
            }
            kept.remove(name)
            let file = "\(kept.folder)/\(name)"
            switch how {
            case .forgedList: try kept.write(changed(list: try fixtures.listDER("issuing-forged")))
            case .otherList: try kept.write(changed(list: try fixtures.listDER("root")))
            case .endedList: try kept.write(changed(list: try fixtures.listDER("issuing-ended")))
            case .otherPlace: try kept.write(changed(url: "http://crl.example/elsewhere.crl"))
            case .otherIssuer: try kept.write(changed(issuer: "another"))
            case .otherIndex: try kept.write(changed(index: 7))
            case .noPath: try kept.write(changed(path: []))
            case .othersPath: try kept.write(changed(path: [try fixtures.certificate("made-up")]))
            case .exposed:
                try kept.write(good)
                chmod(file, 0o666)
            case .renamed:
                try kept.write(good)
                rename(file, "\(kept.folder)/another.crl")
            case .cutShort: try kept.write(changed(list: Array(good.list.dropLast())))
            case .otherAuthority: try kept.write(good)
            }
            for url in [StatusFixtures.rootList, StatusFixtures.issuingList] { places.answer(url, .failure(.timedOut)) }

            let later = try judge(
                asksResponders: false, kept: kept, under: how == .otherAuthority ? "silent-issuing" : "root")

            let isOther = how == .otherAuthority
            #expect(try await verdict(later, "leaf") == (isOther ? .untrusted : Self.unknown))
            #expect(kept.names().count == (isOther ? 0 : 1), "the root's list alone is left")
        }
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `what is let go of is not kept either, and what cannot be written is told and counts`() async throws {
        try await withFolder { kept in
            try publish()
            var bounds = CertificateStatusSources.Bounds()
            bounds.keptLists = 1
            _ = try await verdict(try judge(bounds: bounds, asksResponders: false, kept: kept), "leaf")
            #expect(kept.names().count == 1)
            // More than may be kept is not read back.
            bounds.keptLists = 0
            _ = try judge(bounds: bounds, asksResponders: false, kept: kept)
            #expect(kept.names().isEmpty)
        }
        let nowhere = try judge(asksResponders: false, kept: KeptLists(folder: "/dev/null/lists"))
        #expect(try await verdict(nowhere, "leaf") == .trusted)
        clock.advance(seconds: 3600)
        let failures = await nowhere.keeper.sources.renew().map(\.failure)
        #expect(failures.count == 2)
        for failure in failures {
            guard case .notWritten = failure else {
                Issue.record("\(failure)")
                continue
            }
        }
        #expect(try await verdict(nowhere, "leaf") == .trusted)
    }

    // MARK: - fair shares

    private func expectBegun(_ count: Int, _ expected: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(count == expected, sourceLocation: sourceLocation)
    }

    /// How many of so many fetches a branch may begin.
    private func begun(_ count: Int, by branch: String, at now: Int64, of shares: inout FetchShares) -> Int {
        var begun = 0
        for _ in 0..<count where shares.begin(branch, at: now) { begun += 1 }
        return begun
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `who uses up all fetches takes nothing of what another branch may begin`() {
        var shares = FetchShares(perMinute: 240)
        let now: Int64 = 1_800_000_000

        // One alone has all.
        expectBegun(begun(1_000, by: "greedy", at: now, of: &shares), 240)
        // Whoever comes has a fair part, at once and in the next minute.
        expectBegun(begun(1_000, by: "b", at: now, of: &shares), 120)
        expectBegun(begun(1_000, by: "c", at: now, of: &shares), 80)
        expectBegun(begun(1_000, by: "greedy", at: now + 60, of: &shares), 80)
        expectBegun(begun(1_000, by: "b", at: now + 60, of: &shares), 80)
        // Who does not come for a whole minute is waited for no longer.
        expectBegun(begun(1_000, by: "greedy", at: now + 180, of: &shares), 240)
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `each branch begins what one certificate names, until all together have begun twice the whole`() {
        var shares = FetchShares(perMinute: 240)
        var counts: [Int] = []
        for branch in 0..<110 {
            counts.append(begun(10, by: "\(branch)", at: 0, of: &shares))
        }
        #expect(counts.prefix(60).allSatisfy { $0 >= 4 })
        #expect(counts.reduce(0, +) == 480)

        var crowded = FetchShares(perMinute: 1_000_000)
        for branch in 0..<FetchShares.mostBranches { _ = crowded.begin("\(branch)", at: 0) }
        expectBegun(begun(1, by: "one more", at: 0, of: &crowded), 0)
        expectBegun(begun(1, by: "one more", at: 60, of: &crowded), 1)
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `the certificates below one authority's branch share its part, and others keep theirs`() async throws {
        try publish()
        var bounds = CertificateStatusSources.Bounds()
        bounds.startsPerMinute = 1
        let judge = try judge(bounds: bounds, asksResponders: false)

        // Below `withdrawn-issuing` one fetch is all there is.
        _ = try await verdict(judge, "below-withdrawn", over: ["withdrawn-issuing"])
        let before = places.seen.count
        #expect(before == 1)

        _ = try await verdict(judge, "leaf")
        #expect(places.seen.count > before)
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
        #expect(try await verdict(learning, "other", over: []) == .untrusted)

        let named = try judge(asksResponders: false, intermediates: ["issuing"])
        #expect(try await verdict(named, "leaf", over: []) == .trusted)
        #expect(try await verdict(named, "other", over: []) == .withdrawn)
        #expect(try await verdict(named, "made-up", over: []) == .untrusted)
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

    // MARK: - files

    /// What may become of a folder without anybody having emptied it.
    enum Loss: CaseIterable {
        case gone, loop, file, otherEmptyFolder
    }

    @Test(.verifies("house@certificates-withdrawn"), arguments: Loss.allCases)
    func `a folder that cannot be opened leaves in force what it held`(_ loss: Loss) async throws {
        try await ServerFolder.with { folder in
            let lists = "\(folder)/lists"
            try PrivateFile.makeDirectory(lists)
            try PrivateFile.write(try fixtures.list("issuing-newer"), to: "\(lists)/issuing.crl")
            let judge = try judge(
                demanding: .whenAvailable, files: [lists], fetchesLists: false, asksResponders: false)
            #expect(try await verdict(judge, "leaf") == .withdrawn)
            let generation = judge.keeper.generation

            #expect(rename(lists, "\(folder)/away") == 0)
            switch loss {
            case .gone: break
            case .loop: #expect(symlink(lists, lists) == 0)
            case .file: try PrivateFile.write([], to: lists)
            case .otherEmptyFolder: try PrivateFile.makeDirectory(lists)
            }
            for _ in 0..<2 {
                #expect(judge.keeper.files.reload().keys.sorted() == [lists])
                #expect(judge.keeper.files.lists.count == 1)
            }
            #expect(judge.keeper.generation == generation)
            #expect(judge.remark?.contains("counts on") == true)
            #expect(judge.isWithdrawn(try fixtures.client("leaf", over: []), at: clock.now))

            if loss != .gone { try ServerFolder.remove(lists) }
            #expect(rename("\(folder)/away", lists) == 0)
            #expect(judge.keeper.files.reload().isEmpty && judge.remark == nil)
            try ServerFolder.remove("\(lists)/issuing.crl")
            #expect(judge.keeper.files.reload().isEmpty)
            #expect(judge.keeper.files.lists.isEmpty)
        }
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `the operator's lists are read again when they change`() async throws {
        try await ServerFolder.with { folder in
            let lists = "\(folder)/lists"
            try PrivateFile.makeDirectory(lists)
            try PrivateFile.write(try fixtures.list("root"), to: "\(lists)/root.pem")
            try PrivateFile.write(try fixtures.listDER("issuing"), to: "\(folder)/issuing.crl")
            try PrivateFile.write(Array("not a list".utf8), to: "\(lists)/.hidden")
            let judge = try judge(files: [lists, "\(folder)/issuing.crl"], fetchesLists: false, asksResponders: false)
            #expect(try await verdict(judge, "leaf") == .trusted)
            #expect(try await verdict(judge, "other") == .withdrawn)

            // What cannot be read leaves what was.
            try PrivateFile.write(Array("junk".utf8), to: "\(folder)/issuing.crl")
            #expect(judge.keeper.files.reload().keys.sorted() == ["\(folder)/issuing.crl"])
            #expect(try await verdict(judge, "leaf") == .trusted)
            try PrivateFile.write(try fixtures.list("issuing-newer"), to: "\(folder)/issuing.crl")
            #expect(judge.keeper.files.reload().isEmpty)
            #expect(try await verdict(judge, "leaf") == .withdrawn)
            #expect(judge.newlyWithdrawn(at: clock.now).isEmpty)

            // One that is gone from a folder is gone.
            try PrivateFile.write(try fixtures.list("issuing"), to: "\(folder)/issuing.crl")
            try ServerFolder.remove("\(lists)/root.pem")
            #expect(judge.keeper.files.reload().isEmpty)
            #expect(
                try await verdict(judge, "on-hold") == .withdrawn)
            #expect(
                try await verdict(try self.judge(files: [lists], fetchesLists: false, asksResponders: false), "leaf")
                    == .statusUnknown(CertificateStatusPolicy.Gap.noSource.rawValue))
        }
        #expect(places.seen.isEmpty)
    }

    @Test func `lists that cannot be read at the start are told, and read when they can be`() async throws {
        try await ServerFolder.with { folder in
            var settings = Configuration.CertificateRevocation()
            settings.listFiles = ["\(folder)/missing", "\(folder)/junk", "\(folder)/issuing"]
            try PrivateFile.write(Array("junk".utf8), to: "\(folder)/junk")
            try PrivateFile.write(try fixtures.list("issuing"), to: "\(folder)/issuing")

            let files = settings.keeper(fetch: places, clock: clock.clock, folder: folder).files

            #expect(files.problems.keys.sorted() == ["\(folder)/junk", "\(folder)/missing"])
            #expect(files.lists.count == 1)
            for name in ["missing", "junk"] {
                try PrivateFile.write(try fixtures.list("root"), to: "\(folder)/\(name)")
            }
            #expect(files.reload().isEmpty && files.problems.isEmpty)
            #expect(files.lists.count == 3)
        }
    }

    @Test func `a path at which nothing is keeps the server from starting, and nothing else does`() async throws {
        try await ServerFolder.with { folder in
            try PrivateFile.write(Array("junk".utf8), to: "\(folder)/junk")
            var configuration = try Configuration(
                settings: try Setting(yaml: "issuer: https://auth.example.org\n"), isDemo: true)
            configuration.clientCertificates.revocation.listFiles = ["\(folder)/junk", folder]
            try configuration.demandListFiles()
            for missing in ["\(folder)/missing", "\(folder)/junk/below"] {
                configuration.clientCertificates.revocation.listFiles = [folder, missing]
                #expect(throws: ConfigurationError.self) { try configuration.demandListFiles() }
            }
            // A command that works on the installation, such as one that withdraws access, opens it all the same.
            try PrivateFile.write(try fixtures.pem("root"), to: "\(folder)/root.pem")
            configuration.clientCertificates.certificateAuthorityFile = "\(folder)/root.pem"
            let judge = try #require(try configuration.certificateJudge(fetch: places, clock: clock.clock))
            #expect(judge.remark?.contains("junk") == true)
        }
    }

    // MARK: - configuration

    private func settings(_ lines: String) throws -> Configuration.ClientCertificates {
        let yaml = """
            issuer: https://auth.example.org
            trusted-proxies: ["192.0.2.1"]
            fhir-server: {upstream: https://fhir.example.org}
            client-certificates: {proxies: ["192.0.2.1"], \(lines)}
            """
        return try Configuration(settings: try Setting(yaml: yaml), isDemo: false).clientCertificates
    }

    @Test func `a status is required unless it is said otherwise`() throws {
        #expect(try settings("ca-file: /x").revocation.demand == .required)
        #expect(try settings("ca-file: /x, revocation: {status: when-available}").revocation.demand == .whenAvailable)
        let all = try settings(
            "ca-file: /x, revocation: {crl-files: [/a, /b], fetch-crls: false, ask-ocsp: false, renew-seconds: 9}")
        #expect(all.revocation.listFiles == ["/a", "/b"] && all.revocation.renewSeconds == 9)
        #expect(!all.revocation.fetchesLists && !all.revocation.asksResponders)
    }

    @Test(
        .verifies("house@certificate-sources-guarded"),
        arguments: [
            ("private-hosts: [near.example], private-ports: [8080, 8081]", [8080, 8081]),
            ("private-hosts: [near.example]", []), ("private-ports: [8080]", nil),
            ("private-hosts: [near.example], private-ports: [0]", nil),
            ("private-hosts: [near.example], private-ports: [65536]", nil),
            ("private-hosts: [near.example], private-ports: [http]", nil),
        ] as [(String, [Int]?)])
    func `other ports of private hosts are listed as numbers`(_ lines: String, _ ports: [Int]?) throws {
        let yaml = """
            issuer: https://auth.example.org
            trusted-proxies: ["192.0.2.1"]
            fhir-server: {upstream: https://fhir.example.org}
            egress: {\(lines)}
            """
        let read = try? Configuration(settings: try Setting(yaml: yaml), isDemo: false)

        #expect(read?.egress.privatePorts == ports)
        #expect(read?.egress.policy.privatePorts == ports.map(Set.init))
    }

    @Test(arguments: [
        "revocation: {status: required}", "ca-file: /x, revocation: {status: never}",
        "ca-file: /x, revocation: {status: off, crl-files: [/a]}", "ca-file: /x, revocation: {crl: [/a]}",
        "ca-file: /x, revocation: {renew-seconds: 0}",
    ])
    func `half a setting of withdrawals is a mistake`(_ lines: String) {
        #expect(throws: ConfigurationError.self) { try settings(lines) }
    }
}
