public import FHIRCore

/// What a site sent about a member and cannot be taken.
public struct MemberFactsProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line of the feed, counted from 1; nil for a single document.
    public var line: Int?
    public let reason: String

    public init(line: Int? = nil, _ reason: String) {
        self.line = line
        self.reason = reason
    }

    public var description: String { (line.map { "line \($0): " } ?? "") + reason }
}

extension MemberFacts {
    /// Reads what a site sends about one member: a line of a roster, or the answer of its service. Strict: an unknown
    /// member or a day that is none refuses the whole, because a date that is passed over opens a record for ever.
    ///
    /// `person` is a reference; `records` are objects of `patient` (an id), `relation` (`own`, `minor`,
    /// `representative`; `own` unless told), `label`, `from`, `until`, `coverage-end`, `birth-date` and `preferred`;
    /// `merged` maps references that are no more to those that survived.
    public init(site json: JSONValue) throws(MemberFactsProblem) {
        guard let members = json.object else { throw MemberFactsProblem("must be an object") }
        try Self.demand(members, only: ["login", "person", "records", "merged"])
        var person: InstanceKey?
        if let value = json["person"] { person = try Self.reference(value.string, "person") }
        var records: [MemberRecord] = []
        if let value = json["records"] {
            guard let list = value.array, list.count <= 200 else {
                throw MemberFactsProblem("`records` must be a list of at most 200")
            }
            for entry in list { records.append(try MemberRecord(site: entry)) }
        }
        var survivors: [InstanceKey: InstanceKey] = [:]
        if let value = json["merged"] {
            guard let pairs = value.object, pairs.count <= 200 else {
                throw MemberFactsProblem("`merged` must be an object")
            }
            for pair in pairs {
                survivors[try Self.reference(pair.name, "merged")] = try Self.reference(pair.value.string, "merged")
            }
        }
        guard person != nil || !records.isEmpty else {
            throw MemberFactsProblem("names neither `person` nor `records`")
        }
        self.init(person: person, records: records, survivors: survivors)
        personOpensOwnRecord = true
    }

    /// The facts of somebody of whom only the identity is known.
    public init(of person: InstanceKey) {
        self.init(person: person)
        personOpensOwnRecord = true
    }

    static func reference(_ text: String?, _ name: String) throws(MemberFactsProblem) -> InstanceKey {
        guard let text, let key = InstanceKey(text), MemberChoice.personTypes.contains(key.type) else {
            throw MemberFactsProblem("`\(name)` must be a reference such as `Patient/p1`")
        }
        return key
    }

    static func demand(_ members: [JSONMemberValue], only known: Set<String>) throws(MemberFactsProblem) {
        for member in members where !known.contains(member.name) {
            throw MemberFactsProblem("`\(member.name.prefix(40))` is not a member that is known here")
        }
    }
}

extension MemberRecord {
    /// Reads one record that a site sent.
    init(site json: JSONValue) throws(MemberFactsProblem) {
        guard let members = json.object else { throw MemberFactsProblem("a record must be an object") }
        try MemberFacts.demand(
            members,
            only: [
                "patient", "relation", "label", "from", "until", "coverage-end", "birth-date", "preferred",
            ])
        var texts: [String: String] = [:]
        for member in members where member.name != "preferred" {
            guard let text = member.value.string else { throw MemberFactsProblem("`\(member.name)` must be a text") }
            texts[member.name] = text
        }
        var isPreferred = false
        if let value = json["preferred"] {
            guard let flag = value.bool else { throw MemberFactsProblem("`preferred` must be true or false") }
            isPreferred = flag
        }
        try self.init(texts: texts, isPreferred: isPreferred)
    }

    /// Makes a record of texts by name; an empty text counts as absent.
    init(texts: [String: String], isPreferred: Bool) throws(MemberFactsProblem) {
        func day(_ name: String) throws(MemberFactsProblem) -> CalendarDate? {
            guard let text = texts[name], !text.isEmpty else { return nil }
            guard let date = CalendarDate(text) else {
                throw MemberFactsProblem("`\(name)` must be a day such as 2026-01-31")
            }
            return date
        }
        guard let id = texts["patient"].flatMap({ ResourceID($0) }) else {
            throw MemberFactsProblem("`patient` must be the id of a Patient")
        }
        let word = texts["relation"] ?? ""
        let named: Relation? = word.isEmpty ? Relation.own : Relation(rawValue: word)
        guard let relation = named else {
            throw MemberFactsProblem("`relation` must be own, minor or representative")
        }
        let label = texts["label"] ?? ""
        guard label.unicodeScalars.count <= 200 else { throw MemberFactsProblem("`label` is too long") }
        self.init(
            id: id, label: label.isEmpty ? "Patient \(id.text)" : label, relation: relation, from: try day("from"),
            until: try day("until"), coverageEnd: try day("coverage-end"), birthDate: try day("birth-date"),
            isPreferred: isPreferred)
        guard relation != .minor || birthDate != nil || until != nil else {
            throw MemberFactsProblem("a minor needs `birth-date` or `until`: otherwise nobody knows when it ends")
        }
    }
}
