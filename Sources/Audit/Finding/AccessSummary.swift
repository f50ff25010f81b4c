public import FHIRCore

/// Which app, and which user of it, got what of whom: accesses added up, for those who want no list of each.
///
/// An access that names several patients counts for each of them; how much of it was whose, its record does not say, but
/// of those who were only asked for nothing was released.
public struct AccessSummary: Hashable, Sendable {
    /// By what accesses are put together.
    public struct Key: Hashable, Sendable, Comparable {
        /// The client; empty when nobody knows it.
        public let client: String
        /// Who was logged in; empty for a backend.
        public let user: String
        /// The patient; empty for what is about none.
        public let patient: String
        /// The FHIR type that was asked for; empty for none.
        public let type: String

        /// A key.
        public init(client: String, user: String, patient: String, type: String) {
            self.client = client
            self.user = user
            self.patient = patient
            self.type = type
        }

        public static func < (one: Key, other: Key) -> Bool {
            (one.client, one.user, one.patient, one.type) < (other.client, other.user, other.patient, other.type)
        }
    }

    /// What accesses of one key come to.
    public struct Sum: Hashable, Sendable {
        /// Accesses that were permitted.
        public internal(set) var permitted = 0
        /// Accesses that were refused.
        public internal(set) var refused = 0
        /// Those that failed or were interrupted, and decisions that others carried out.
        public internal(set) var other = 0
        /// Resources that left.
        public internal(set) var released: Int64 = 0
        /// The scopes that allowed them.
        public internal(set) var scopes: Set<String> = []
        /// The first and the last access, as their rows name the times.
        public internal(set) var first = ""
        public internal(set) var last = ""
    }

    /// The sums.
    public private(set) var sums: [Key: Sum] = [:]

    /// Nothing added up yet.
    public init() {}

    /// Adds a row of the listing; what is no access is passed over.
    public mutating func add(_ row: JSONValue) {
        guard row["kind"]?.string == AuditIndex.accessKind, row["phase"]?.string != "opened" else { return }
        let patients = row["patients"]?.array?.compactMap(\.string) ?? []
        let askedOnly = Set(row["askedOnly"]?.array?.compactMap(\.string) ?? [])
        for patient in patients.isEmpty ? [""] : patients {
            let key = Key(
                client: row["client"]?.string ?? "", user: row["user"]?.string ?? "", patient: patient,
                type: row["resourceType"]?.string ?? "")
            sums[key, default: Sum()].add(row, releases: !askedOnly.contains(patient))
        }
    }
}

extension AccessSummary.Sum {
    /// - Parameter releases: whether anything of the patient's can have left.
    fileprivate mutating func add(_ row: JSONValue, releases: Bool) {
        switch row["outcome"]?.string {
        case "permitted": permitted += 1
        case "refused": refused += 1
        default: other += 1
        }
        if releases { released += row["released"]?.int ?? 0 }
        scopes.formUnion(row["scopes"]?.array?.compactMap(\.string) ?? [])
        // Times of one form and zone are in the order of their texts.
        let at = row["at"]?.string ?? ""
        if first.isEmpty || at < first { first = at }
        if at > last { last = at }
    }
}
