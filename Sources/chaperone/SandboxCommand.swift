internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore
internal import Logging
internal import SandboxFHIR
internal import SyntheticRecords

#if canImport(Glibc)
    internal import Glibc
#endif

/// `chaperone sandbox`: the embedded FHIR store of the demo. Unprotected on purpose, loopback only.
struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox", abstract: "Fills and runs the demo's FHIR store.",
        discussion: "Example: chaperone sandbox import records/", subcommands: [Import.self, Run.self, Generate.self])

    /// Where the sandbox keeps its resources.
    static func databasePath(_ configuration: Configuration) -> String { "\(configuration.stateDirectory)/sandbox.db" }

    /// `chaperone sandbox import`.
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Loads Bundles (.json, .json.gz) and NDJSON files, or folders of them, and says what it could not load.",
            discussion: "Example: chaperone sandbox import ../records --output json")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var output: OutputOptions

        @Argument(help: "Files and folders.")
        var paths: [String]

        func run() async throws {
            let configuration = try options.load(assumingDemo: options.path == nil)
            try StateDirectory.make(configuration.stateDirectory)
            // The store is one SQLite file in WAL mode, so it can be filled while the server reads it.
            let store = try SandboxStore(path: SandboxCommand.databasePath(configuration))
            let showsProgress = StandardError.isTerminal && output.output == .table
            let report = try SandboxImporter(store).importPaths(paths) { progress in
                guard showsProgress else { return }
                StandardError.write(
                    "\r\(progress.fileNumber)/\(progress.fileCount)  \(progress.resources) resources\u{1B}[K")
            }
            if showsProgress { StandardError.write("\n") }
            print(report)
            if !report.problems.isEmpty { throw ExitCode(ExitStatus.failed.rawValue) }
        }

        private func print(_ report: ImportReport) {
            switch output.output {
            case .json: Swift.print(ImportRendering.json(report).text)
            case .table:
                Table(columns: [
                    .init("type", "type"), .init("created", "created"), .init("updated", "updated"),
                    .init("unchanged", "unchanged"), .init("matched", "matched"),
                ]).print(ImportRendering.rows(report), as: .table)
                Swift.print("\(report.total) resources from \(report.filesRead) files")
                for problem in report.problems { Swift.print("not loaded: \(problem)") }
                for dangling in report.danglingReferences {
                    Swift.print(
                        "leads nowhere: \(dangling.reference), \(dangling.count) times, first in \(dangling.firstSource)"
                    )
                }
            }
        }
    }

    /// `chaperone sandbox run`.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs the FHIR store alone, until Ctrl-C.", discussion: "Example: chaperone sandbox run")

        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            let configuration = try options.load(assumingDemo: options.path == nil)
            try StateDirectory.make(configuration.stateDirectory)
            let address = configuration.listeners.sandbox
            let server = try SandboxServer(
                configuration: SandboxConfiguration(
                    databasePath: SandboxCommand.databasePath(configuration), host: address.host, port: address.port),
                logger: LogStream.logger(configuration.log.level))
            try await SandboxRunner.run(server, host: address.host, logger: LogStream.logger(configuration.log.level))
        }
    }

    /// `chaperone sandbox generate`.
    struct Generate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes the synthetic members as transaction Bundles into a folder.",
            discussion: "Example: chaperone sandbox generate --seed 7 ./synthetic")

        @OptionGroup var output: OutputOptions

        @Option(help: "The seed; the same seed gives the same bytes.")
        var seed: UInt64?

        @Argument(help: "The folder; it is made when it is not there.")
        var folder: String

        func run() async throws {
            try StateDirectory.make(folder)
            let set = seed.map { SyntheticRecordSet(seed: $0) } ?? SyntheticRecordSet()
            var rows: [JSONValue] = []
            for bundle in set.bundles() {
                let path = "\(folder)/\(bundle.name).json"
                try StateDirectory.write(bundle.json, to: path)
                rows.append(.object([.init("file", .string(path)), .init("bytes", .int(Int64(bundle.json.count)))]))
            }
            Table(columns: [.init("file", "file"), .init("bytes", "bytes")]).print(rows, as: output.output)
        }
    }
}

/// An import's report as rows and as one document.
enum ImportRendering {
    static func rows(_ report: ImportReport) -> [JSONValue] {
        report.byType.sorted { $0.key < $1.key }.map { type, counts in
            .object([
                .init("type", .string(type.rawValue)), .init("created", .int(Int64(counts.created))),
                .init("updated", .int(Int64(counts.updated))), .init("unchanged", .int(Int64(counts.unchanged))),
                .init("matched", .int(Int64(counts.matched))),
            ])
        }
    }

    static func json(_ report: ImportReport) -> JSONValue {
        .object([
            .init("total", .int(Int64(report.total))), .init("filesRead", .int(Int64(report.filesRead))),
            .init("byType", .array(rows(report))),
            .init(
                "problems",
                .array(
                    report.problems.map { problem in
                        var members: [JSONMemberValue] = [.init("file", .string(problem.file))]
                        if let place = problem.place { members.append(.init("place", .string(place))) }
                        members.append(.init("reason", .string(problem.reason)))
                        return .object(members)
                    })),
            .init(
                "danglingReferences",
                .array(
                    report.danglingReferences.map {
                        .object([
                            .init("reference", .string($0.reference)),
                            .init("firstSource", .string($0.firstSource.description)),
                            .init("count", .int(Int64($0.count))),
                        ])
                    })),
        ])
    }
}
