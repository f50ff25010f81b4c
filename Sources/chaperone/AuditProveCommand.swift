internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore

/// `chaperone audit prove`: a proof of one record, to be given away.
struct AuditProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Writes a proof that one record stands in the log, without the rest of the log.",
        discussion: """
            Example: chaperone audit prove 3q2-7wAAAAAAAAAAAAAAAA --out proof.json
                     chaperone audit verify --proof proof.json --keys audit-keys.json --anchor checkpoints.log

            The file has the record, digests of those between it and the next checkpoint, and the signed checkpoint.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The decision, as `audit list --output json` and the X-Request-Id of the answer have it.")
    var decision: String

    @Option(name: .customLong("out"), help: "The file to write.")
    var file: String

    func run() async throws {
        let target = try OutputFile(path: file)
        let answer = try await options.withAdmin { [decision] in
            try await $0.call(.post, ["audit", "proofs"], query: ["decision": decision])
        }
        try target.write(answer.text + "\n")
        try target.close()
        let count = answer["proofs"]?.array?.count ?? 0
        print("\(count == 1 ? "1 record" : "\(count) records") in \(file)")
    }
}
