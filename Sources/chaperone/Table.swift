internal import FHIRCore

/// Prints lists as aligned columns, or as JSON for other programs.
struct Table: Sendable {
    /// A heading and the member of each row that stands under it.
    struct Column: Sendable {
        let heading: String
        let cell: @Sendable (JSONValue) -> String

        /// A column that shows one member as text.
        init(_ heading: String, _ member: String) {
            self.heading = heading
            cell = { Table.text($0[member]) }
        }
    }

    let columns: [Column]

    /// Prints the rows; in JSON they are printed as they came, one array.
    func print(_ rows: [JSONValue], as format: OutputFormat) {
        switch format {
        case .json: Swift.print(JSONValue.array(rows).text)
        case .table: Swift.print(lines(rows).joined(separator: "\n"))
        }
    }

    /// No column but the last is wider than this.
    private static let widest = 44

    /// A cell that is too wide, cut; JSON has everything.
    private static func cut(_ text: String) -> String {
        text.count <= widest ? text : text.prefix(widest - 1) + "…"
    }

    /// The lines of the table; the last column is neither cut nor padded.
    func lines(_ rows: [JSONValue]) -> [String] {
        if rows.isEmpty { return ["(none)"] }
        let cells =
            [columns.map { $0.heading.uppercased() }]
            + rows.map { row in
                columns.enumerated().map { index, column in
                    index == columns.count - 1 ? column.cell(row) : Self.cut(column.cell(row))
                }
            }
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { line in
            line.enumerated().map { index, text in
                index == columns.count - 1 ? text : text + String(repeating: " ", count: widths[index] - text.count)
            }.joined(separator: "  ")
        }
    }

    /// A value in words; control characters of stored text do not reach the terminal.
    static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null?: "-"
        case .string(let text)?:
            String(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : Character($0) })
        case .array(let elements)?: elements.isEmpty ? "-" : elements.map { text($0) }.joined(separator: " ")
        case .bool(let flag)?: flag ? "yes" : "no"
        case let other?: other.text
        }
    }
}
