internal import FHIRCore

/// A JSON Patch (RFC 6902): operations applied one after the other, all or none.
struct JSONPatch: Hashable, Sendable {
    /// One operation on the place that `path` leads to.
    struct Step: Hashable, Sendable {
        enum Action: Hashable, Sendable {
            case add(JSONValue), remove, replace(JSONValue), move(from: JSONPointer), copy(from: JSONPointer)
            case test(JSONValue)
        }

        let action: Action
        let path: JSONPointer
    }

    /// The media type of a patch document.
    static let mediaType = "application/json-patch+json"

    let steps: [Step]

    /// Reads a patch document; 400 when it is not one.
    init(_ tree: JSONValue) throws(SandboxFailure) {
        guard let elements = tree.array else { throw .invalid("a JSON Patch is an array of operations") }
        var steps: [Step] = []
        for (place, element) in elements.enumerated() {
            guard let step = JSONPatch.step(element) else {
                throw .invalid("the operation at place \(place) of the patch is not one of RFC 6902")
            }
            steps.append(step)
        }
        self.steps = steps
    }

    private static func step(_ tree: JSONValue) -> Step? {
        guard let name = tree["op"]?.string, let path = tree["path"]?.string.flatMap({ JSONPointer($0) }) else {
            return nil
        }
        let from = tree["from"]?.string.flatMap { JSONPointer($0) }
        let action: Step.Action?
        switch name {
        case "add": action = tree["value"].map { .add($0) }
        case "remove": action = .remove
        case "replace": action = tree["value"].map { .replace($0) }
        case "move": action = from.flatMap { $0.isProperPrefix(of: path) ? nil : .move(from: $0) }
        case "copy": action = from.map { .copy(from: $0) }
        case "test": action = tree["value"].map { .test($0) }
        default: action = nil
        }
        return action.map { Step(action: $0, path: path) }
    }

    /// The document after all operations; 422 when one cannot be done, and then nothing is.
    func applied(to document: JSONValue) throws(SandboxFailure) -> JSONValue {
        var document = document
        for step in steps { document = try JSONPatch.apply(step, to: document) }
        return document
    }

    private static func apply(_ step: Step, to document: JSONValue) throws(SandboxFailure) -> JSONValue {
        switch step.action {
        case .add(let value): return try add(value, at: step.path, to: document)
        case .remove:
            _ = try existing(step.path, in: document)
            return try change(document, step.path.tokens[...], .remove)
        case .replace(let value):
            _ = try existing(step.path, in: document)
            return try change(document, step.path.tokens[...], .replace(value))
        case .move(let from):
            let value = try existing(from, in: document)
            let without = try change(document, from.tokens[...], .remove)
            return try add(value, at: step.path, to: without)
        case .copy(let from): return try add(try existing(from, in: document), at: step.path, to: document)
        case .test(let value):
            guard isEqual(try existing(step.path, in: document), value) else {
                throw unprocessable("the value at `\(step.path.text)` is not the one tested for")
            }
            return document
        }
    }

    private static func add(_ value: JSONValue, at path: JSONPointer, to document: JSONValue) throws(SandboxFailure)
        -> JSONValue
    {
        try change(document, path.tokens[...], .add(value))
    }

    private static func existing(_ path: JSONPointer, in document: JSONValue) throws(SandboxFailure) -> JSONValue {
        guard let value = path.value(in: document) else { throw unprocessable("there is nothing at `\(path.text)`") }
        return value
    }

    // MARK: Changing a tree

    private enum Change { case add(JSONValue), replace(JSONValue), remove }

    /// The tree with one place changed.
    private static func change(_ tree: JSONValue, _ path: ArraySlice<String>, _ change: Change) throws(SandboxFailure)
        -> JSONValue
    {
        guard let token = path.first else {
            switch change {
            case .add(let value), .replace(let value): return value
            case .remove: return .null
            }
        }
        switch tree {
        case .object(let members): return try changeMember(members, token, path.dropFirst(), change)
        case .array(let elements): return try changeElement(elements, token, path.dropFirst(), change)
        default: throw unprocessable("`\(token)` is looked for in a value that has no parts")
        }
    }

    private static func changeMember(
        _ members: [JSONMemberValue], _ name: String, _ rest: ArraySlice<String>, _ change: Change
    ) throws(SandboxFailure) -> JSONValue {
        var members = members
        let index = members.firstIndex { $0.name == name }
        if rest.isEmpty {
            switch (change, index) {
            case (.add(let value), let index?), (.replace(let value), let index?):
                members[index] = JSONMemberValue(name, value)
            case (.add(let value), nil): members.append(JSONMemberValue(name, value))
            case (.remove, let index?): members.remove(at: index)
            case (.replace, nil), (.remove, nil): throw unprocessable("there is no member `\(name)`")
            }
            return .object(members)
        }
        guard let index else { throw unprocessable("there is no member `\(name)`") }
        members[index] = JSONMemberValue(name, try self.change(members[index].value, rest, change))
        return .object(members)
    }

    private static func changeElement(
        _ elements: [JSONValue], _ token: String, _ rest: ArraySlice<String>, _ change: Change
    ) throws(SandboxFailure) -> JSONValue {
        var elements = elements
        if rest.isEmpty, case .add(let value) = change {
            // `-` is the place after the last element, and so is an index equal to the length (RFC 6902 §4.1).
            let place = token == "-" ? elements.count : JSONPointer.index(token, below: elements.count + 1)
            guard let place else { throw unprocessable("there is no place `\(token)` in the array") }
            elements.insert(value, at: place)
            return .array(elements)
        }
        guard let index = JSONPointer.index(token, below: elements.count) else {
            throw unprocessable("there is no element `\(token)`")
        }
        if rest.isEmpty {
            switch change {
            case .replace(let value), .add(let value): elements[index] = value
            case .remove: elements.remove(at: index)
            }
        } else {
            elements[index] = try self.change(elements[index], rest, change)
        }
        return .array(elements)
    }

    // MARK: Comparing

    /// Equality as RFC 6902 §4.6 has it: numbers by their value, objects without regard to order.
    static func isEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.array(let left), .array(let right)):
            return left.count == right.count && zip(left, right).allSatisfy { isEqual($0, $1) }
        case (.object(let left), .object(let right)):
            guard left.count == right.count else { return false }
            let others = Dictionary(right.map { ($0.name, $0.value) }) { first, _ in first }
            return left.allSatisfy { member in others[member.name].map { isEqual(member.value, $0) } ?? false }
        default:
            if let leftNumber = left.numberText, let rightNumber = right.numberText {
                return DecimalText(leftNumber) == DecimalText(rightNumber)
            }
            return left == right
        }
    }

    private static func unprocessable(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 422, issueCode: "processing", diagnostics: diagnostics)
    }
}

/// A decimal number reduced to its significant digits and exponent, so that equal values compare equal.
private struct DecimalText: Equatable {
    private let isNegative: Bool
    private let digits: String
    private let exponent: Int

    init(_ text: String) {
        let sides = text.lowercased().split(separator: "e", maxSplits: 1).map(String.init)
        var mantissa = (sides.first ?? "0")[...]
        let negative = mantissa.hasPrefix("-")
        if negative { mantissa = mantissa.dropFirst() }
        let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let fraction = parts.count > 1 ? parts[1] : ""
        var all = ((parts.first ?? "") + fraction)[...]
        var power = (sides.count > 1 ? Int(sides[1]) ?? 0 : 0) - fraction.count
        while all.count > 1, all.first == "0" { all = all.dropFirst() }
        while all.count > 1, all.last == "0" {
            all = all.dropLast()
            power += 1
        }
        digits = String(all)
        isNegative = negative && digits != "0"
        exponent = digits == "0" ? 0 : power
    }
}
