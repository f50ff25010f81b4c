internal import ArgumentParser

#if canImport(Glibc)
    internal import Glibc
#endif

/// The command line. Exit codes: 0 ok · 1 failed · 2 usage · 3 refused by policy · 4 waiting for approval · 5 conflict.
@main
struct Chaperone: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaperone",
        abstract: "SMART on FHIR authorization: who may read which health record, and who did.",
        discussion: """
            Example: chaperone serve --demo

            Exit codes: 0 ok, 1 failed, 2 usage, 3 refused by policy, 4 waiting for approval, 5 conflict.
            """,
        version: "0.1.0",
        subcommands: [
            ServeCommand.self, ConfigCommand.self, MigrateCommand.self, SandboxCommand.self, UserCommand.self,
            ClientCommand.self, GrantCommand.self, AuditCommand.self, KeyCommand.self, RevokeCommand.self,
            ReinstateCommand.self,
            ExplainCommand.self, MirrorCommand.self,
        ])

    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        // A limit on the size of files is a full disk to whoever writes, and no reason to end.
        signal(SIGXFSZ, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            StandardError.write("chaperone: \(failure.message)\n")
            end(failure.code.rawValue)
        } catch {
            let code = exitCode(for: error)
            // Help and version come this way too, with success.
            if code == .success { exit(withError: error) }
            let isUsage = code == .validationFailure
            StandardError.write(isUsage ? fullMessage(for: error) + "\n" : "chaperone: \(error)\n")
            end(isUsage ? ExitStatus.usage.rawValue : ExitStatus.failed.rawValue)
        }
    }

    /// Ends the process; `exit` alone would be ArgumentParser's.
    private static func end(_ code: Int32) -> Never { Glibc.exit(code) }
}

/// How a command ended, as scripts see it (surface.md §6).
enum ExitStatus: Int32 {
    case ok = 0
    case failed = 1
    case usage = 2
    case refused = 3
    case waiting = 4
    case conflict = 5
}

/// A command that could not do what it was asked, with what to say and the exit code.
struct CommandFailure: Error {
    let code: ExitStatus
    let message: String

    init(_ message: String, code: ExitStatus = .failed) {
        self.code = code
        self.message = message
    }
}

/// The error stream.
enum StandardError {
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        // When nobody can be told, there is nobody to tell.
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }

    /// Whether somebody is watching.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
