internal import FHIRCore
internal import GRDB

/// The conditions that one value of a parameter sets on a row `x` of its index table.
struct ValueConditions {
    /// Where the row keeps the bounds of a range.
    var low = "x.low"
    var high = "x.high"
    let now: Int64

    init(low: String = "x.low", high: String = "x.high", now: Int64) {
        self.low = low
        self.high = high
        self.now = now
    }

    /// The greatest text in the order that SQLite compares by, for ranges of texts with one beginning.
    private static let lastCharacter = "\u{10FFFF}"

    // MARK: Token (FHIR R4 search §3.1.1.4.10)

    func token(_ value: String) throws(SandboxFailure) -> SQLFragment {
        let parts = EscapedText.split(value, at: "|").map(EscapedText.unescape)
        switch parts.count {
        case 1: return SQLFragment("x.code = ?", [parts[0]])
        case 2 where parts[0].isEmpty && parts[1].isEmpty: throw .invalid("the token `\(value)` is empty")
        case 2 where parts[0].isEmpty: return SQLFragment("(x.code = ? AND x.system IS NULL)", [parts[1]])
        case 2 where parts[1].isEmpty: return SQLFragment("x.system = ?", [parts[0]])
        case 2: return SQLFragment("(x.code = ? AND x.system = ?)", [parts[1], parts[0]])
        default: throw .invalid("the token `\(value)` has more than one `|`")
        }
    }

    func tokenText(_ value: String) -> SQLFragment {
        beginning("x.text", IndexEntry.folded(EscapedText.unescape(value)))
    }

    // MARK: String (§3.1.1.4.8)

    func stringStart(_ value: String) -> SQLFragment {
        beginning("x.value", IndexEntry.folded(EscapedText.unescape(value)))
    }

    func stringExact(_ value: String) -> SQLFragment {
        SQLFragment("x.exact = ?", [EscapedText.unescape(value)])
    }

    func stringContains(_ value: String) -> SQLFragment {
        SQLFragment("instr(x.value, ?) > 0", [IndexEntry.folded(EscapedText.unescape(value))])
    }

    private func beginning(_ column: String, _ text: String) -> SQLFragment {
        SQLFragment("(\(column) >= ? AND \(column) < ?)", [text, text + ValueConditions.lastCharacter])
    }

    // MARK: URI (§3.1.1.4.9)

    func uri(_ value: String) -> SQLFragment { SQLFragment("x.value = ?", [EscapedText.unescape(value)]) }

    func uriBelow(_ value: String) -> SQLFragment { beginning("x.value", EscapedText.unescape(value)) }

    func uriAbove(_ value: String) -> SQLFragment {
        SQLFragment("substr(?, 1, length(x.value)) = x.value", [EscapedText.unescape(value)])
    }

    // MARK: Reference (§3.1.1.4.12)

    func reference(_ value: String, type: ResourceType?, ownBase: String) throws(SandboxFailure) -> SQLFragment {
        let text = EscapedText.unescape(value)
        if let target = ReferenceTarget(text), let targetType = target.type, let id = target.id {
            if let type, type.rawValue != targetType {
                throw .invalid("the reference `\(text)` is not to a \(type.rawValue)")
            }
            let own = target.base.isEmpty || target.base == ownBase
            let place: StatementArguments = [id, targetType, own ? "" : target.base, own ? ownBase : target.base]
            return SQLFragment("(x.target_id = ? AND x.target_type = ? AND x.base IN (?, ?))", place)
        }
        if let type {
            guard ResourceID(text) != nil else { throw .invalid("`\(text)` is not an id") }
            return SQLFragment(
                "(x.target_id = ? AND x.target_type = ? AND x.base IN ('', ?))", [text, type.rawValue, ownBase])
        }
        // A canonical may carry a version that the value does not name.
        let url = SQLFragment("(x.url = ? OR (x.url >= ? AND x.url < ?))", [text, text + "|", text + "}"])
        guard ResourceID(text) != nil else { return url }
        return .any([url, SQLFragment("(x.target_id = ? AND x.base IN ('', ?))", [text, ownBase])])
    }

    // MARK: Ranges

    /// A date (§3.1.1.4.7): the row is the half-open range from `low` to `high`.
    func date(_ value: String) throws(SandboxFailure) -> SQLFragment {
        let (prefix, text) = SearchPrefix.read(EscapedText.unescape(value))
        guard let range = FHIRTime.range(text) else { throw .invalid("`\(text)` is not a date") }
        let (start, end) = (range.lowerBound, range.upperBound)
        let within = SQLFragment("(\(low) >= ? AND \(high) <= ?)", [start, end])
        switch prefix {
        case .eq: return within
        case .ne: return SQLFragment("NOT ") + within
        case .gt: return SQLFragment("\(high) > ?", [end])
        case .lt: return SQLFragment("\(low) < ?", [start])
        case .ge: return .any([SQLFragment("\(high) > ?", [end]), within])
        case .le: return .any([SQLFragment("\(low) < ?", [start]), within])
        case .sa: return SQLFragment("\(low) >= ?", [end])
        case .eb: return SQLFragment("\(high) <= ?", [start])
        case .ap:
            let slack = abs(now - start) / 10
            return SQLFragment("(\(low) < ? AND \(high) > ?)", [end + slack, start - slack])
        }
    }

    /// A number (§3.1.1.4.6).
    func number(_ value: String) throws(SandboxFailure) -> SQLFragment {
        let (prefix, text) = SearchPrefix.read(EscapedText.unescape(value))
        guard let number = SearchNumber(text) else { throw .invalid("`\(text)` is not a number") }
        return compare(prefix, number)
    }

    private func compare(_ prefix: SearchPrefix, _ number: SearchNumber) -> SQLFragment {
        let value = number.value
        let close = SQLFragment(
            "(\(low) >= ? AND \(high) < ?)", [value - number.tolerance, value + number.tolerance])
        switch prefix {
        case .eq: return close
        case .ne: return SQLFragment("NOT ") + close
        case .gt: return SQLFragment("\(high) > ?", [value])
        case .lt: return SQLFragment("\(low) < ?", [value])
        case .ge: return SQLFragment("\(high) >= ?", [value])
        case .le: return SQLFragment("\(low) <= ?", [value])
        case .sa: return SQLFragment("\(low) > ?", [value])
        case .eb: return SQLFragment("\(high) < ?", [value])
        case .ap:
            let slack = abs(value) / 10
            return SQLFragment("(\(low) <= ? AND \(high) >= ?)", [value + slack, value - slack])
        }
    }

    /// A quantity (§3.1.1.4.13): `number`, `number|system|code` or `number||unit`. Units are not converted.
    func quantity(_ value: String) throws(SandboxFailure) -> SQLFragment {
        let parts = EscapedText.split(value, at: "|").map(EscapedText.unescape)
        let (prefix, text) = SearchPrefix.read(parts[0])
        guard let number = SearchNumber(text), parts.count == 1 || parts.count == 3 else {
            throw .invalid("`\(value)` is not a quantity")
        }
        var conditions = [compare(prefix, number)]
        if parts.count == 3, !parts[2].isEmpty {
            if parts[1].isEmpty {
                conditions.append(SQLFragment("(x.code = ? OR x.unit = ?)", [parts[2], parts[2]]))
            } else {
                conditions.append(SQLFragment("(x.code = ? AND x.system = ?)", [parts[2], parts[1]]))
            }
        } else if parts.count == 3, !parts[1].isEmpty {
            conditions.append(SQLFragment("x.system = ?", [parts[1]]))
        }
        return .all(conditions)
    }
}
