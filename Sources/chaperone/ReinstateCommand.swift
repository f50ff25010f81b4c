internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone reinstate`: lets in again whom `revoke` holds, where tokens are somebody else's.
struct ReinstateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reinstate", abstract: "Lets a client or a person of another authorization server in again.",
        discussion: """
            Example: chaperone reinstate client ward-app

            Only with `authorization-server: none`. Tokens that were issued before the revocation stay refused.
            """)

    /// Who is let in.
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case client, user
    }

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "client or user.")
    var kind: Kind

    @Argument(help: "The client's id, or the `sub` of the person's tokens.")
    var id: String

    func run() async throws {
        let body = JSONValue.object([.init("kind", .string(kind.rawValue)), .init("id", .string(id))])
        let answer = try await options.withAdmin { try await $0.call(.post, ["reinstatements"], body: body) }
        Table(columns: [.init("kind", "kind"), .init("id", "id")]).print([answer], as: output.output)
    }
}
