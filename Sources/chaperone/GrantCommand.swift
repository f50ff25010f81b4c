internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone grant`: what has been allowed to whom.
struct GrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Lists and ends grants.",
        discussion: "Example: chaperone grant list --user patient-a", subcommands: [List.self, Revoke.self])

    private static let table = Table(columns: [
        .init("id", "id"), .init("user", "user"), .init("client", "client"), .init("patient", "patient"),
        .init("since", "since"), .init("ended", "ended"), .init("scopes", "scopes"),
    ])

    /// `chaperone grant list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists grants, newest first.",
            discussion: "Example: chaperone grant list --client demo-patient-app")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Option(help: "Only by this account: its user name, or its `sub`.")
        var user: String?

        @Option(help: "Only to this client.")
        var client: String?

        @Option(help: "Only about this patient.")
        var patient: String?

        @Flag(help: "Also those that were revoked.")
        var all = false

        @Option(help: "At most so many.")
        var limit: Int = 200

        func run() async throws {
            var query = ["limit": String(limit)]
            if all { query["all"] = "true" }
            for (name, value) in [("user", user), ("client", client), ("patient", patient)] { query[name] = value }
            let asked = query
            let answer = try await options.withAdmin { try await $0.call(.get, ["grants"], query: asked) }
            GrantCommand.table.print(answer["grants"]?.array ?? [], as: output.output)
        }
    }

    /// `chaperone grant revoke`.
    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends a grant and every token made from it, at once.",
            discussion: "Example: chaperone grant revoke 5cZk3vJ0Qx2b8e1TnR7uGw")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The grant's id, as `grant list` shows it.")
        var id: String

        func run() async throws {
            let answer = try await options.withAdmin { try await $0.call(.post, ["grants", id, "revoke"]) }
            GrantCommand.table.print([answer], as: output.output)
        }
    }
}
