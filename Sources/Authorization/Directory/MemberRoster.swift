internal import FHIRCore

/// A whole feed of members, read and checked: who the logins of a provider are on the day it was made.
///
/// NDJSON: a first line `{"roster": "members", "date": "2026-11-25", "lines": 2}`, then one object a line with `login`
/// (the value of the claim) and what `MemberFacts` reads; or `{"merged": {…}}` without `login` for everybody. CSV: a first
/// line `#members,2026-11-25,2`, a line of column names, then one record a line. The number of lines is checked, so that
/// a file that was cut short is not taken for one from which members have gone.
public struct MemberRoster: Hashable, Sendable {
    /// The day for which the site made it.
    public let date: CalendarDate
    /// By the bytes of the login: two that Unicode holds for equivalent are two logins.
    private let members: [[UInt8]: MemberFacts]
    private let survivors: [InstanceKey: InstanceKey]

    /// How many logins it names.
    public var count: Int { members.count }

    /// The longest line, in bytes.
    static let longestLine = 64 << 10

    /// Reads a feed, in the format that its first byte tells. One mistake refuses all of it.
    public init(parsing bytes: [UInt8]) throws(MemberFactsProblem) {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw MemberFactsProblem("is not UTF-8") }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        guard let first = lines.first, !first.isEmpty else { throw MemberFactsProblem("is empty") }
        for (index, line) in lines.enumerated() where line.count > Self.longestLine {
            throw MemberFactsProblem(line: index + 1, "is too long")
        }
        let texts = lines.map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
        var builder = Builder()
        let isCSV = first.first == UInt8(ascii: "#")
        let (date, announced) = try isCSV ? Self.csvHead(texts[0]) : Self.jsonHead(texts[0])
        let body = isCSV ? texts.dropFirst(2) : texts.dropFirst(1)
        guard body.count == announced else {
            throw MemberFactsProblem(line: 1, "announces \(announced) lines, and there are \(body.count)")
        }
        if isCSV { try builder.addCSV(Array(texts.dropFirst())) } else { try builder.addNDJSON(Array(body)) }
        self.date = date
        members = builder.members
        survivors = builder.survivors
    }

    /// What the feed says of a login.
    public func answer(to identifier: String) -> MemberDirectoryAnswer {
        guard var facts = members[Array(identifier.utf8)] else { return .unknown }
        facts.survivors.merge(survivors) { own, _ in own }
        return .known(facts)
    }

    // MARK: - first lines

    private static func jsonHead(_ text: String) throws(MemberFactsProblem) -> (CalendarDate, Int) {
        guard let json = try? JSONValue(parsing: Array(text.utf8)), json["roster"]?.string == "members",
            let date = json["date"]?.string.flatMap({ CalendarDate($0) }), let lines = json["lines"]?.int, lines >= 0
        else { throw head("{\"roster\": \"members\", \"date\": …, \"lines\": …}") }
        return (date, Int(clamping: lines))
    }

    private static func csvHead(_ text: String) throws(MemberFactsProblem) -> (CalendarDate, Int) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "#members", let date = CalendarDate(parts[1]), let lines = Int(parts[2]),
            lines >= 0
        else { throw head("#members,date,lines") }
        return (date, lines)
    }

    private static func head(_ form: String) -> MemberFactsProblem {
        MemberFactsProblem(line: 1, "must be `\(form)`")
    }

    // MARK: - lines

    private struct Builder {
        var members: [[UInt8]: MemberFacts] = [:]
        var survivors: [InstanceKey: InstanceKey] = [:]

        mutating func addNDJSON(_ lines: [String]) throws(MemberFactsProblem) {
            for (index, text) in lines.enumerated() {
                do throws(MemberFactsProblem) { try add(text) } catch {
                    throw MemberFactsProblem(line: index + 2, error.reason)
                }
            }
        }

        private mutating func add(_ text: String) throws(MemberFactsProblem) {
            guard let json = try? JSONValue(parsing: Array(text.utf8)), let object = json.object else {
                throw MemberFactsProblem("is not a JSON object")
            }
            guard let login = json["login"] else {
                try MemberFacts.demand(object, only: ["merged"])
                for pair in json["merged"]?.object ?? [] {
                    try merge(
                        MemberFacts.reference(pair.name, "merged"),
                        into: MemberFacts.reference(pair.value.string, "merged"))
                }
                return
            }
            guard let name = login.string, MemberRoster.isLogin(name) else {
                throw MemberFactsProblem("`login` must be 1 to 255 visible characters")
            }
            guard members.updateValue(try MemberFacts(site: json), forKey: Array(name.utf8)) == nil else {
                throw MemberFactsProblem("`login` stands there twice")
            }
        }

        private mutating func merge(_ old: InstanceKey, into new: InstanceKey) throws(MemberFactsProblem) {
            guard survivors.updateValue(new, forKey: old) == nil else {
                throw MemberFactsProblem("`\(old)` is merged twice")
            }
        }

        static let columns = [
            "login", "person", "patient", "relation", "label", "from", "until", "coverage-end", "birth-date",
            "preferred", "merged-into",
        ]

        /// The line of column names, then the rows.
        mutating func addCSV(_ lines: [String]) throws(MemberFactsProblem) {
            guard let first = lines.first else { throw MemberFactsProblem(line: 2, "has no column names") }
            let names = try CSVLine.fields(first, line: 2)
            guard names.contains("patient") || names.contains("person"), Set(names).count == names.count,
                names.allSatisfy({ Self.columns.contains($0) })
            else {
                throw MemberFactsProblem(line: 2, "must name columns out of \(Self.columns.joined(separator: ", "))")
            }
            for (index, text) in lines.dropFirst().enumerated() {
                let line = index + 3
                let fields = try CSVLine.fields(text, line: line)
                guard fields.count == names.count else {
                    throw MemberFactsProblem(line: line, "has \(fields.count) fields, not \(names.count)")
                }
                do throws(MemberFactsProblem) {
                    try add(row: Dictionary(uniqueKeysWithValues: zip(names, fields)))
                } catch { throw MemberFactsProblem(line: line, error.reason) }
            }
        }

        private mutating func add(row: [String: String]) throws(MemberFactsProblem) {
            let login = row["login"] ?? ""
            let patient = row["patient"] ?? ""
            if let survivor = row["merged-into"], !survivor.isEmpty {
                guard login.isEmpty else { throw MemberFactsProblem("a row with `merged-into` has no `login`") }
                return try merge(
                    MemberFacts.reference("Patient/\(patient)", "patient"),
                    into: MemberFacts.reference("Patient/\(survivor)", "merged-into"))
            }
            guard MemberRoster.isLogin(login) else {
                throw MemberFactsProblem("`login` must be 1 to 255 visible characters")
            }
            var facts = members[Array(login.utf8)] ?? MemberFacts()
            facts.personOpensOwnRecord = true
            if let text = row["person"], !text.isEmpty {
                let person = try MemberFacts.reference(text, "person")
                guard facts.person == nil || facts.person == person else {
                    throw MemberFactsProblem("`person` is another one than in an earlier row of this login")
                }
                facts.person = person
            }
            if !patient.isEmpty {
                let preferred = row["preferred"] ?? ""
                guard ["", "true", "false"].contains(preferred) else {
                    throw MemberFactsProblem("`preferred` must be true or false")
                }
                facts.records.append(try MemberRecord(texts: row, isPreferred: preferred == "true"))
            } else if facts.person?.type == .patient {
                throw MemberFactsProblem("a `person` that is a Patient has its record in `patient`")
            }
            guard facts.person != nil || !facts.records.isEmpty, facts.records.count <= 200 else {
                throw MemberFactsProblem("names neither `person` nor `patient`, or too many")
            }
            members[Array(login.utf8)] = facts
        }
    }

    fileprivate static func isLogin(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}

/// One line of CSV (RFC 4180 without line breaks in fields).
enum CSVLine {
    static func fields(_ text: String, line: Int) throws(MemberFactsProblem) -> [String] {
        var fields: [String] = []
        var rest = Array(text.unicodeScalars)[...]
        while true {
            var field = String.UnicodeScalarView()
            if rest.first == "\"" {
                rest.removeFirst()
                while true {
                    guard let scalar = rest.popFirst() else {
                        throw MemberFactsProblem(line: line, "has a quote that is not closed")
                    }
                    guard scalar == "\"" else {
                        field.append(scalar)
                        continue
                    }
                    guard rest.first == "\"" else { break }
                    rest.removeFirst()
                    field.append("\"")
                }
            } else {
                while let scalar = rest.first, scalar != "," {
                    guard scalar != "\"" else { throw MemberFactsProblem(line: line, "has a quote inside a field") }
                    field.append(scalar)
                    rest.removeFirst()
                }
            }
            fields.append(String(field))
            guard let separator = rest.popFirst() else { return fields }
            guard separator == "," else { throw MemberFactsProblem(line: line, "has text after a closing quote") }
        }
    }
}
