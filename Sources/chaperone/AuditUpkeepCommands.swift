internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone audit hold`: what must be kept whatever its age.
struct AuditHoldCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Places, lists, lifts and adopts legal holds.",
        discussion: "Example: chaperone audit hold add --patient patient-a --reason 'claim 2026-17'",
        subcommands: [List.self, Add.self, Lift.self, Adopt.self])

    /// `chaperone audit hold list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the holds that are in force.", discussion: "Example: chaperone audit hold list")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let answer = try await options.withAdmin { try await $0.call(.get, ["audit", "holds"]) }
            Table(columns: [
                .init("id", "id"), .init("patient", "patient"), .init("client", "client"),
                .init("reporting entity", "reportingEntity"), .init("since", "since"), .init("by", "by"),
                .init("reason", "reason"),
            ]).print(answer["holds"]?.array ?? [], as: output.output)
        }
    }

    /// `chaperone audit hold add`.
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keeps what names a patient, a client or a reporting entity; nothing named keeps everything.",
            discussion: "Example: chaperone audit hold add --client app-1 --reason 'investigation'")

        @OptionGroup var options: ConfigurationOptions

        @Option(help: "What names this patient.")
        var patient: String?

        @Option(help: "What names this client.")
        var client: String?

        @Option(help: "What counts under this reporting entity.")
        var reportingEntity: String?

        @Option(help: "Why.")
        var reason: String

        func run() async throws {
            var query = ["reason": reason]
            query["patient"] = patient
            query["client"] = client
            query["reporting-entity"] = reportingEntity
            let placed = try await options.withAdmin { [query] in
                try await $0.call(.post, ["audit", "holds"], query: query)
            }
            print(placed["id"]?.string ?? "")
        }
    }

    /// `chaperone audit hold lift`.
    struct Lift: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lifts a hold.", discussion: "Example: chaperone audit hold lift 3q2-7wAAAAAAAAAAAAAAAA")

        @OptionGroup var options: ConfigurationOptions

        @Argument(help: "The hold, as `audit hold list` has it.")
        var id: String

        func run() async throws {
            _ = try await options.withAdmin { try await $0.call(.post, ["audit", "holds", id]) }
            print("lifted")
        }
    }

    /// `chaperone audit hold adopt`.
    struct Adopt: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Records a hold as it stands, where an older release left it without a record.",
            discussion: "Example: chaperone audit hold adopt 3q2-7wAAAAAAAAAAAAAAAA")

        @OptionGroup var options: ConfigurationOptions

        @Argument(help: "The hold, as `audit verify` names it.")
        var id: String

        func run() async throws {
            _ = try await options.withAdmin { try await $0.call(.post, ["audit", "holds", id, "adopt"]) }
            print("adopted")
        }
    }
}

/// `chaperone audit retain`: removes what has been kept long enough.
struct AuditRetainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retain", abstract: "Removes records that have been kept long enough, and leaves signed proof.",
        discussion: "Example: chaperone audit retain --rehearsal")

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Flag(help: "Only counts what would be removed.")
    var rehearsal = false

    func run() async throws {
        let query = rehearsal ? ["rehearsal": "true"] : [:]
        let outcome = try await options.withAdmin {
            try await $0.call(.post, ["audit", "retention"], query: query)
        }
        Table(columns: [
            .init("removed", "removed"), .init("runs", "runs"), .init("held", "held"),
            .init("undelivered", "undelivered"),
        ])
        .print([outcome], as: output.output)
    }
}

/// `chaperone audit feeds`: how far each feed has come.
struct AuditFeedsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feeds", abstract: "Lists the feeds out, how far they have come and what keeps them.",
        discussion: "Example: chaperone audit feeds")

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let answer = try await options.withAdmin { try await $0.call(.get, ["audit", "feeds"]) }
        Table(columns: [
            .init("name", "name"), .init("carries", "carries"), .init("delivered", "delivered"),
            .init("waiting", "waiting"), .init("refused", "refused"), .init("problem", "problem"),
        ]).print(answer["feeds"]?.array ?? [], as: output.output)
    }
}
