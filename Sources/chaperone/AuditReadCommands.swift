internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// Which entries are meant; the same words in every command.
struct AuditSelection: ParsableArguments {
    @Option(help: "Only about this patient (id or Patient/id).")
    var patient: String?

    @Option(help: "Only by this client.")
    var client: String?

    @Option(help: "Only by this account.")
    var user: String?

    @Option(help: "Only under this grant.")
    var grant: String?

    @Option(help: "Only allowed by this scope.")
    var scope: String?

    @Option(help: "Only with this outcome: permitted, refused, failed, interrupted, succeeded.")
    var outcome: String?

    @Option(help: "From this time on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 2h or 7d.")
    var since: String?

    @Option(help: "Before this time.")
    var until: String?

    @Flag(help: "Only what an accounting of disclosures has (45 CFR 164.528).")
    var accounting = false

    /// As the admin side wants it.
    var query: [String: String] {
        var query: [String: String] = [:]
        for (name, value) in [
            ("patient", patient), ("client", client), ("user", user), ("grant", grant), ("scope", scope),
            ("outcome", outcome), ("since", since), ("until", until),
        ] { query[name] = value }
        if accounting { query["accounting"] = "true" }
        return query
    }
}

/// `chaperone audit show`: everything about one decision.
struct AuditShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows everything that was written about one decision or step.",
        discussion: "Example: chaperone audit show 3q2-7wAAAAAAAAAAAAAAAA")

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The decision, as `audit list --output json` and the X-Request-Id of the answer have it.")
    var decision: String

    func run() async throws {
        let answer = try await options.withAdmin { try await $0.call(.get, ["audit", decision]) }
        let entries = answer["entries"]?.array ?? []
        guard output.output == .table else { return print(JSONValue.array(entries).text) }
        for entry in entries {
            for member in entry["entry"]?.object ?? [] {
                print("\(Self.padded(member.name)) \(Table.text(member.value))")
            }
            print("\(Self.padded("hash")) \(Table.text(entry["hash"]))\n")
        }
    }
}

extension AuditShowCommand {
    private static func padded(_ text: String) -> String {
        text + String(repeating: " ", count: max(0, 16 - text.count))
    }
}

/// `chaperone audit report`: who read what of one patient.
struct AuditReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Reports who read what of one patient, when, by which scope, on which basis.",
        discussion: """
            Example: chaperone audit report patient-a --since 365d
                     chaperone audit report patient-a --user clinician-a --since 365d
                     chaperone audit report patient-a --accounting --output json
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The patient (id or Patient/id).")
    var patient: String

    @Option(help: "Only by this account.")
    var user: String?

    @Option(help: "Only by this client.")
    var client: String?

    @Option(help: "From this time on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 7d.")
    var since: String?

    @Option(help: "Before this time.")
    var until: String?

    @Flag(help: "Only what an accounting of disclosures has (45 CFR 164.528).")
    var accounting = false

    func run() async throws {
        var query: [String: String] = ["patient": patient, "limit": "1000"]
        query["user"] = user
        query["client"] = client
        query["since"] = since
        query["until"] = until
        if accounting { query["accounting"] = "true" }
        let rows = try await options.withAdmin { [query] admin in
            var query = query
            var rows: [JSONValue] = []
            repeat {
                let page = try await admin.call(.get, ["audit", "report"], query: query)
                rows += page["accesses"]?.array ?? []
                query["cursor"] = page["next"]?.string
            } while query["cursor"] != nil
            return rows
        }
        Table(columns: [
            .init("at", "at"), .init("client", "client"), .init("organization", "organization"), .init("user", "user"),
            .init("read", "resourceType"), .init("released", "released"), .init("outcome", "outcome"),
            .init("only asked for", "askedOnly"),
            .init("program", "program"), .init("purpose", "purpose"), .init("legal basis", "legalBasis"),
            .init("scopes", "scopes"),
        ]).print(rows, as: output.output)
    }
}

/// `chaperone audit export`: entries in a file, with a signature beside it.
struct AuditExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes entries into a file, and a detached signature into FILE.sig.",
        discussion: """
            Example: chaperone audit export --format bundle --patient patient-a --out patient-a.json
                     chaperone audit verify --export patient-a.json
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case ndjson, csv, bundle }

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var selection: AuditSelection

    @Option(help: "ndjson (AuditEvents, one a line), csv, or bundle (one FHIR Bundle).")
    var format: Format = .ndjson

    @Option(name: .customLong("out"), help: "The file to write; the signature goes into the same with `.sig` behind.")
    var file: String

    func run() async throws {
        let target = try OutputFile(path: file)
        var query = selection.query
        query["format"] = format.rawValue
        let (entries, signature) = try await options.withAdmin { [query] admin in
            let begun = try await admin.call(.post, ["audit", "exports"], query: query)
            guard let id = begun["export"]?.string else { throw CommandFailure("the server began no export") }
            let line = ProgressLine(what: "entries")
            while true {
                let piece = try await admin.call(.post, ["audit", "exports", id])
                try target.write(piece["text"]?.string ?? "")
                let entries = piece["entries"]?.int ?? 0
                line.show(entries)
                guard let signature = piece["signature"]?.string else { continue }
                line.end()
                return (entries, signature)
            }
        }
        try target.close()
        let proof = try OutputFile(path: file + ".sig")
        try proof.write(signature + "\n")
        try proof.close()
        switch output.output {
        case .json:
            print(
                JSONValue.object([
                    .init("file", .string(file)), .init("signature", .string(file + ".sig")),
                    .init("entries", .int(entries)),
                ]).text)
        case .table: print("\(entries) entries in \(file), signature in \(file).sig")
        }
    }
}
