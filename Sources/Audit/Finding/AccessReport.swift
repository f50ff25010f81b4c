internal import AccessPolicy

/// Who read what of one patient, when, by which scope and on which legal basis: what a member may ask for.
public struct AccessReport: Hashable, Sendable {
    /// One access.
    public struct Row: Hashable, Sendable {
        /// When it was asked for, milliseconds since 1970 UTC.
        public let at: Int64
        /// The client.
        public let client: String?
        /// The organisation for which the client acted.
        public let organization: String?
        /// Who was logged in, as FHIR knows them.
        public let user: String?
        /// The subject of the login.
        public let subject: String?
        /// The interaction.
        public let interaction: String
        /// The FHIR type that was asked for.
        public let resourceType: String?
        /// How many resources left.
        public let released: Int
        /// How many were withheld.
        public let withheld: Int
        /// The scopes that allowed it.
        public let scopes: [String]
        /// The program.
        public let program: String?
        /// Why.
        public let purposeOfUse: [String]
        /// The rule of law that it rests on.
        public let legalBasis: String?
        /// How it ended: permitted, refused, failed, interrupted.
        public let outcome: String
        /// The decision, by which the whole record is found.
        public let decision: String
        /// Whether an accounting of disclosures has it.
        public let isDisclosure: Bool
    }

    /// Accesses, newest first.
    public let rows: [Row]

    /// The report over entries about a patient; entries that are no access do not stand in it.
    ///
    /// What a client asked for and did not get stands in it too: a member may want to know who tried.
    public init(_ entries: [AuditEntry]) throws(AuditFormatError) {
        var rows: [Row] = []
        for entry in entries {
            guard case .access(let record) = try entry.statement().event, record.outcome != .pending else { continue }
            rows.append(Row(record))
        }
        self.rows = rows
    }

    /// Whether an accounting of disclosures must have an access (45 CFR 164.528(a)(1)): data left, or may have left, and
    /// it went neither to the patient or for them, nor for treatment, payment or health care operations.
    public static func isDisclosure(_ record: AccessRecord) -> Bool {
        switch record.outcome {
        case .permitted, .interrupted: guard record.released > 0 else { return false }
        // What a gateway that is not ours then let out is not known here.
        case .decisionGiven: break
        case .pending, .refused, .failed: return false
        }
        // The entries of a batch or transaction have records of their own, which say who was told what.
        guard ![.capabilities, .batch, .transaction].contains(record.interaction) else { return false }
        // (i), (ii): treatment, payment, operations; to individuals.
        let exempt: Set<String> = [
            "TREAT", "HPAYMT", "HOPERAT", "COVAUTH", "COVERAGE", "ETREAT", "CAREMGT", "CLMATTCH", "PATRQT", "PWATRNY",
            "FAMRQT",
        ]
        guard exempt.isDisjoint(with: record.purposeOfUse) else { return false }
        let toThemselves = record.patients.allSatisfy { record.fhirUser == "Patient/\($0)" }
        return !toThemselves || record.patients.isEmpty
    }
}

extension AccessReport.Row {
    init(_ record: AccessRecord) {
        at = record.startedAt
        client = record.clientID?.text
        organization = record.organization
        user = record.fhirUser
        subject = record.subject?.text
        interaction = record.interaction.rawValue
        resourceType = record.resourceType
        released = record.released
        withheld = record.withheld.reduce(0) { $0 + $1.count }
        scopes = record.scopes
        program = record.program
        purposeOfUse = record.purposeOfUse
        legalBasis = record.legalBasis
        outcome = record.outcome.code
        decision = record.decisionID.text
        isDisclosure = AccessReport.isDisclosure(record)
    }
}
