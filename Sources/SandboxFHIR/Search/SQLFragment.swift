internal import GRDB

/// A piece of SQL with its arguments in order.
struct SQLFragment {
    var sql: String
    var arguments: StatementArguments

    init(_ sql: String, _ arguments: StatementArguments = StatementArguments()) {
        self.sql = sql
        self.arguments = arguments
    }

    static func + (left: SQLFragment, right: SQLFragment) -> SQLFragment {
        SQLFragment(left.sql + right.sql, left.arguments + right.arguments)
    }

    /// All must hold; true when there are none.
    static func all(_ fragments: [SQLFragment]) -> SQLFragment { joined(fragments, by: " AND ", empty: "1") }

    /// One must hold; false when there are none.
    static func any(_ fragments: [SQLFragment]) -> SQLFragment { joined(fragments, by: " OR ", empty: "0") }

    private static func joined(_ fragments: [SQLFragment], by word: String, empty: String) -> SQLFragment {
        guard let first = fragments.first else { return SQLFragment(empty) }
        let inner = fragments.dropFirst().reduce(first) { $0 + SQLFragment(word) + $1 }
        return SQLFragment("(") + inner + SQLFragment(")")
    }
}
