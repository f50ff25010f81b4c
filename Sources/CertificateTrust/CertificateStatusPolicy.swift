/// What the status of a path's certificates is worth. Pure.
///
/// What is known to be withdrawn is refused whatever is demanded; a certificate counts as good only where somebody who may
/// say so says it, and then every certificate of the path below the authority must.
public enum CertificateStatusPolicy {
    /// What is demanded of the certificates under an authority.
    public enum Demand: String, CaseIterable, Hashable, Sendable {
        /// A status that is not known refuses.
        case required
        /// A status that is not known does not refuse.
        case whenAvailable = "when-available"
        /// The status is not looked at.
        case off
    }

    /// What is at hand about one certificate of a path.
    public struct Evidence: Hashable, Sendable {
        /// What lists of its issuer say that hold now, and answers of its responders.
        public var findings: [StatusFinding]
        /// Whether there is anywhere to ask: the certificate names a source that is asked, or a list of its issuer is kept.
        public var hasSource: Bool

        public init(findings: [StatusFinding], hasSource: Bool) {
            self.findings = findings
            self.hasSource = hasSource
        }
    }

    /// Why a status is not known.
    public enum Gap: String, CaseIterable, Hashable, Sendable {
        /// No source is named, and no list of the issuer is kept.
        case noSource = "a certificate of its path names no source of its status, and no list of its issuer is kept"
        /// There are sources, and none says anything that holds now.
        case nothingCurrent = "no list and no answer that holds now could be had for a certificate of its path"
    }

    /// What is known of a whole path.
    public enum Status: Hashable, Sendable {
        case good
        case withdrawn
        case unknown(Gap)
    }

    /// What is known of a path with this evidence about each of its certificates but the authority.
    public static func status(of path: [Evidence]) -> Status {
        var gap: Gap?
        for evidence in path {
            if evidence.findings.contains(.withdrawn) { return .withdrawn }
            guard !evidence.findings.contains(.good) else { continue }
            gap = gap ?? (evidence.hasSource ? .nothingCurrent : .noSource)
        }
        return gap.map(Status.unknown) ?? .good
    }

    /// Whether a certificate with that status may be relied on.
    public static func accepts(_ status: Status, demanding demand: Demand) -> Bool {
        switch (status, demand) {
        case (.withdrawn, _): false
        case (.good, _): true
        case (.unknown, .required): false
        case (.unknown, .whenAvailable), (.unknown, .off): true
        }
    }
}
