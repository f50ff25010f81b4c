internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore
internal import OAuthCore

/// `chaperone client`: the registered clients.
struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client", abstract: "Lists, shows and activates clients.",
        discussion: "Example: chaperone client list",
        subcommands: [List.self, Show.self, Activate.self])

    /// `chaperone client list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the registered clients.", discussion: "Example: chaperone client list --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let answer = try await options.withAdmin { try await $0.call(.get, ["clients"]) }
            Table(columns: [
                .init("id", "id"), .init("name", "name"), .init("status", "status"), .init("program", "program"),
                .init("authentication", "authentication"), .init("grants", "grantTypes"),
            ]).print(answer["clients"]?.array ?? [], as: output.output)
        }
    }

    /// `chaperone client show`.
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows one client with everything that it is approved for.",
            discussion: "Example: chaperone client show demo-patient-app")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The client's id.")
        var id: String

        func run() async throws {
            let client = try await options.withAdmin { try await $0.call(.get, ["clients", id]) }
            switch output.output {
            case .json: print(client.text)
            case .table:
                let rows = (client.object ?? []).map {
                    JSONValue.object([.init("name", .string($0.name)), .init("value", .string(Table.text($0.value)))])
                }
                Table(columns: [.init("what", "name"), .init("value", "value")]).print(rows, as: .table)
            }
        }
    }
}

/// `chaperone user`: the local accounts.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Lists, adds and changes accounts.",
        discussion: "Example: chaperone user list",
        subcommands: [
            List.self, Add.self, SetPassword.self, SetRoles.self, SetPerson.self, Enable.self, RemoveSecondFactor.self,
            Logins.self, Link.self, Unlink.self,
        ])

    static let table = Table(columns: [
        .init("username", "username"), .init("name", "name"), .init("roles", "roles"), .init("who", "fhirUser"),
        .init("patients", "patients"), .init("disabled", "disabled"),
        .init("second factor", "secondFactor"), .init("sub", "subject"),
    ])

    /// `chaperone user list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the accounts and who they are.", discussion: "Example: chaperone user list --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let answer = try await options.withAdmin { try await $0.call(.get, ["users"]) }
            UserCommand.table.print(answer["users"]?.array ?? [], as: output.output)
        }
    }

    /// `chaperone user add`.
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds an account.",
            discussion: "Example: chaperone user add mrs-jones --patient 4711 --password-file -")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "The user name.")
        var username: String

        @Option(help: "A patient that the account may act for; may be repeated.")
        var patient: [String] = []

        @Option(help: "Who the account is, such as RelatedPerson/p1 (default: the patient, when there is exactly one).")
        var fhirUser: String?

        @Option(help: "A role: member, clinician, steward, security, auditor, admin, developer; may be repeated.")
        var role: [String] = []

        @Option(help: "The name that is shown.")
        var name: String?

        @Option(help: "The file whose first line is the password; - is the standard input.")
        var passwordFile: String

        func run() async throws {
            let password = try TextFile.readSecret(passwordFile)
            var members: [JSONMemberValue] = [
                .init("username", .string(username)), .init("password", .string(password.reveal())),
                .init("patients", .array(patient.map { .string($0) })),
            ]
            if let fhirUser { members.append(.init("fhirUser", .string(fhirUser))) }
            if let name { members.append(.init("name", .string(name))) }
            if !role.isEmpty { members.append(.init("roles", .array(role.map { .string($0) }))) }
            let body = JSONValue.object(members)
            let added = try await options.withAdmin { try await $0.call(.post, ["users"], body: body) }
            UserCommand.table.print([added], as: output.output)
        }
    }
}

/// `chaperone migrate`: brings the databases up to date.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Brings the databases up to date; `serve` does so too.",
        discussion: "Example: chaperone migrate --config chaperone.yaml")

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let configuration = try options.load(assumingDemo: options.path == nil)
        do {
            let installation = try await Installation(configuration: configuration)
            try await installation.close()
        } catch let held as Installation.Held {
            throw CommandFailure(held.description, code: .conflict)
        }
        let row = JSONValue.object([
            .init("database", .string(configuration.database.description)),
            .init("audit", .string(configuration.auditDatabase.description)), .init("state", "up to date"),
        ])
        Table(columns: [.init("database", "database"), .init("audit", "audit"), .init("state", "state")])
            .print([row], as: output.output)
    }
}
