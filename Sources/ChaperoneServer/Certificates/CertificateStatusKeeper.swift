internal import CertificateTrust

/// What is known of the status of certificates, whoever shows them: from the operator's files and from the sources that
/// the certificates name.
struct CertificateStatusKeeper: Sendable {
    let files: CertificateListFiles
    let sources: CertificateStatusSources

    /// Grows whenever something changed that may change what is known.
    var generation: Int { files.generation &+ sources.generation }

    /// What is known of a path at a moment. What is at hand is enough when it decides; else the places that its
    /// certificates name are asked once, all at the same time.
    func status(of path: CertificatePath, at now: Int64) async -> CertificateStatusPolicy.Status {
        let known = known(of: path, at: now)
        guard case .unknown = known else { return known }
        await sources.ask(about: undecided(in: path, at: now), of: path)
        return self.known(of: path, at: now)
    }

    /// What is at hand about a path at a moment. Nothing is fetched.
    func known(of path: CertificatePath, at now: Int64) -> CertificateStatusPolicy.Status {
        CertificateStatusPolicy.status(of: path.links.map { evidence(on: $0, of: path, at: now) })
    }

    /// Has what is missing about a path be fetched with the next renewal, for whom cannot wait.
    func want(_ path: CertificatePath, at now: Int64) { sources.want(undecided(in: path, at: now), of: path) }

    private func undecided(in path: CertificatePath, at now: Int64) -> [CertificatePath.Link] {
        path.links.filter { evidence(on: $0, of: path, at: now).findings.isEmpty }
    }

    private func evidence(
        on link: CertificatePath.Link, of path: CertificatePath, at now: Int64
    ) -> CertificateStatusPolicy.Evidence {
        let kept = files.lists.filter { path.concerns(link, $0) }
        return .init(
            findings: kept.compactMap { path.finding(on: link, in: $0, at: now) }
                + sources.findings(on: link, of: path, at: now),
            hasSource: !kept.isEmpty || sources.hasPlace(for: link))
    }
}
