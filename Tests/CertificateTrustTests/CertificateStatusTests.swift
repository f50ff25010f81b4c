import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@testable import CertificateTrust

/// What lists and answers say about the certificates of a path (RFC 5280 §6.3, RFC 6960).
@Suite struct CertificateStatusTests {
    private let fixtures: StatusFixtures
    private let authorities: CertificateAuthorities

    init() throws {
        fixtures = try StatusFixtures()
        authorities = try #require(CertificateAuthorities(pem: fixtures.pem("root")))
    }

    private func path(_ name: String, over others: [String] = ["issuing"]) throws -> CertificatePath {
        try #require(authorities.path(from: try fixtures.client(name, over: others), at: StatusFixtures.now))
    }

    @Test func `a path says which certificates could be withdrawn and where to ask`() throws {
        let path = try path("leaf")

        #expect(path.links.count == 2)
        #expect(path.links[0].lists == [StatusFixtures.issuingList])
        #expect(path.links[0].responders == [StatusFixtures.responder])
        #expect(path.links[1].lists == [StatusFixtures.rootList])
        #expect(path.links[1].responders.isEmpty)
        #expect(path.authority == ClientCertificate.thumbprint(of: try fixtures.certificate("root")))
        #expect(path.links[1].issuer == path.authority)
        #expect(path.links[0].thumbprint == ClientCertificate.thumbprint(of: try fixtures.certificate("leaf")))
    }

    @Test func `no path leads from a certificate of somebody's own making`() throws {
        #expect(authorities.path(from: try fixtures.client("made-up"), at: StatusFixtures.now) == nil)
        #expect(authorities.path(from: try fixtures.client("leaf", over: []), at: StatusFixtures.now) == nil)
    }

    @Test func `what is for servers is not for clients, and signs all the same`() throws {
        let (der, issuing) = (try fixtures.certificate("server-only"), try fixtures.certificate("issuing"))

        for (use, isFound) in [(CertificateUse.tlsClient, false), (.signature, true)] {
            let path = authorities.path(from: der, over: [issuing], for: use, at: StatusFixtures.now)
            #expect((path != nil) == isFound)
        }
        // An authority without that use makes no signatures of clients.
        #expect(
            authorities.path(from: try fixtures.certificate("made-up"), over: [], for: .signature, at: 1_800_000_000)
                == nil)
    }

    // MARK: - lists

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            ("issuing", "other", .withdrawn), ("issuing", "on-hold", .withdrawn), ("issuing", "leaf", .good),
            ("issuing-newer", "leaf", .withdrawn), ("issuing-users-only", "leaf", .good),
            ("issuing-own-point", "leaf", .good),
            // What says nothing.
            ("issuing-ended", "leaf", nil), ("issuing-not-begun", "leaf", nil), ("issuing-forged", "leaf", nil),
            ("issuing-authorities-only", "leaf", nil), ("issuing-other-point", "leaf", nil), ("root", "leaf", nil),
            ("root-empty", "leaf", nil), ("silent", "leaf", nil),
        ] as [(String, String, StatusFinding?)])
    func `a list counts when it is the issuer's, in its time and about such certificates`(
        _ list: String, _ leaf: String, _ expected: StatusFinding?
    ) throws {
        let path = try path(leaf)
        let read = try CertificateRevocationList.read(try fixtures.list(list))

        #expect(read.count == 1)
        #expect(path.finding(on: path.links[0], in: read[0], at: StatusFixtures.now) == expected)
    }

    @Test(.verifies("house@certificates-withdrawn"))
    func `an authority in between is looked up, too`() throws {
        let path = try path("below-withdrawn", over: ["withdrawn-issuing"])
        let list = try CertificateRevocationList.read(try fixtures.list("root"))[0]

        #expect(path.finding(on: path.links[1], in: list, at: StatusFixtures.now) == .withdrawn)
        let other = try self.path("leaf")
        #expect(other.finding(on: other.links[1], in: list, at: StatusFixtures.now) == .good)
        // A list of the name that both authorities have is the one's that signed it.
        let issuing = try CertificateRevocationList.read(try fixtures.list("issuing"))[0]
        #expect(path.concerns(path.links[0], issuing))
        #expect(path.finding(on: path.links[0], in: issuing, at: StatusFixtures.now) == nil)
    }

    @Test func `who may not sign lists says nothing by one`() throws {
        let path = try path("below-silent", over: ["silent-issuing"])
        let list = try CertificateRevocationList.read(try fixtures.list("silent"))[0]

        #expect(path.concerns(path.links[0], list))
        #expect(path.finding(on: path.links[0], in: list, at: StatusFixtures.now) == nil)
    }

    @Test(arguments: [
        "issuing-delta", "issuing-indirect", "issuing-some-reasons", "issuing-critical", "issuing-weak",
    ])
    func `a list that does not say everything, or says more than is known here, is not read`(_ name: String) throws {
        let bytes = try fixtures.list(name)

        #expect(throws: CertificateRevocationList.Refused.self) { try CertificateRevocationList.read(bytes) }
    }

    @Test func `lists stand in a file in either form, and several one after the other`() throws {
        let pem = try fixtures.list("issuing") + [0x0A, 0x0A] + fixtures.list("root") + [0x0A]

        #expect(try CertificateRevocationList.read(pem).count == 2)
        #expect(try CertificateRevocationList.read(try fixtures.listDER("root")).count == 1)
        for junk in [[], [0x0A], Array("junk".utf8), pem + Array("junk".utf8), [0x30, 0x03, 0x02, 0x01, 0x01]] {
            #expect(throws: CertificateRevocationList.Refused.self) { try CertificateRevocationList.read(junk) }
        }
    }

    @Test func `a changed list says nothing good, and nothing breaks`() throws {
        let der = try fixtures.listDER("issuing")
        let path = try path("leaf")

        for place in der.indices {
            var changed = der
            changed[place] ^= 0x21
            guard let read = try? CertificateRevocationList.read(changed) else { continue }
            for list in read { #expect(path.finding(on: path.links[0], in: list, at: StatusFixtures.now) == nil) }
        }
        for count in der.indices {
            #expect(throws: CertificateRevocationList.Refused.self) {
                try CertificateRevocationList.read(Array(der.prefix(count)))
            }
        }
    }

    @Test func `a list ends when it says so`() throws {
        let path = try path("leaf")
        let list = try CertificateRevocationList.read(try fixtures.list("issuing"))[0]

        #expect(list.nextUpdate == StatusFixtures.now + 86_400)
        #expect(path.finding(on: path.links[0], in: list, at: list.nextUpdate - 1) == .good)
        #expect(path.finding(on: path.links[0], in: list, at: list.nextUpdate + 1) == nil)
        #expect(path.finding(on: path.links[0], in: list, at: list.thisUpdate - 1) == nil)
    }

    @Test func `a list is verified once for an issuer, and not at each look`() throws {
        let list = try CertificateRevocationList.read(try fixtures.list("issuing"))[0]
        let forged = try CertificateRevocationList.read(try fixtures.list("issuing-forged"))[0]

        for _ in 0..<5 {
            for (name, finding) in [("leaf", StatusFinding.good), ("other", .withdrawn), ("on-hold", .withdrawn)] {
                let path = try path(name)
                #expect(path.finding(on: path.links[0], in: list, at: StatusFixtures.now) == finding)
                #expect(path.finding(on: path.links[0], in: forged, at: StatusFixtures.now) == nil)
                // It is nothing to another issuer, and stays what it is to its own.
                #expect(path.finding(on: path.links[1], in: list, at: StatusFixtures.now) == nil)
            }
            let below = try self.path("below-withdrawn", over: ["withdrawn-issuing"])
            #expect(below.finding(on: below.links[0], in: list, at: StatusFixtures.now) == nil)
        }

        #expect(list.verifications == 2)
        #expect(forged.verifications == 1)
    }

    @Test func `that a list holds for one certificate does not make it hold for another kind`() throws {
        let list = try CertificateRevocationList.read(try fixtures.list("issuing-own-point"))[0]
        let (path, below) = (try path("leaf"), try self.path("below-withdrawn", over: ["withdrawn-issuing"]))

        #expect(path.finding(on: path.links[0], in: list, at: StatusFixtures.now) == .good)
        #expect(below.finding(on: below.links[0], in: list, at: StatusFixtures.now) == nil)
        #expect(path.links[0].listScope != path.links[1].listScope)
        #expect(try path.links[0].listScope == self.path("other").links[0].listScope)
        #expect(path.links[0].listScope != below.links[0].listScope)
    }

    @Test func `what is published is one list in DER and nothing behind it`() throws {
        let der = try fixtures.listDER("issuing")

        #expect(try CertificateRevocationList.read(der: der).size == der.count)
        for other in [[], der + der, der + [0x0A], [0x0A] + der, try fixtures.list("issuing")] {
            #expect(throws: CertificateRevocationList.Refused.self) { try CertificateRevocationList.read(der: other) }
        }
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `a text that says that it is encrypted asks nobody for a pass phrase`() throws {
        // Whoever asks finds a phrase, and would take it: the test is to fail then, and not to wait.
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let before = dup(0)
        try #require(before >= 0 && dup2(ends[0], 0) == 0)
        defer {
            dup2(before, 0)
            for each in [before, ends[0], ends[1]] { close(each) }
        }
        let phrase = Array("phrase\nphrase\n".utf8)
        try #require(write(ends[1], phrase, phrase.count) == phrase.count)
        func encrypted(_ pem: [UInt8]) -> [UInt8] {
            var lines = String(decoding: pem, as: UTF8.self).split(separator: "\n").map(String.init)
            lines.insert("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,000102030405060708090A0B0C0D0E0F\n", at: 1)
            return Array((lines.joined(separator: "\n") + "\n").utf8)
        }

        let list = encrypted(try fixtures.list("issuing"))
        #expect(throws: CertificateRevocationList.Refused.self) { try CertificateRevocationList.read(list) }
        #expect(throws: CertificateRevocationList.Refused.self) { try CertificateRevocationList.read(der: list) }
        #expect(CertificateAuthorities(pem: encrypted(try fixtures.pem("root"))) == nil)

        var waiting: Int32 = 0
        #expect(ioctl(ends[0], UInt(FIONREAD), &waiting) == 0)
        #expect(waiting == phrase.count)
    }

    // MARK: - answers

    @Test(
        .verifies("house@certificates-withdrawn"),
        arguments: [
            ("good", .good), ("good-by-responder", .good), ("withdrawn", .withdrawn), ("without-end", .good),
            // What says nothing.
            ("unknown", nil), ("good-of-other", nil), ("by-unmarked", nil), ("by-unchecked", nil),
            ("by-responder-of-root", nil), ("forged", nil), ("forged-alone", nil), ("of-forger", nil), ("ended", nil),
            ("not-begun", nil), ("without-end-old", nil), ("weak", nil), ("try-later", nil),
        ] as [(String, StatusFinding?)])
    func `an answer counts when the issuer or its responder gives it, about that certificate, in its time`(
        _ name: String, _ expected: StatusFinding?
    ) throws {
        let path = try path("leaf")

        let statement = path.statement(on: path.links[0], in: try fixtures.answer(name), at: StatusFixtures.now)

        #expect(statement?.finding == expected)
    }

    @Test func `an answer about one certificate says nothing about another, or about its issuer`() throws {
        let (path, other) = (try path("leaf"), try path("other"))
        let answer = try fixtures.answer("good")

        #expect(other.statement(on: other.links[0], in: answer, at: StatusFixtures.now) == nil)
        #expect(path.statement(on: path.links[1], in: answer, at: StatusFixtures.now) == nil)
        #expect(path.statement(on: path.links[0], in: answer + [0], at: StatusFixtures.now) == nil)
        #expect(path.statement(on: path.links[0], in: [], at: StatusFixtures.now) == nil)
    }

    @Test func `a changed answer says nothing, and nothing breaks`() throws {
        let path = try path("leaf")

        for name in ["good", "good-by-responder"] {
            let answer = try fixtures.answer(name)
            for place in answer.indices {
                var changed = answer
                changed[place] ^= 0x21
                #expect(
                    path.statement(on: path.links[0], in: changed, at: StatusFixtures.now) == nil, "\(name) \(place)")
            }
        }
    }

    @Test func `a question names the certificate and nothing else`() throws {
        let (path, other) = (try path("leaf"), try path("other"))
        let request = path.statusRequest(for: path.links[0])

        #expect(request.first == 0x30)
        #expect(request == path.statusRequest(for: path.links[0]))
        #expect(request != other.statusRequest(for: other.links[0]))
        #expect(request.count < 120)
    }
}
