internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone audit`: who read what.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Reads and proves the audit trail.",
        discussion: "Example: chaperone audit list --patient patient-a --since 24h",
        subcommands: [
            List.self, AuditSummaryCommand.self, AuditShowCommand.self, AuditReportCommand.self,
            AuditExportCommand.self, AuditVerifyCommand.self,
            AuditProveCommand.self, AuditKeysCommand.self, AuditCheckpointCommand.self, AuditHoldCommand.self,
            AuditRetainCommand.self,
            AuditFeedsCommand.self,
        ])

    /// `chaperone audit list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists accesses and authorization steps, newest first. Reading is itself recorded.",
            discussion: "Example: chaperone audit list --patient patient-a --client demo-patient-app --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @OptionGroup var selection: AuditSelection

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
            var query = selection.query
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
