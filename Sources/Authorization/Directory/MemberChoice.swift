internal import AccessPolicy
internal import FHIRCore

/// The site's rules about members.
public struct MemberRules: Hashable, Sendable {
    /// Who picks when a member has several records of their own.
    public enum Several: String, CaseIterable, Hashable, Sendable {
        /// The member, on the page that asks whose record is meant.
        case member
        /// The plan: the one record that it marks.
        case plan
    }

    public var several: Several
    /// For how many days after the end of coverage tokens are still made.
    public var coverageGraceDays: Int
    /// The age at which a minor comes of age, in years.
    public var ageOfMajority: Int

    public init(several: Several = .member, coverageGraceDays: Int = 0, ageOfMajority: Int = 18) {
        self.several = several
        self.coverageGraceDays = coverageGraceDays
        self.ageOfMajority = ageOfMajority
    }
}

/// Who a login is today, decided from what a source says: the one place in which that is decided.
public enum MemberChoice: Hashable, Sendable {
    case member(Member)
    case nobody(Reason)

    /// Why a login is nobody; for the record, never for the person.
    public enum Reason: String, CaseIterable, Hashable, Sendable {
        case unknown
        case ambiguous
        /// A chain of merges that does not end.
        case endlessMerge = "endless-merge"
        /// The source names records and not who the login is.
        case nameless
        /// Every record is over, not begun, or not for certain.
        case nothingHolds = "nothing-holds"
        /// The login is a kind of resource that nobody can be.
        case impossiblePerson = "impossible-person"
    }

    /// Where one record stands on a day.
    public enum Standing: String, CaseIterable, Hashable, Sendable {
        case holds
        case notYet = "not-yet"
        case over
        case coverageEnded = "coverage-ended"
        case ofAge = "of-age"
        /// A minor's record of which nobody says until when it holds.
        case ageUnknown = "age-unknown"
    }

    /// What a login may be linked to.
    static let personTypes: Set<ResourceType> = [
        .patient, .practitioner, .practitionerRole, .relatedPerson, .person,
    ]

    /// Decides.
    ///
    /// - Parameters:
    ///   - panels: whose records practitioners may open; what a source says of records does not count for them.
    ///   - today: the day, in UTC.
    public init(
        _ answer: MemberDirectoryAnswer, rules: MemberRules, panels: PractitionerPanels = .init(), today: CalendarDate
    ) {
        switch answer {
        case .unknown: self = .nobody(.unknown)
        case .ambiguous: self = .nobody(.ambiguous)
        case .known(let facts):
            do throws(Refusal) {
                self = .member(try Self.member(of: facts, rules: rules, panels: panels, today: today))
            } catch { self = .nobody(error.reason) }
        }
    }

    /// The member; nil for nobody.
    public var member: Member? { if case .member(let member) = self { member } else { nil } }

    private struct Refusal: Error { let reason: Reason }

    private static func member(
        of facts: MemberFacts, rules: MemberRules, panels: PractitionerPanels, today: CalendarDate
    ) throws(Refusal) -> Member {
        var person: InstanceKey?
        if let named = facts.person {
            person = try survivor(of: named, in: facts.survivors)
            guard let type = person?.type, personTypes.contains(type) else {
                throw Refusal(reason: .impossiblePerson)
            }
        }
        if let person, [.practitioner, .practitionerRole].contains(person.type) {
            return Member(fhirUser: person, selection: panels.selection(of: person))
        }
        var all = try merged(facts)
        if facts.personOpensOwnRecord, let person, person.type == .patient,
            !all.contains(where: { $0.id == person.id })
        {
            all.insert(MemberRecord(id: person.id, label: "Patient \(person.id.text)"), at: 0)
        }
        let records = try picked(from: all, rules)
        let holding = records.filter { standing(of: $0, rules: rules, on: today) == .holds }
        guard !holding.isEmpty || records.isEmpty else { throw Refusal(reason: .nothingHolds) }
        // Who is a Patient by name is that patient only while the record of that name holds.
        if let person, person.type == .patient, records.contains(where: { $0.relation == .own }),
            !holding.contains(where: { $0.relation == .own && $0.id == person.id })
        {
            throw Refusal(reason: .nothingHolds)
        }
        guard
            let fhirUser = person
                ?? holding.first(where: { $0.relation == .own }).map({ InstanceKey(type: .patient, id: $0.id) })
        else { throw Refusal(reason: .nameless) }
        return Member(
            fhirUser: fhirUser, selection: .among(holding.map { LinkedPatient(id: $0.id, label: $0.label) }))
    }

    /// What is left of an identity after all merges.
    private static func survivor(
        of key: InstanceKey, in survivors: [InstanceKey: InstanceKey]
    ) throws(Refusal) -> InstanceKey {
        var key = key
        var seen: Set<InstanceKey> = []
        while let next = survivors[key] {
            // A record survives as one of its own kind, and a chain ends.
            guard next.type == key.type, seen.insert(key).inserted, seen.count <= 16 else {
                throw Refusal(reason: .endlessMerge)
            }
            key = next
        }
        return key
    }

    /// The records under the ids that survived. Of several that became one, the first of the closest relation stands.
    private static func merged(_ facts: MemberFacts) throws(Refusal) -> [MemberRecord] {
        var records: [MemberRecord] = []
        for var record in facts.records {
            record.id = try survivor(of: InstanceKey(type: .patient, id: record.id), in: facts.survivors).id
            guard let place = records.firstIndex(where: { $0.id == record.id }) else {
                records.append(record)
                continue
            }
            let isPreferred = records[place].isPreferred || record.isPreferred
            if record.relation == .own, records[place].relation != .own { records[place] = record }
            records[place].isPreferred = isPreferred
        }
        return records
    }

    /// Leaves of the member's own records the one that the plan picks, where the plan picks.
    private static func picked(from records: [MemberRecord], _ rules: MemberRules) throws(Refusal) -> [MemberRecord] {
        guard rules.several == .plan, records.filter({ $0.relation == .own }).count > 1 else { return records }
        let picked = records.filter { $0.relation == .own && $0.isPreferred }
        guard picked.count == 1 else { throw Refusal(reason: .ambiguous) }
        return records.filter { $0.relation != .own || $0.isPreferred }
    }

    /// Whether a record holds on a day.
    public static func standing(of record: MemberRecord, rules: MemberRules, on today: CalendarDate) -> Standing {
        if let from = record.from, today < from { return .notYet }
        if let until = record.until, until < today { return .over }
        if let end = record.coverageEnd, end.adding(days: rules.coverageGraceDays) < today { return .coverageEnded }
        guard record.relation == .minor else { return .holds }
        guard let birth = record.birthDate else { return record.until == nil ? .ageUnknown : .holds }
        guard let ofAge = birth.adding(years: rules.ageOfMajority), today < ofAge else { return .ofAge }
        return .holds
    }
}

extension PractitionerPanels {
    /// Whose records a practitioner may open, as a choice.
    func selection(of user: InstanceKey) -> PatientSelection {
        switch panel(of: user) {
        case .none: .among([])
        case .everyone: .anyPatient
        case .patients(let ids):
            .among(ids.sorted { $0.text < $1.text }.map { LinkedPatient(id: $0, label: "Patient \($0.text)") })
        }
    }
}

extension MemberLink {
    /// A stored link as a source's answer. It has no dates: it holds until it is undone.
    public var facts: MemberFacts {
        MemberFacts(
            person: fhirUser,
            records: patients.map { patient in
                let isOwn = fhirUser == InstanceKey(type: .patient, id: patient.id)
                return MemberRecord(id: patient.id, label: patient.label, relation: isOwn ? .own : .representative)
            })
    }
}
