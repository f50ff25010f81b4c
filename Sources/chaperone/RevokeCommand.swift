internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone revoke`: ends access, in the running server and at once.
struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Ends a grant, all access of a client or of a person, or one token.",
        discussion: """
            Example: chaperone revoke client demo-patient-app

            A client is suspended and a person's account disabled, with every grant and session. Somebody who signs in at an
            identity provider is named by the account that `user logins` shows. With
            `authorization-server: none` any client and any `sub` is refused until it is let in again by `reinstate`.
            """)

    /// What is ended.
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case grant, client, user, token
    }

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "grant, client, user or token.")
    var kind: Kind

    @Argument(help: "The grant's or client's id, the account's name (or `sub`), or the token's jti.")
    var id: String

    func run() async throws {
        let body = JSONValue.object([.init("kind", .string(kind.rawValue)), .init("id", .string(id))])
        let answer = try await options.withAdmin { try await $0.call(.post, ["revocations"], body: body) }
        Table(columns: [.init("kind", "kind"), .init("id", "id"), .init("grants", "grants")])
            .print([answer], as: output.output)
    }
}
