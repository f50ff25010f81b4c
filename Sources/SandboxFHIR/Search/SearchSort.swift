internal import FHIRCore
internal import GRDB

/// The order of a search and the place in it where a page begins.
struct SearchSort {
    /// One expression that rows are ordered by.
    private struct Key {
        let expression: SQLFragment
        let descending: Bool
    }

    private var keys: [Key] = []
    /// The part of `_sort` that is in force, for the `self` link.
    private(set) var applied: [String] = []
    /// Codes that cannot be sorted by.
    private(set) var ignored: [String] = []

    /// Reads `_sort`; the last key is the row itself, so that the order is the same on every page.
    init(_ text: String?, types: [ResourceType], registry: ParameterRegistry) {
        for part in (text ?? "").split(separator: ",") {
            let descending = part.hasPrefix("-")
            let code = String(descending ? part.dropFirst() : part)
            if let made = SearchSort.keys(code, descending: descending, types: types, registry: registry) {
                keys += made
                applied.append(String(part))
            } else {
                ignored.append(code)
            }
        }
        keys.append(Key(expression: SQLFragment("r0.pk"), descending: false))
    }

    private static func keys(_ code: String, descending: Bool, types: [ResourceType], registry: ParameterRegistry)
        -> [Key]?
    {
        switch code {
        case "_id": return [Key(expression: SQLFragment("r0.id"), descending: descending)]
        case "_lastUpdated": return [Key(expression: SQLFragment("r0.updated"), descending: descending)]
        default: break
        }
        let parameters = types.compactMap { registry.parameter(code, for: $0) }
        guard let kind = parameters.first?.kind, parameters.allSatisfy({ $0.kind == kind }) else { return nil }
        let places = parameters.map { _ in "?" }.joined(separator: ", ")
        let value = SQLFragment(
            """
            (SELECT \(column(kind, descending: descending)) FROM \(kind.table) x
            WHERE x.resource = r0.pk AND x.param IN (\(places)))
            """, StatementArguments(parameters.map(\.key)))
        // Resources without a value come last in both directions.
        let isMissing = SQLFragment("(") + value + SQLFragment(" IS NULL)")
        let present = SQLFragment("COALESCE(") + value + SQLFragment(", '')")
        return [Key(expression: isMissing, descending: false), Key(expression: present, descending: descending)]
    }

    private static func column(_ kind: IndexedParameter.Kind, descending: Bool) -> String {
        let function = descending ? "MAX" : "MIN"
        switch kind {
        case .token: return "\(function)(x.code)"
        case .reference: return "\(function)(x.url)"
        case .string, .uri: return "\(function)(x.value)"
        case .date, .number, .quantity: return descending ? "MAX(x.high)" : "MIN(x.low)"
        }
    }

    /// The keys as columns `k0`, `k1` …
    var columns: SQLFragment {
        let named = keys.enumerated().map { index, key in key.expression + SQLFragment(" AS k\(index)") }
        return named.dropFirst().reduce(named[0]) { $0 + SQLFragment(", ") + $1 }
    }

    /// The order by those columns.
    var order: String {
        keys.indices.map { "k\($0) \(keys[$0].descending ? "DESC" : "ASC")" }.joined(separator: ", ")
    }

    /// How many columns the keys take.
    var count: Int { keys.count }

    /// The condition that a row comes after the one with these values.
    func after(_ cursor: SearchCursor) throws(SandboxFailure) -> SQLFragment {
        guard cursor.values.count == keys.count else { throw .invalid("`_cursor` does not belong to this search") }
        var result = SQLFragment("0")
        for index in keys.indices.reversed() {
            let value = cursor.values[index]
            let comparison = keys[index].descending ? "<" : ">"
            result =
                SQLFragment("(k\(index) \(comparison) ? OR (k\(index) = ? AND ", [value, value]) + result
                + SQLFragment("))")
        }
        return result
    }
}

/// The sort values of the last row of a page, carried by the link to the next one.
struct SearchCursor {
    let values: [DatabaseValue]

    init(values: [DatabaseValue]) { self.values = values }

    /// Reads the text of a link.
    init(parsing text: String) throws(SandboxFailure) {
        guard let bytes = SearchCursor.bytes(text), let tree = try? JSONValue(parsing: bytes), let parts = tree.array
        else { throw .invalid("`_cursor` is not one of this server's") }
        var values: [DatabaseValue] = []
        for part in parts {
            switch part {
            case .int(let number): values.append(number.databaseValue)
            case .number(let written):
                guard let number = Double(written.text) else { throw .invalid("`_cursor` is not one of this server's") }
                values.append(number.databaseValue)
            case .string(let text): values.append(text.databaseValue)
            default: throw .invalid("`_cursor` is not one of this server's")
            }
        }
        self.values = values
    }

    /// The values in hexadecimal JSON: opaque to clients, safe in a URL.
    var text: String {
        let parts = values.map { value -> JSONValue in
            switch value.storage {
            case .int64(let number): .int(number)
            case .double(let number): JSONNumber("\(number)").map(JSONValue.number) ?? .null
            case .string(let text): .string(text)
            case .null, .blob: .null
            }
        }
        let digits = Array("0123456789abcdef")
        return String(JSONValue.array(parts).serialized.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
