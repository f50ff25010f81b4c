internal import Authorization
public import CertificateTrust
internal import OAuthCore

extension Configuration {
    /// How it is known whether certificates under a set of authorities were withdrawn.
    public struct CertificateRevocation: Hashable, Sendable {
        public var demand = CertificateStatusPolicy.Demand.required
        /// Files with lists in PEM or DER, and folders of such files.
        public var listFiles: [String] = []
        /// Whether lists are fetched from where certificates say that they are.
        public var fetchesLists = true
        /// Whether the responders that certificates name are asked.
        public var asksResponders = true
        /// How often files are looked at and renewals begun, in seconds.
        public var checkSeconds = 60
        /// The age at which what was fetched is fetched again, in seconds.
        public var renewSeconds = 3600

        public init() {}

        /// What keeps lists and answers, with the files read once. What is wrong with a file is said by the keeper, as
        /// later on: it keeps neither a server from starting nor a command from withdrawing access.
        /// - Parameter folder: the state folder, in which fetched lists outlive the process.
        func keeper(fetch: any OutboundFetching, clock: Clock, folder: String) -> CertificateStatusKeeper {
            let files = CertificateListFiles(listFiles)
            files.reload()
            var bounds = CertificateStatusSources.Bounds()
            bounds.renewal = Int64(renewSeconds)
            bounds.attempt = min(bounds.attempt, bounds.renewal)
            return CertificateStatusKeeper(
                files: files,
                sources: CertificateStatusSources(
                    fetch: fetch, fetchesLists: fetchesLists, asksResponders: asksResponders, bounds: bounds,
                    kept: KeptLists(folder: "\(folder)/\(KeptLists.folderName)"), clock: clock))
        }
    }

    /// Refuses a file or folder of lists that is not there: a mistyped path would hold nothing for ever.
    ///
    /// For a server that starts and for checks; commands that work on an installation do without.
    public func demandListFiles() throws {
        let missing = clientCertificates.revocation.listFiles.filter { !ListFolder.mayExist($0) }
        guard missing.isEmpty else {
            throw ConfigurationError(
                missing.map {
                    .init(
                        origin: nil, path: "client-certificates.revocation.crl-files",
                        message: "there is no file or folder `\($0)`")
                })
        }
    }

    static func certificateRevocation(_ parent: inout SettingReader, hasAuthorities: Bool) -> CertificateRevocation {
        let isSet = parent.has("revocation")
        var map = parent.map("revocation")
        defer { map.finish() }
        var settings = CertificateRevocation()
        settings.demand = map.choice("status") ?? .required
        settings.listFiles = map.texts("crl-files")
        settings.fetchesLists = map.flag("fetch-crls", default: true)
        settings.asksResponders = map.flag("ask-ocsp", default: true)
        settings.checkSeconds = map.integer("check-seconds", default: 60, in: 1...86_400)
        settings.renewSeconds = map.integer("renew-seconds", default: 3600, in: 1...604_800)
        if isSet, !hasAuthorities { parent.fail("revocation", "has a meaning only with `ca-file`") }
        if settings.demand == .off, !settings.listFiles.isEmpty {
            map.fail("crl-files", "has no meaning with `status: off`")
        }
        return settings
    }
}
