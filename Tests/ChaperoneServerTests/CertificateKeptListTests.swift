import Authorization
import CertificateTrust
import ChaperoneTesting
import Foundation
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// Withdrawn certificates: what is kept of what was fetched, and how fetches are shared.
@Suite struct CertificateKeptListTests: CertificateStatusSuite {
    let bench: CertificateStatusBench

    init() throws { bench = try CertificateStatusBench() }

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

    @Test(.verifies("house@certificates-withdrawn"))
    func `a list outlives the certificate for which it was fetched`() async throws {
        try await withFolder { kept in
            try publish()
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "short-lived") == .trusted)
            for url in [StatusFixtures.rootList, StatusFixtures.issuingList] { places.answer(url, .failure(.timedOut)) }
            clock.advance(seconds: 3 * 3600)

            let later = try judge(asksResponders: false, kept: kept)
            #expect(kept.names().count == 2)
            // Withdrawn is known before anybody has proved anything, and so is who is not.
            #expect(later.isWithdrawn(try fixtures.client("on-hold", over: []), at: clock.now))
            #expect(try await verdict(later, "on-hold") == .withdrawn)
            #expect(try await verdict(later, "leaf") == .trusted)
            #expect(try await verdict(later, "short-lived") == .untrusted)

            // It ends when it says so, and not with what it came for.
            clock.advance(seconds: 21 * 3600)
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "leaf") == Self.unknown)
            #expect(kept.names().isEmpty)
        }
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `a command under another configuration takes no list from the server`() async throws {
        try await withFolder { kept in
            try publish()
            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "leaf") == .trusted)
            for url in [StatusFixtures.rootList, StatusFixtures.issuingList] { places.answer(url, .failure(.timedOut)) }

            let command = try judge(asksResponders: false, kept: kept, under: "silent-issuing", forgetsLists: false)
            #expect(command.keeper.sources.lists(at: clock.now).isEmpty)
            #expect(kept.names().count == 2)

            #expect(try await verdict(try judge(asksResponders: false, kept: kept), "on-hold") == .withdrawn)
        }
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `opening an installation removes lists that do not hold when it serves only`() async throws {
        try await InstallationTests.inFolder { folder in
            let kept = KeptLists(folder: "\(folder)/\(KeptLists.folderName)")
            try kept.write(.init(url: "http://crl.example/", issuer: "x", fetchedAt: 0, path: [], index: 0, list: [1]))
            try PrivateFile.write(try fixtures.pem("root"), to: "\(folder)/root.pem")
            defer {
                unlink("\(folder)/root.pem")
                for name in kept.names() { kept.remove(name) }
                rmdir(kept.folder)
            }
            let yaml = """
                issuer: http://localhost:8080
                state-directory: \(folder)
                fhir-server: {upstream: http://127.0.0.1:9}
                trusted-proxies: ["127.0.0.1"]
                client-certificates: {proxies: ["127.0.0.1"], ca-file: \(folder)/root.pem}
                """
            let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)

            try await Installation(configuration: configuration).close()
            #expect(kept.names().count == 1)
            try await Installation(configuration: configuration, for: .serving(demandsFewAbsent: false)).close()
            #expect(kept.names().isEmpty)
        }
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
}
