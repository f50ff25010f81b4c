import Authorization
import CertificateTrust
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@testable import ChaperoneServer

/// The operator's own lists of withdrawn certificates, and the settings of all of it.
@Suite struct CertificateListFileTests: CertificateStatusSuite {
    let bench: CertificateStatusBench

    init() throws { bench = try CertificateStatusBench() }

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
            let judge = try #require(
                try configuration.certificateJudge(fetch: places, clock: clock.clock, forgetsLists: false))
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
