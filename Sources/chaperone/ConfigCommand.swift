internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone config`: looks at the configuration without starting anything.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Checks or prints the configuration.",
        discussion: "Example: chaperone config check --config /etc/chaperone/chaperone.yaml",
        subcommands: [Check.self, Print.self])

    /// `chaperone config check`.
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Names every mistake with its line, and what would keep the server from starting.",
            discussion: "Example: chaperone config check --config chaperone.yaml")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let configuration = try options.load()
            do {
                _ = try configuration.operationTable()
                try configuration.demandListFiles()
            } catch let error as ConfigurationError {
                throw CommandFailure(error.problems.map(\.description).joined(separator: "\nchaperone: "), code: .usage)
            }
            let hazards = configuration.productionHazards(secrets: try configuration.loadedSecrets())
            let notes = try configuration.oddSecretMessages()
            let remarks = configuration.remarks
            switch output.output {
            case .json:
                let list = hazards.map { JSONValue.string($0.description) }
                let noted = notes.map { JSONValue.string($0) }
                print(
                    JSONValue.object([
                        .init("hazards", .array(list)), .init("notes", .array(noted)),
                        .init("remarks", .array(remarks.map { .string($0) })),
                    ]).text)
            case .table:
                for note in notes { print("would not start unless it is in use already: \(note)") }
                for remark in remarks { print("would start, but: \(remark)") }
                for hazard in hazards { print("would not start: \(hazard)") }
                if hazards.isEmpty { print("the configuration is in order") }
            }
            if !hazards.isEmpty { throw ExitCode(ExitStatus.refused.rawValue) }
        }
    }

    /// `chaperone config print`.
    struct Print: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the settings in force, after environment and flags. Secrets are never among them.",
            discussion: "Example: chaperone config print --demo --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let rows = try options.load().settingsInForce.map { key, value in
                JSONValue.object([.init("key", .string(key)), .init("value", .string(value))])
            }
            Table(columns: [.init("setting", "key"), .init("value", "value")]).print(rows, as: output.output)
        }
    }
}
