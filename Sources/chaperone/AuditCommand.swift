internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone audit`: who read what.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Reads and proves the audit trail.",
        discussion: "Example: chaperone audit list --patient patient-a --since 24h",
        subcommands: [List.self, AuditVerifyCommand.self, AuditKeysCommand.self, AuditCheckpointCommand.self])

    /// `chaperone audit list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists accesses and authorization steps, newest first. Reading is itself recorded.",
            discussion: "Example: chaperone audit list --patient patient-a --client demo-patient-app --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Option(help: "Only about this patient (id or Patient/id).")
        var patient: String?

        @Option(help: "Only by this client.")
        var client: String?

        @Option(help: "Only by this account.")
        var user: String?

        @Option(help: "Only under this grant.")
        var grant: String?

        @Option(help: "Only with this outcome: permitted, refused, failed, interrupted, succeeded.")
        var outcome: String?

        @Option(help: "From this time on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 2h or 7d.")
        var since: String?

        @Option(help: "Before this time.")
        var until: String?

        @Option(help: "At most so many.")
        var limit: Int = 50

        func validate() throws {
            if limit < 1 { throw ValidationError("--limit wants a number from 1") }
        }

        func run() async throws {
            let rows = try await options.withAdmin(collect)
            Table(columns: [
                .init("at", "at"), .init("kind", "kind"), .init("user", "user"), .init("client", "client"),
                .init("patient", "patients"), .init("request", "request"), .init("scopes", "scopes"),
                .init("outcome", "outcome"), .init("status", "status"), .init("reason", "reason"),
            ]).print(rows, as: output.output)
        }

        /// Asks page by page until there is enough.
        private func collect(_ admin: AdminConnection) async throws -> [JSONValue] {
            var query: [String: String] = [:]
            for (name, value) in [
                ("patient", patient), ("client", client), ("user", user), ("grant", grant), ("outcome", outcome),
                ("since", since), ("until", until),
            ] { query[name] = value }
            var rows: [JSONValue] = []
            repeat {
                query["limit"] = String(min(limit - rows.count, 1000))
                let page = try await admin.call(.get, ["audit"], query: query)
                rows += page["entries"]?.array ?? []
                query["cursor"] = page["next"]?.string
            } while query["cursor"] != nil && rows.count < limit
            return rows
        }
    }
}
