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
        /// How many resources left; none where the patient was only asked for.
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
        /// Whether the patient was only asked for: nothing of theirs was found, written or let out.
        public let isAskedOnly: Bool
        /// Whether an accounting of disclosures has it.
        public let isDisclosure: Bool
    }

    /// Accesses, newest first.
    public let rows: [Row]

    /// The report over entries about a patient; entries that are no access do not stand in it.
    ///
    /// What a client asked for and did not get stands in it too: a member may want to know who tried.
    ///
    /// - Parameter patient: whom the report is about; nil for one about everybody.
    public init(_ entries: [AuditEntry], of patient: String? = nil) throws(AuditFormatError) {
        var rows: [Row] = []
        for entry in entries {
            guard case .access(let record) = try entry.statement().event, record.outcome != .pending else { continue }
            rows.append(Row(record, of: patient))
        }
        self.rows = rows
    }

    /// Whether an accounting of disclosures must have an access (45 CFR 164.528(a)(1)): data left, or may have left, and
    /// it went neither to the patient or for them, nor for treatment, payment or health care operations.
    ///
    /// - Parameter patient: in whose accounting; a patient who was only asked for has none of what left of others. Nil for
    ///   that of anybody.
    public static func isDisclosure(_ record: AccessRecord, of patient: String? = nil) -> Bool {
        if let patient, record.askedOnly.contains(patient) { return false }
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
        if let patient { return record.fhirUser != "Patient/\(patient)" }
        let reached = record.patients.filter { !record.askedOnly.contains($0) }
        let toThemselves = reached.allSatisfy { record.fhirUser == "Patient/\($0)" }
        return !toThemselves || reached.isEmpty
    }
}

extension AccessReport.Row {
    init(_ record: AccessRecord, of patient: String?) {
        at = record.startedAt
        client = record.clientID?.text
        organization = record.organization
        user = record.fhirUser
        subject = record.subject?.text
        interaction = record.interaction.rawValue
        resourceType = record.resourceType
        isAskedOnly = patient.map(record.askedOnly.contains) ?? false
        released = isAskedOnly ? 0 : record.released
        withheld = record.withheld.reduce(0) { $0 + $1.count }
        scopes = record.scopes
        program = record.program
        purposeOfUse = record.purposeOfUse
        legalBasis = record.legalBasis
        outcome = record.outcome.code
        decision = record.decisionID.text
        isDisclosure = AccessReport.isDisclosure(record, of: patient)
    }
}
