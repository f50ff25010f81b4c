internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore
internal import OAuthCore

extension UserCommand {
    private static let logins = Table(columns: [
        .init("provider", "provider"), .init("login", "subject"), .init("who", "fhirUser"),
        .init("patients", "patients"), .init("last sign-in", "lastLogin"), .init("undone", "undone"),
        .init("account", "account"),
    ])

    /// `chaperone user logins`.
    struct Logins: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the logins of identity providers and who they are linked to.",
            discussion: "Example: chaperone user logins --provider plan")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Option(help: "Only the logins of this provider.")
        var provider: String?

        func run() async throws {
            let query = provider.map { ["provider": $0] } ?? [:]
            let answer = try await options.withAdmin { try await $0.call(.get, ["logins"], query: query) }
            UserCommand.logins.print(answer["logins"]?.array ?? [], as: output.output)
        }
    }

    /// `chaperone user link`.
    struct Link: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Links a login of an identity provider to somebody in FHIR.",
            discussion: "Example: chaperone user link --provider plan --subject 248289761001 --fhir-user Patient/4711")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Option(help: "The provider, by its id in the configuration.")
        var provider: String

        @Option(help: "The login: the `sub` of the provider's ID tokens.")
        var subject: String

        @Option(help: "Who it is, such as Patient/p1.")
        var fhirUser: String

        @Option(help: "A patient that the login may act for beside itself; may be repeated.")
        var patient: [String] = []

        @Option(help: "The name that is shown.")
        var name: String?

        func run() async throws {
            var members: [JSONMemberValue] = [
                .init("provider", .string(provider)), .init("subject", .string(subject)),
                .init("fhirUser", .string(fhirUser)), .init("patients", .array(patient.map { .string($0) })),
            ]
            if let name { members.append(.init("name", .string(name))) }
            let body = JSONValue.object(members)
            let linked = try await options.withAdmin { try await $0.call(.post, ["logins"], body: body) }
            UserCommand.logins.print([linked], as: output.output)
        }
    }

    /// `chaperone user unlink`.
    struct Unlink: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Undoes who an account is, and ends the grants that rest on it.",
            discussion: """
                A login of an identity provider stays unlinked, whatever its source of members says, until `user link`.
                Example: chaperone user unlink mrs-jones
                """)

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name of a local account, or the account of a login as `user logins` shows it.")
        var account: String

        func run() async throws {
            let undone = try await options.withAdmin { try await $0.call(.post, ["links", account, "undo"]) }
            Table(columns: [.init("account", "account"), .init("ended grants", "endedGrants")])
                .print([undone], as: output.output)
        }
    }
}
