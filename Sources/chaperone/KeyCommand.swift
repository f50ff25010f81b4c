internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone key`: the server's keys and their replacement.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Lists and replaces the server's keys; never shows them.",
        discussion: "Example: chaperone key list", subcommands: [List.self, Rotate.self])

    /// `chaperone key list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists keys by purpose: announced, active, retiring.",
            discussion: "Example: chaperone key list --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let answer = try await options.withAdmin { try await $0.call(.get, ["keys"]) }
            Table(columns: [
                .init("id", "id"), .init("purpose", "purpose"), .init("standing", "standing"),
                .init("since", "since"), .init("retired", "retired"),
            ]).print(answer["keys"]?.array ?? [], as: output.output)
        }
    }

    /// `chaperone key rotate`.
    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replaces signing keys now; the server does so by itself when they are due.",
            discussion: """
                Example: chaperone key rotate --purpose access-token --leaked

                With --leaked the old keys are gone at once: every token that they signed is worth nothing.
                """)

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Option(help: "Only access-token, id-token or page-link; all three unless given.")
        var purpose: String?

        @Flag(help: "The old key is in wrong hands: nothing that it signed may count any longer.")
        var leaked = false

        func run() async throws {
            var members: [JSONMemberValue] = [.init("leaked", .bool(leaked))]
            if let purpose { members.append(.init("purpose", .string(purpose))) }
            let body = JSONValue.object(members)
            let answer = try await options.withAdmin { try await $0.call(.post, ["keys", "rotate"], body: body) }
            let rows = (answer["done"]?.array ?? []).map { JSONValue.object([.init("done", $0)]) }
            Table(columns: [.init("done", "done")]).print(rows, as: output.output)
        }
    }
}
