public import FHIRCore

/// Who a login is by FHIR `identifier`: the question, and what the protected server's searchset says to it.
///
/// Nothing is taken on the server's word: a row counts only when it bears the identifier itself, exactly.
public struct MemberSearch: Hashable, Sendable {
    /// What is searched: `Patient`, `Practitioner` or `RelatedPerson`.
    public let type: ResourceType
    /// The system of the identifier.
    public let system: String

    /// The kinds of resource that can be looked for.
    public static let types: [ResourceType] = [.patient, .practitioner, .relatedPerson]

    public init(type: ResourceType, system: String) {
        self.type = type
        self.system = system
    }

    /// The answer of the server was not one to the question.
    public struct Unreadable: Error, Hashable, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// What a searchset says.
    public enum Finding: Hashable, Sendable {
        case answer(MemberDirectoryAnswer)
        /// The one that was found was merged into this one, which is to be read before anything is said.
        case follow(InstanceKey)
    }

    /// Reads a searchset to the question for one value.
    public func finding(_ bundle: JSONValue, value: String, today: CalendarDate) throws(Unreadable) -> Finding {
        var keys: Set<InstanceKey> = []
        var plain: [JSONValue] = []
        for row in try rows(of: bundle) where bears(value, row, today) {
            switch Self.replacement(of: row) {
            // A row that was merged into another stands for that one.
            case .by(let survivor): keys.insert(survivor)
            case .unclear: return .answer(.ambiguous)
            case .none:
                guard row["active"]?.bool != false, let key = key(of: row) else { continue }
                keys.insert(key)
                plain.append(row)
            }
        }
        guard keys.count <= 1 else { return .answer(.ambiguous) }
        guard let key = keys.first else { return .answer(.unknown) }
        guard let row = plain.first else { return .follow(key) }
        return .answer(answer(from: row, key))
    }

    /// Reads the resource into which another was merged; its identifier may be another one by now.
    public func finding(survivor resource: JSONValue, expecting key: InstanceKey) throws(Unreadable) -> Finding {
        guard self.key(of: resource) == key else {
            throw Unreadable(description: "another resource than was asked for")
        }
        switch Self.replacement(of: resource) {
        case .by(let next): return .follow(next)
        case .unclear: return .answer(.ambiguous)
        case .none: break
        }
        guard resource["active"]?.bool != false else { return .answer(.unknown) }
        return .answer(answer(from: resource, key))
    }

    private func rows(of bundle: JSONValue) throws(Unreadable) -> [JSONValue] {
        guard bundle["resourceType"]?.string == "Bundle", bundle["type"]?.string == "searchset" else {
            throw Unreadable(description: "not a searchset")
        }
        // What stands on a further page may be a second one.
        guard !(bundle["link"]?.array ?? []).contains(where: { $0["relation"]?.string == "next" }) else {
            throw Unreadable(description: "more matches than fit on a page")
        }
        return (bundle["entry"]?.array ?? []).compactMap { $0["resource"] }.filter {
            $0["resourceType"]?.string == type.rawValue
        }
    }

    private func key(of row: JSONValue) -> InstanceKey? {
        guard row["resourceType"]?.string == type.rawValue else { return nil }
        return row["id"]?.string.flatMap { ResourceID($0) }.map { InstanceKey(type: type, id: $0) }
    }

    /// Whether a row bears the identifier, and it is not one of former times.
    private func bears(_ value: String, _ row: JSONValue, _ today: CalendarDate) -> Bool {
        (row["identifier"]?.array ?? []).contains { identifier in
            identifier["system"]?.string?.utf8.elementsEqual(system.utf8) == true
                && identifier["value"]?.string?.utf8.elementsEqual(value.utf8) == true
                && identifier["use"]?.string != "old" && Self.runs(identifier["period"], today)
        }
    }

    /// Whether a period holds; an end that is no day ends it.
    private static func runs(_ period: JSONValue?, _ today: CalendarDate) -> Bool {
        guard let period else { return true }
        if let end = period["end"]?.string {
            guard let day = CalendarDate(end.prefix(10)), today <= day else { return false }
        }
        if let start = period["start"]?.string {
            guard let day = CalendarDate(start.prefix(10)), day <= today else { return false }
        }
        return true
    }

    /// What became of a row.
    private enum Replacement {
        case none
        case by(InstanceKey)
        /// By something that is not one Patient of this server.
        case unclear
    }

    /// What replaced a Patient (`Patient.link`, type `replaced-by`).
    private static func replacement(of row: JSONValue) -> Replacement {
        let links = (row["link"]?.array ?? []).filter { $0["type"]?.string == "replaced-by" }
        guard !links.isEmpty else { return .none }
        guard links.count == 1, let text = links[0]["other"]?["reference"]?.string, let key = InstanceKey(text),
            key.type == .patient
        else { return .unclear }
        return .by(key)
    }

    private func answer(from row: JSONValue, _ key: InstanceKey) -> MemberDirectoryAnswer {
        switch type {
        case .relatedPerson:
            guard let text = row["patient"]?["reference"]?.string, let patient = InstanceKey(text),
                patient.type == .patient
            else { return .ambiguous }
            let period = row["period"]
            let ends = period?["end"]?.string.map { CalendarDate($0.prefix(10)) }
            let begins = period?["start"]?.string.map { CalendarDate($0.prefix(10)) }
            // A day that cannot be read is one that nobody knows.
            guard ends.map({ $0 != nil }) ?? true, begins.map({ $0 != nil }) ?? true else { return .ambiguous }
            return .known(
                MemberFacts(
                    person: key,
                    records: [
                        MemberRecord(
                            id: patient.id, label: "Patient \(patient.id.text)", relation: .representative,
                            from: begins ?? nil, until: ends ?? nil)
                    ]))
        case .patient:
            return .known(
                MemberFacts(person: key, records: [MemberRecord(id: key.id, label: Self.label(of: row, key))]))
        default: return .known(MemberFacts(person: key))
        }
    }

    /// The name, for the person to recognise; nobody is found by it.
    private static func label(of row: JSONValue, _ key: InstanceKey) -> String {
        let names = row["name"]?.array ?? []
        let name = names.first { $0["use"]?.string == "official" } ?? names.first
        let words = (name?["given"]?.array ?? []).compactMap(\.string) + [name?["family"]?.string].compactMap { $0 }
        let text = name?["text"]?.string ?? words.joined(separator: " ")
        return text.isEmpty ? "Patient \(key.id.text)" : String(text.prefix(120))
    }
}
