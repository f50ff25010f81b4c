/// Reads the FHIRPath of a search parameter into an ``ElementExpression``.
enum ElementExpressionParser {
    static func parse(_ text: String) -> (alternatives: [ElementExpression.Alternative], isPresence: Bool)? {
        if let path = presencePath(text) {
            return alternative(path).map { ([$0], true) }
        }
        var result: [ElementExpression.Alternative] = []
        for part in union(text) {
            guard let alternative = alternative(part) else { return nil }
            result.append(alternative)
        }
        return (result, false)
    }

    /// The path of `path.exists() and path != false`.
    private static func presencePath(_ text: String) -> Substring? {
        let suffix = " != false"
        guard text.hasSuffix(suffix) else { return nil }
        let path = text.dropLast(suffix.count).split(separator: " ").last ?? ""
        return text == "\(path).exists() and \(path)\(suffix)" ? path : nil
    }

    /// Splits at the `|` outside brackets and quotes.
    private static func union(_ text: String) -> [Substring] {
        var parts: [Substring] = []
        var depth = 0
        var isQuoted = false
        var start = text.startIndex
        for index in text.indices {
            switch text[index] {
            case "'": isQuoted.toggle()
            case "(" where !isQuoted: depth += 1
            case ")" where !isQuoted: depth -= 1
            case "|" where !isQuoted && depth == 0:
                parts.append(trimmed(text[start..<index]))
                start = text.index(after: index)
            default: break
            }
        }
        parts.append(trimmed(text[start...]))
        return parts
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }

    private static func alternative(_ text: Substring) -> ElementExpression.Alternative? {
        if text.first == "(", text.last == ")" {
            // `(path as Type)`
            let words = text.dropFirst().dropLast().split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 3, words[1] == "as" else { return nil }
            return path(words[0], castTo: words[2])
        }
        return path(text, castTo: nil)
    }

    private static func path(_ text: Substring, castTo type: Substring?) -> ElementExpression.Alternative? {
        guard let parts = segments(text), var first = parts.first else { return nil }
        var remaining = parts[...]
        var root: ResourceType?
        if first.first?.isUppercase == true {
            root = ResourceType(rawValue: String(first))
            guard root != nil || first == "Resource" || first == "DomainResource" else { return nil }
            remaining = remaining.dropFirst()
        } else {
            first = ""
        }
        var steps: [ElementExpression.Step] = []
        var elementPath = String(first)
        for segment in remaining {
            guard let added = step(segment, &elementPath, &steps) else { return nil }
            steps.append(contentsOf: added)
        }
        if let type {
            guard cast(&steps, to: type) else { return nil }
        }
        return ElementExpression.Alternative(root: root, steps: steps)
    }

    /// Splits a path at its dots outside brackets and quotes.
    private static func segments(_ text: Substring) -> [Substring]? {
        var parts: [Substring] = []
        var depth = 0
        var isQuoted = false
        var start = text.startIndex
        for index in text.indices {
            switch text[index] {
            case "'": isQuoted.toggle()
            case "(" where !isQuoted: depth += 1
            case ")" where !isQuoted: depth -= 1
            case "." where !isQuoted && depth == 0:
                parts.append(text[start..<index])
                start = text.index(after: index)
            default: break
            }
        }
        parts.append(text[start...])
        return depth == 0 && !isQuoted && parts.allSatisfy { !$0.isEmpty } ? parts : nil
    }

    /// One segment: an element, an element with an index, a filter or a cast (which changes the step before it).
    private static func step(
        _ segment: Substring, _ elementPath: inout String, _ steps: inout [ElementExpression.Step]
    ) -> [ElementExpression.Step]? {
        if let argument = argument(of: segment, function: "where") { return filter(argument).map { [$0] } }
        if let type = argument(of: segment, function: "as") { return cast(&steps, to: type) ? [] : nil }
        var name = segment
        var index: Int?
        if let bracket = segment.firstIndex(of: "[") {
            guard segment.last == "]", let place = Int(segment[segment.index(after: bracket)...].dropLast()), place >= 0
            else { return nil }
            index = place
            name = segment[..<bracket]
        }
        guard isName(name) else { return nil }
        elementPath += elementPath.isEmpty ? String(name) : ".\(name)"
        var result: [ElementExpression.Step] = []
        if let types = ChoiceElements.types[elementPath] {
            result.append(.anyMember(types.map { "\(name)\($0)" }))
        } else {
            result.append(.member(String(name)))
        }
        if let index { result.append(.index(index)) }
        return result
    }

    private static func argument(of segment: Substring, function: String) -> Substring? {
        guard segment.hasPrefix(function + "("), segment.last == ")" else { return nil }
        return segment.dropFirst(function.count + 1).dropLast()
    }

    /// `resolve() is Type` or `element='text'`.
    private static func filter(_ text: Substring) -> ElementExpression.Step? {
        let resolving = "resolve() is "
        if text.hasPrefix(resolving) {
            return ResourceType(rawValue: String(text.dropFirst(resolving.count))).map { .referenceTo($0) }
        }
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, isName(parts[0]), parts[1].count >= 2, parts[1].first == "'", parts[1].last == "'"
        else { return nil }
        let quoted = parts[1].dropFirst().dropLast()
        guard !quoted.contains("'"), !quoted.contains("\\") else { return nil }
        return .whereEqual(String(parts[0]), String(quoted))
    }

    /// `value as Quantity` is the member `valueQuantity`.
    private static func cast(_ steps: inout [ElementExpression.Step], to type: Substring) -> Bool {
        guard isName(type), let initial = type.first, case .member(let name)? = steps.last else { return false }
        steps[steps.count - 1] = .member("\(name)\(initial.uppercased())\(type.dropFirst())")
        return true
    }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first else { return false }
        return isLetter(first) && text.utf8.allSatisfy { isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= $0 }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20
    }
}

/// The generated table of choice elements that expressions name without a cast.
enum ChoiceElements {
    static let types: [String: [String]] = {
        var result: [String: [String]] = [:]
        for row in R4.choiceElementTable.description.split(separator: "\n") {
            let fields = row.split(separator: ";")
            guard fields.count == 2 else { continue }
            result[String(fields[0])] = fields[1].split(separator: ",").map(String.init)
        }
        return result
    }()
}
