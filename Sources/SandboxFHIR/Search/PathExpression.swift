internal import FHIRCore

/// A search expression as published for R4, read and evaluated by the sandbox itself.
///
/// It is written apart from FHIRCore's evaluator on purpose: tests compare what the enforcer admits with what this
/// server indexes, which proves something only when the two do not share their reading of the definitions.
struct PathExpression: Sendable {
    /// An element that an expression selects; `type` is the data type when the member's name told it (`valueQuantity`).
    struct Element {
        let value: JSONValue
        let type: String?
    }

    /// An expression outside the forms that the R4 definitions use.
    struct Unsupported: Error, Hashable {
        let text: String
    }

    private enum Step {
        case child(String)
        case index(Int)
        case cast(String)
        case whereMember(String, equals: String)
        case whereResolves(to: String)
        /// `X.exists() and X != literal`
        case existsAndIsNot(String)
    }

    private let alternatives: [[Step]]

    /// Reads the alternatives of an expression that speak of `type`; those of other types are passed over.
    init(_ text: String, for type: ResourceType) throws(Unsupported) {
        var found: [[Step]] = []
        for alternative in PathExpression.split(text, at: "|") {
            if let steps = try PathExpression.steps(alternative.trimmed, for: type) { found.append(steps) }
        }
        guard !found.isEmpty else { throw Unsupported(text: text) }
        alternatives = found
    }

    /// The elements of a resource that the expression selects.
    func evaluate(_ resource: JSONValue) -> [Element] {
        alternatives.flatMap { steps in
            var elements = [Element(value: resource, type: nil)]
            for step in steps {
                elements = PathExpression.apply(step, to: elements, in: resource)
            }
            return elements
        }
    }
}

// MARK: - Reading

extension PathExpression {
    private static func steps(_ text: String, for type: ResourceType) throws(Unsupported) -> [Step]? {
        if let conjunction = text.firstRange(of: " and ") {
            return try existence(
                String(text[..<conjunction.lowerBound]), String(text[conjunction.upperBound...]), for: type)
        }
        if text.hasPrefix("(") {
            guard let end = closingParenthesis(text) else { throw Unsupported(text: text) }
            let inner = String(text[text.index(after: text.startIndex)..<end])
            guard let word = inner.firstRange(of: " as ") else { throw Unsupported(text: text) }
            guard let base = try path(String(inner[..<word.lowerBound]), for: type) else { return nil }
            let rest = text[text.index(after: end)...]
            var steps = base + [.cast(String(inner[word.upperBound...]).trimmed)]
            if !rest.isEmpty {
                guard rest.hasPrefix(".") else { throw Unsupported(text: text) }
                for segment in split(String(rest.dropFirst()), at: ".") { steps += try segmentSteps(segment) }
            }
            return steps
        }
        return try path(text, for: type)
    }

    /// `X.exists() and X != literal`, the form of Patient's `deceased`.
    private static func existence(_ left: String, _ right: String, for type: ResourceType) throws(Unsupported)
        -> [Step]?
    {
        let sides = split(right, at: "!")
        guard left.hasSuffix(".exists()"), sides.count == 2, sides[1].hasPrefix("=") else {
            throw Unsupported(text: "\(left) and \(right)")
        }
        let base = String(left.dropLast(".exists()".count))
        guard sides[0].trimmed == base else { throw Unsupported(text: "\(left) and \(right)") }
        guard let steps = try path(base, for: type) else { return nil }
        return steps + [.existsAndIsNot(String(sides[1].dropFirst()).trimmed)]
    }

    private static func path(_ text: String, for type: ResourceType) throws(Unsupported) -> [Step]? {
        var segments = split(text.trimmed, at: ".")[...]
        guard let first = segments.first, let initial = first.first else { throw Unsupported(text: text) }
        if initial.isUppercase {
            guard first == type.rawValue || first == "Resource" || first == "DomainResource" else { return nil }
            segments = segments.dropFirst()
        }
        var steps: [Step] = []
        for segment in segments { steps += try segmentSteps(segment) }
        return steps
    }

    private static func segmentSteps(_ segment: String) throws(Unsupported) -> [Step] {
        if segment.hasPrefix("where("), segment.hasSuffix(")") {
            return [try condition(String(segment.dropFirst("where(".count).dropLast()))]
        }
        if segment.hasPrefix("as("), segment.hasSuffix(")") {
            return [.cast(String(segment.dropFirst("as(".count).dropLast()).trimmed)]
        }
        if segment.hasSuffix("]"), let open = segment.firstIndex(of: "[") {
            guard let number = Int(segment[segment.index(after: open)...].dropLast()) else {
                throw Unsupported(text: segment)
            }
            return [.child(String(segment[..<open])), .index(number)]
        }
        guard !segment.isEmpty, segment.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
            throw Unsupported(text: segment)
        }
        return [.child(segment)]
    }

    private static func condition(_ text: String) throws(Unsupported) -> Step {
        if text.hasPrefix("resolve() is ") {
            return .whereResolves(to: String(text.dropFirst("resolve() is ".count)).trimmed)
        }
        let sides = split(text, at: "=")
        guard sides.count == 2 else { throw Unsupported(text: text) }
        let literal = sides[1].trimmed
        guard literal.count >= 2, literal.hasPrefix("'"), literal.hasSuffix("'") else { throw Unsupported(text: text) }
        return .whereMember(sides[0].trimmed, equals: String(literal.dropFirst().dropLast()))
    }

    /// The parts of a text between separators that stand outside parentheses and quotes.
    private static func split(_ text: String, at separator: Character) -> [String] {
        var parts = [""]
        var depth = 0
        var quoted = false
        for character in text {
            if character == "'" { quoted.toggle() }
            if !quoted, character == "(" { depth += 1 }
            if !quoted, character == ")" { depth -= 1 }
            if character == separator, depth == 0, !quoted {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts
    }

    private static func closingParenthesis(_ text: String) -> String.Index? {
        var depth = 0
        for index in text.indices {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }
}

// MARK: - Evaluating

extension PathExpression {
    private static func apply(_ step: Step, to elements: [Element], in resource: JSONValue) -> [Element] {
        switch step {
        case .child(let name):
            return elements.flatMap { children(of: $0.value, named: name) }
        case .index(let number):
            return number < elements.count ? [elements[number]] : []
        case .cast(let type):
            return elements.filter { matches($0.type, type) }
        case .whereMember(let name, let literal):
            return elements.filter { element in
                children(of: element.value, named: name).contains { $0.value.string == literal }
            }
        case .whereResolves(let type):
            return elements.filter { ReferenceTarget.type(of: $0.value, in: resource) == type }
        case .existsAndIsNot(let literal):
            let holds =
                !elements.isEmpty
                && !elements.contains { element in
                    element.value.bool.map { String($0) } == literal
                }
            return [Element(value: .bool(holds), type: "Boolean")]
        }
    }

    /// The children of an element by name, with the choice elements (`value[x]`) that are written with their type.
    private static func children(of value: JSONValue, named name: String) -> [Element] {
        guard case .object(let members) = value else { return [] }
        if let exact = value[name] { return exact.flattened.map { Element(value: $0, type: nil) } }
        for member in members where member.name.count > name.count && member.name.hasPrefix(name) {
            let suffix = String(member.name.dropFirst(name.count))
            if dataTypes.contains(suffix) { return member.value.flattened.map { Element(value: $0, type: suffix) } }
        }
        return []
    }

    private static func matches(_ actual: String?, _ wanted: String) -> Bool {
        guard let actual else { return true }
        if actual.lowercased() == wanted.lowercased() { return true }
        // The specialisations of Quantity are Quantities (FHIR R4 datatypes §2.24.0.6).
        return wanted == "Quantity" && ["Age", "Count", "Distance", "Duration"].contains(actual)
    }

    /// The suffixes that a choice element can have.
    private static let dataTypes: Set<String> = [
        "Base64Binary", "Boolean", "Canonical", "Code", "Date", "DateTime", "Decimal", "Id", "Instant", "Integer",
        "Markdown", "Oid", "PositiveInt", "String", "Time", "UnsignedInt", "Uri", "Url", "Uuid", "Address", "Age",
        "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactPoint", "Count", "Distance", "Duration",
        "HumanName", "Identifier", "Money", "Period", "Quantity", "Range", "Ratio", "Reference", "SampledData",
        "Signature", "Timing", "ContactDetail", "Contributor", "DataRequirement", "Expression", "ParameterDefinition",
        "RelatedArtifact", "TriggerDefinition", "UsageContext", "Dosage", "Meta",
    ]
}

extension String {
    /// The text without spaces at its ends.
    var trimmed: String {
        var slice = self[...]
        while slice.first?.isWhitespace == true { slice.removeFirst() }
        while slice.last?.isWhitespace == true { slice.removeLast() }
        return String(slice)
    }

    /// The first occurrence of a text, if there is one.
    func firstRange(of needle: String) -> Range<String.Index>? {
        guard !needle.isEmpty else { return nil }
        var start = startIndex
        while let candidate = self[start...].firstIndex(of: needle[needle.startIndex]) {
            if self[candidate...].hasPrefix(needle) {
                return candidate..<index(candidate, offsetBy: needle.count)
            }
            start = index(after: candidate)
        }
        return nil
    }
}
