internal import ArgumentParser
internal import Audit
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone audit summary`: which app got what of whom, added up.
struct AuditSummaryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary",
        abstract: "Adds up accesses: which app and user got what of whom, and what was refused.",
        discussion: """
            Example: chaperone audit summary --client demo-patient-app --since 30d
                     chaperone audit summary --user clinician-a --patient patient-a --since 365d
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var selection: AuditSelection

    func run() async throws {
        let summary = try await options.withAdmin(collect)
        let rows = summary.sums.sorted { $0.key < $1.key }.map { key, sum in
            JSONValue.object([
                .init("client", .string(key.client)), .init("user", .string(key.user)),
                .init("patient", .string(key.patient)), .init("resourceType", .string(key.type)),
                .init("permitted", .int(Int64(sum.permitted))), .init("refused", .int(Int64(sum.refused))),
                .init("other", .int(Int64(sum.other))), .init("released", .int(sum.released)),
                .init("first", .string(sum.first)), .init("last", .string(sum.last)),
                .init("scopes", .array(sum.scopes.sorted().map { .string($0) })),
            ])
        }
        Table(columns: [
            .init("client", "client"), .init("user", "user"), .init("patient", "patient"),
            .init("type", "resourceType"),
            .init("permitted", "permitted"), .init("refused", "refused"), .init("other", "other"),
            .init("released", "released"), .init("first", "first"), .init("last", "last"), .init("scopes", "scopes"),
        ]).print(rows, as: output.output)
    }

    /// Adds up page by page, so that nothing but the sums is kept.
    private func collect(_ admin: AdminConnection) async throws -> AccessSummary {
        var query = selection.query
        query["limit"] = "1000"
        var summary = AccessSummary()
        repeat {
            let page = try await admin.call(.get, ["audit"], query: query)
            for row in page["entries"]?.array ?? [] { summary.add(row) }
            query["cursor"] = page["next"]?.string
        } while query["cursor"] != nil
        return summary
    }
}
