internal import ArgumentParser
internal import Audit
internal import ChaperoneServer
internal import FHIRCore
internal import OAuthCore
internal import Persistence

/// `chaperone audit verify`: is the audit trail what was written?
struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Finds every entry and checkpoint that was changed, moved, removed or forged.",
        discussion: """
            Example: chaperone audit verify
                     chaperone audit verify --log audit.db --keys audit-keys.json --anchor checkpoints.log

            With --keys nothing is asked of a server and only the log is read. Keys and anchors prove most when they
            come from a place that the administrator of the database cannot reach: `chaperone audit keys` prints the
            keys, and a feed of checkpoints makes the anchors.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    @Option(help: "The log to verify (default: the one of the configuration).")
    var log: String?

    @Option(help: "A JWK set with the public keys that signed the checkpoints (default: asks the server).")
    var keys: String?

    @Option(
        help: ArgumentHelp(
            "A file of checkpoints that were sent outside, one a line, as a feed or a syslog receiver wrote them.",
            valueName: "file"))
    var anchor: [String] = []

    @Option(help: ArgumentHelp("Verifies an exported file by its signature in FILE.sig instead.", valueName: "file"))
    var export: String?

    @Option(help: ArgumentHelp("Works out the proof of a record that `audit prove` wrote instead.", valueName: "file"))
    var proof: String?

    func run() async throws {
        if let proof {
            return try AuditEvidence.verifyProofs(in: proof, keys: try await trustedKeys(), anchors: anchor)
        }
        if let export { return try verify(export, by: try await trustedKeys()) }
        let path = try log ?? options.load(assumingDemo: options.path == nil).auditDatabase.path
        let trusted = try await trustedKeys()
        let anchors = try AuditEvidence.anchors(in: anchor)
        let verification: AuditVerification
        do {
            let bar = ProgressLine(what: "entries")
            verification = try AuditSQLiteVerification.verify(path: path, keys: trusted, anchors: anchors) {
                done, all in
                bar.show(done, of: all)
            }
            bar.end()
        } catch {
            throw CommandFailure("`\(path)` cannot be verified: \(error)")
        }
        print(verification)
        guard verification.isWhole else {
            throw CommandFailure("the audit trail is not what was written: \(verification.findings.count) findings")
        }
    }

    private func verify(_ file: String, by keys: JWKSet) throws {
        let compact = try TextFile.read(file + ".sig").split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        let signature: AuditExportSignature
        do throws(AuditFormatError) { signature = try AuditExportSignature(verifying: compact, keys: keys) } catch {
            throw CommandFailure("the signature of `\(file)` proves nothing: \(error.detail)")
        }
        guard try signature.fits(pieces: try FilePieces(file).next) else {
            throw CommandFailure("`\(file)` is not the file that was signed")
        }
        Swift.print("`\(file)` is what \(signature.actor) exported: \(signature.entries) entries.")
    }

    private func trustedKeys() async throws -> JWKSet {
        do {
            guard let keys else {
                let answer = try await options.withAdmin { try await $0.call(.get, ["audit", "keys"]) }
                return try JWKSet(parsing: answer, from: .registered)
            }
            return try JWKSet(parsing: Array(try TextFile.read(keys).utf8), from: .registered)
        } catch let error as JOSEError {
            throw CommandFailure("these are no keys to verify with: \(error)", code: .usage)
        }
    }

    private func print(_ verification: AuditVerification) {
        switch output.output {
        case .json: Swift.print(verification.json.text)
        case .table:
            Table(columns: [
                .init("node", "node"), .init("entries", "entries"), .init("removed", "removed"),
                .init("last", "last"), .init("fixed outside", "anchored"), .init("hash", "hash"),
            ]).print(verification.json["chains"]?.array ?? [], as: .table)
            Swift.print("\(verification.checkpoints) checkpoints, \(verification.anchors) anchors from outside")
            for finding in verification.findings { Swift.print(finding) }
            if verification.isWhole { Swift.print("Everything is as it was written.") }
        }
    }
}

extension AuditVerification {
    /// The outcome for other programs.
    fileprivate var json: JSONValue {
        .object([
            .init("whole", .bool(isWhole)),
            .init(
                "chains",
                .array(
                    chains.map { chain in
                        .object([
                            .init("node", .string(chain.node)), .init("entries", .int(chain.entries)),
                            .init("removed", .int(chain.removed)), .init("last", .int(chain.end.sequence)),
                            .init("anchored", .int(chain.anchored)),
                            .init("hash", .string(chain.end.hash.description)),
                        ])
                    })),
            .init("checkpoints", .int(Int64(checkpoints))),
            .init("anchors", .int(Int64(anchors))),
            .init(
                "findings",
                .array(
                    findings.map { finding in
                        .object([
                            .init("place", .string(finding.place.description)),
                            .init("fault", .string(finding.fault.rawValue)),
                            .init("detail", .string(finding.detail)),
                        ])
                    })),
        ])
    }
}

/// `chaperone audit keys`: the public keys that sign checkpoints.
struct AuditKeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Prints the public keys of the checkpoints as a JWK set, to be kept elsewhere.",
        discussion: "Example: chaperone audit keys > audit-keys.json")

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        print(try await options.withAdmin { try await $0.call(.get, ["audit", "keys"]) }.text)
    }
}

/// `chaperone audit checkpoint`: fixes what is written now.
struct AuditCheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Makes a signed checkpoint now and prints it, to be kept elsewhere.",
        discussion: "Example: chaperone audit checkpoint >> /mnt/elsewhere/checkpoints.log")

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        let made = try await options.withAdmin { try await $0.call(.post, ["audit", "checkpoints"]) }
        if let text = made["signed"]?.string {
            print(text)
        } else {
            StandardError.write("nothing was written since the last checkpoint\n")
        }
    }
}
