internal import FHIRCore

/// A second reading of RFC 6902, written for the tests without a look at the first: places are looked up one token at a
/// time by name, every operation gives a document anew, numbers are compared as where their digits stand.
struct SlowPatchReader {
    /// What a patch comes to.
    enum Outcome: Equatable {
        /// It is none.
        case noPatch
        /// It cannot be applied, or one of its tests does not hold.
        case fails
        case document(JSONValue)
    }

    private struct Failure: Error {}

    private struct Step {
        let word: String
        let path: [String]
        let from: [String]
        let value: JSONValue
    }

    private let steps: [Step]

    /// Whether what comes of it tells what stands in the document.
    var tells: Bool {
        steps.contains { step in
            let isBlind = step.word == "add" ? step.path.count < 2 : step.word == "replace" && step.path.isEmpty
            return !isBlind
        }
    }

    /// Nil where the text is no patch.
    init?(_ patch: JSONValue) {
        guard case .array(let list) = patch, list.count <= 500 else { return nil }
        var steps: [Step] = []
        for item in list {
            guard case .string(let word)? = Self.member("op", of: item),
                case .string(let text)? = Self.member("path", of: item),
                let path = Self.tokens(text)
            else { return nil }
            var (from, value): ([String], JSONValue) = ([], .null)
            switch word {
            case "add", "replace", "test":
                guard let given = Self.member("value", of: item) else { return nil }
                value = given
            case "move", "copy":
                guard case .string(let text)? = Self.member("from", of: item), let place = Self.tokens(text) else {
                    return nil
                }
                let isAbove = place.count < path.count && Self.areSame(place, Array(path.prefix(place.count)))
                if word == "move", isAbove { return nil }
                from = place
            case "remove": break
            default: return nil
            }
            steps.append(Step(word: word, path: path, from: from, value: value))
        }
        self.steps = steps
    }

    /// What it makes of a document.
    func outcome(on document: JSONValue) -> Outcome {
        var document = document
        do {
            for step in steps { document = try Self.done(step, to: document) }
            return .document(document)
        } catch {
            return .fails
        }
    }

    // MARK: - operations

    private static func done(_ step: Step, to document: JSONValue) throws -> JSONValue {
        switch step.word {
        case "add": return try put(step.value, at: step.path, into: document)
        case "remove": return try take(step.path, outOf: document)
        case "replace":
            _ = try look(step.path, in: document)
            return try exchange(step.value, at: step.path, in: document)
        case "copy": return try put(try look(step.from, in: document), at: step.path, into: document)
        case "move":
            let value = try look(step.from, in: document)
            if areSame(step.from, step.path) { return document }
            return try put(value, at: step.path, into: try take(step.from, outOf: document))
        default:
            guard areEqual(try look(step.path, in: document), step.value) else { throw Failure() }
            return document
        }
    }

    private static func look(_ path: [String], in value: JSONValue) throws -> JSONValue {
        guard let token = path.first else { return value }
        return try look(Array(path.dropFirst()), in: try part(token, of: value))
    }

    private static func part(_ token: String, of value: JSONValue) throws -> JSONValue {
        switch value {
        case .object:
            guard let found = member(token, of: value) else { throw Failure() }
            return found
        case .array(let list):
            guard let place = number(token), place < list.count else { throw Failure() }
            return list[place]
        default: throw Failure()
        }
    }

    /// The document with another value where something stands.
    private static func exchange(_ new: JSONValue, at path: [String], in value: JSONValue) throws -> JSONValue {
        guard let token = path.first else { return new }
        let inner = try exchange(new, at: Array(path.dropFirst()), in: try part(token, of: value))
        switch value {
        case .object(let members):
            return .object(members.map { areSame([$0.name], [token]) ? JSONMemberValue($0.name, inner) : $0 })
        case .array(let list):
            return .array(list.enumerated().map { "\($0.offset)" == token ? inner : $0.element })
        default: throw Failure()
        }
    }

    private static func put(_ new: JSONValue, at path: [String], into document: JSONValue) throws -> JSONValue {
        guard let last = path.last else { return new }
        let above = Array(path.dropLast())
        switch try look(above, in: document) {
        case .object(let members):
            if members.contains(where: { areSame([$0.name], [last]) }) {
                return try exchange(new, at: path, in: document)
            }
            return try exchange(.object(members + [JSONMemberValue(last, new)]), at: above, in: document)
        case .array(let list):
            guard let place = last == "-" ? list.count : number(last), place <= list.count else { throw Failure() }
            return try exchange(.array(list[..<place] + [new] + list[place...]), at: above, in: document)
        default: throw Failure()
        }
    }

    private static func take(_ path: [String], outOf document: JSONValue) throws -> JSONValue {
        guard let last = path.last else { throw Failure() }
        _ = try look(path, in: document)
        let above = Array(path.dropLast())
        switch try look(above, in: document) {
        case .object(let members):
            return try exchange(.object(members.filter { !areSame([$0.name], [last]) }), at: above, in: document)
        case .array(let list):
            return try exchange(
                .array(list.enumerated().filter { "\($0.offset)" != last }.map(\.element)), at: above, in: document)
        default: throw Failure()
        }
    }

    // MARK: - places

    private static func member(_ name: String, of value: JSONValue) -> JSONValue? {
        guard case .object(let members) = value else { return nil }
        return members.first { areSame([$0.name], [name]) }?.value
    }

    private static func areSame(_ left: [String], _ right: [String]) -> Bool {
        left.map { Array($0.unicodeScalars) } == right.map { Array($0.unicodeScalars) }
    }

    /// RFC 6901: what stands between slashes, with `~1` and `~0` for a slash and a tilde.
    private static func tokens(_ text: String) -> [String]? {
        let scalars = Array(text.unicodeScalars)
        guard let first = scalars.first else { return [] }
        guard first == "/" else { return nil }
        var tokens: [String.UnicodeScalarView] = []
        var place = 0
        while place < scalars.count {
            switch scalars[place] {
            case "/": tokens.append(String.UnicodeScalarView())
            case "~":
                place += 1
                guard place < scalars.count, scalars[place] == "0" || scalars[place] == "1" else { return nil }
                tokens[tokens.count - 1].append(scalars[place] == "0" ? "~" : "/")
            case let other: tokens[tokens.count - 1].append(other)
            }
            place += 1
        }
        return tokens.map { String($0) }
    }

    private static func number(_ token: String) -> Int? {
        guard let number = Int(token), "\(number)" == token, number >= 0 else { return nil }
        return number
    }

    // MARK: - equality

    private static func areEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): return true
        case (.bool(let first), .bool(let second)): return first == second
        case (.string(let first), .string(let second)): return areSame([first], [second])
        case (.array(let first), .array(let second)):
            guard first.count == second.count else { return false }
            return first.indices.allSatisfy { areEqual(first[$0], second[$0]) }
        case (.object(let first), .object(let second)):
            guard first.count == second.count else { return false }
            return first.allSatisfy { one in member(one.name, of: right).map { areEqual(one.value, $0) } ?? false }
        default:
            guard let first = figures(left), let second = figures(right) else { return false }
            return first == second
        }
    }

    /// A number's sign and figures without zeros around them, and where the point stands before the first of them.
    private struct Figures: Equatable {
        var text = ""
        var point = 0
        var isNegative = false
    }

    private static func figures(_ value: JSONValue) -> Figures? {
        let text: String
        switch value {
        case .int(let number): text = "\(number)"
        case .number(let written): text = written.text
        default: return nil
        }
        let halves = text.lowercased().split(separator: "e")
        var exponent = 0
        if halves.count == 2 {
            let power = halves[1].hasPrefix("+") ? halves[1].dropFirst() : halves[1]
            // An exponent of more than twelve places is compared as it is written: the rule of the code under test.
            guard power.count <= 12, let number = Int(power) else { return Figures(text: text) }
            exponent = number
        }
        let isNegative = halves[0].hasPrefix("-")
        let parts = halves[0].drop { $0 == "-" }.split(separator: ".")
        var figures = parts.joined()
        var point = parts[0].count + exponent
        while figures.hasPrefix("0") {
            figures.removeFirst()
            point -= 1
        }
        while figures.hasSuffix("0") { figures.removeLast() }
        return figures.isEmpty ? Figures() : Figures(text: figures, point: point, isNegative: isNegative)
    }
}
