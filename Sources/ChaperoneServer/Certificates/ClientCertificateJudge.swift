internal import Authorization
internal import CertificateTrust
internal import OAuthCore
internal import Synchronization

/// Says what the certificates of clients are worth, when they prove who they are and for as long as tokens are bound to
/// them.
///
/// A class because requests of both sides share what was judged; the lock is `judged`.
final class ClientCertificateJudge: Sendable {
    private let authorities: CertificateAuthorities
    let demand: CertificateStatusPolicy.Demand
    let keeper: CertificateStatusKeeper
    private let intermediates: KnownIntermediates
    private let judged = Mutex(JudgedCertificates(limit: remembered))

    /// How many certificates are remembered that are not withdrawn, and as many that are.
    static let remembered = 20_000
    /// For how many seconds what is known of one counts without a change of any list: time alone makes nothing withdrawn.
    static let memory: Int64 = 3600
    /// And that nothing is known of it.
    static let memoryOfNothing: Int64 = 60

    /// - Parameters:
    ///   - intermediates: certificates in DER over which paths may lead, beside those that clients show.
    ///   - forgetsLists: whether kept lists that do not hold here are removed.
    init(
        authorities: CertificateAuthorities, demand: CertificateStatusPolicy.Demand, keeper: CertificateStatusKeeper,
        intermediates: [[UInt8]] = [], forgetsLists: Bool
    ) {
        self.authorities = authorities
        self.demand = demand
        self.keeper = keeper
        self.intermediates = KnownIntermediates(intermediates)
        guard demand != .off else { return }
        for path in keeper.sources.restore(under: authorities, forgetsOthers: forgetsLists) {
            self.intermediates.learn(from: path)
        }
    }

    /// Grows whenever something changed that may change what is known of a certificate.
    private var generation: Int { keeper.generation &+ intermediates.generation }

    private func path(
        from certificate: ClientCertificate, over others: [[UInt8]], at now: Int64
    ) -> CertificatePath? {
        let path =
            authorities.path(from: certificate, at: now)
            ?? (others.isEmpty
                ? nil
                : authorities.path(
                    from: certificate.der, over: certificate.intermediates + others, for: .tlsClient, at: now))
        if let path { intermediates.learn(from: path) }
        return path
    }

    /// What a certificate is worth that is to prove who a client is.
    func verdict(on certificate: ClientCertificate, at now: Int64) async -> CertificateValidator.Verdict {
        // Over what the client shows and what the operator has named: whom others have shown lets nobody in.
        guard let path = path(from: certificate, over: intermediates.configured, at: now) else {
            return await objection(to: certificate, at: now) ?? .untrusted
        }
        guard demand != .off else { return .trusted }
        return await verdict(on: certificate, over: path, at: now)
    }

    /// What is known against a certificate that comes without what leads to an authority; nil where nothing is. Over
    /// whatever is known, as at the gateway, for this lets nobody in: whoever is bound to a certificate must not escape its
    /// withdrawal by leaving out what stands above it.
    private func objection(to certificate: ClientCertificate, at now: Int64) async -> CertificateValidator.Verdict? {
        guard demand != .off else { return nil }
        guard let path = path(from: certificate, over: intermediates.all, at: now) else {
            // Not remembered: anybody can make a certificate that bears a withdrawn one's number.
            let wasWithdrawn = judged.withLock { $0[certificate.thumbprint]?.isWithdrawn ?? false }
            return wasWithdrawn || isNamedOnList(certificate, at: now) ? .withdrawn : nil
        }
        let verdict = await verdict(on: certificate, over: path, at: now)
        return verdict == .trusted ? nil : verdict
    }

    private func verdict(
        on certificate: ClientCertificate, over path: CertificatePath, at now: Int64
    ) async -> CertificateValidator.Verdict {
        let generation = self.generation
        var status = await keeper.status(of: path, at: now)
        // What was withdrawn stays so until somebody says otherwise: the end of a list is nobody's word.
        let wasWithdrawn = judged.withLock { $0[certificate.thumbprint]?.isWithdrawn ?? false }
        if case .unknown = status, wasWithdrawn { status = .withdrawn }
        remember(
            certificate,
            .init(
                path: path, isWithdrawn: status == .withdrawn, generation: generation,
                until: now + Self.memory(of: status)),
            at: now)
        guard !CertificateStatusPolicy.accepts(status, demanding: demand) else { return .trusted }
        switch status {
        case .unknown(let gap): return .statusUnknown(gap.rawValue)
        case .withdrawn, .good: return .withdrawn
        }
    }

    /// Whether a certificate to which a token is bound is known to be withdrawn. Nothing is read or fetched for it: what is
    /// not known is asked for with the next renewal, and until then the token's own short life is the bound.
    func isWithdrawn(_ certificate: ClientCertificate, at now: Int64) -> Bool {
        guard demand != .off else { return false }
        let known = judged.withLock { $0[certificate.thumbprint] }
        let generation = self.generation
        // What was judged without its path is judged again when it comes with something that may lead there.
        if let known, known.generation == generation, now < known.until,
            known.path != nil || certificate.intermediates.isEmpty
        {
            return known.isWithdrawn
        }
        // Over every certificate that is known: one that was withdrawn counts against whoever stands below it, shown or not.
        let path = known?.path ?? path(from: certificate, over: intermediates.all, at: now)
        let status: CertificateStatusPolicy.Status
        if let path {
            status = keeper.known(of: path, at: now)
        } else {
            // Nothing is known of what leads to its authority: then its number and its issuer's name decide against it, and
            // nothing that is known only by name decides for it.
            let isNamed = known?.isWithdrawn ?? false || isNamedOnList(certificate, at: now)
            status = isNamed ? .withdrawn : .good
        }
        var isWithdrawn = status == .withdrawn
        if case .unknown = status, let path {
            isWithdrawn = known?.isWithdrawn ?? false
            keeper.want(path, at: now)
        }
        remember(
            certificate,
            .init(path: path, isWithdrawn: isWithdrawn, generation: generation, until: now + Self.memory(of: status)),
            at: now)
        return isWithdrawn
    }

    /// Whether a list that counts bears the number of a certificate and the name of its issuer.
    private func isNamedOnList(_ certificate: ClientCertificate, at now: Int64) -> Bool {
        keeper.files.lists.contains { $0.names(certificate) }
            || keeper.sources.lists(at: now).contains { $0.names(certificate) }
    }

    /// The certificates that are known to be withdrawn since they were judged, by their thumbprints.
    func newlyWithdrawn(at now: Int64) -> [String] {
        let generation = self.generation
        let open = judged.withLock { $0.open(but: generation) }
        var found: [String] = []
        for (thumbprint, path) in open {
            let isWithdrawn = keeper.known(of: path, at: now) == .withdrawn
            judged.withLock { $0.renew(thumbprint, isWithdrawn: isWithdrawn, generation: generation, at: now) }
            if isWithdrawn { found.append(thumbprint) }
        }
        return found.sorted()
    }

    private static func memory(of status: CertificateStatusPolicy.Status) -> Int64 {
        switch status {
        case .good, .withdrawn: memory
        case .unknown: memoryOfNothing
        }
    }

    private func remember(_ certificate: ClientCertificate, _ entry: JudgedCertificates.Entry, at now: Int64) {
        judged.withLock { $0.note(certificate.thumbprint, entry, at: now) }
    }

    /// What is wrong with the operator's lists, for health; nil when nothing is. The server goes on: what it held counts.
    var remark: String? {
        let problems = keeper.files.problems
        guard demand != .off, !problems.isEmpty else { return nil }
        let shown = problems.sorted { $0.key < $1.key }.prefix(10).map { "`\($0.key)`: \($0.value)" }
        let rest = problems.count > shown.count ? ["and \(problems.count - shown.count) more"] : []
        return "lists of withdrawn certificates cannot be read: " + (shown + rest).joined(separator: "; ")
    }

    /// The same as a capability of the authorization server.
    var validator: CertificateValidator {
        CertificateValidator(
            isWithdrawn: { thumbprint in self.judged.withLock { $0[thumbprint]?.isWithdrawn ?? false } },
            judge: { await self.verdict(on: $0, at: $1) })
    }
}
