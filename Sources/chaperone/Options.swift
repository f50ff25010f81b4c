internal import ArgumentParser
internal import ChaperoneServer
internal import FHIRCore
internal import OAuthCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// How a result is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}

/// The option that every command has.
struct OutputOptions: ParsableArguments {
    @Option(help: "How to print: table or json.")
    var output: OutputFormat = .table
}

/// Where the configuration is.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .customLong("config"), help: "The configuration file (default: chaperone.yaml when it is there).")
    var file: String?

    @Flag(help: "Demo accounts, clients and synthetic members. Loopback only.")
    var demo = false

    @Option(name: .customLong("set"), help: ArgumentHelp("Overrides one setting.", valueName: "key=value"))
    var settings: [String] = []

    /// The file that is read; nil when there is none.
    var path: String? {
        if let file { return file }
        if let named = Environment.all["CHAPERONE_CONFIG"] { return named }
        return access("chaperone.yaml", R_OK) == 0 ? "chaperone.yaml" : nil
    }

    /// Reads file, environment and flags.
    func load(assumingDemo: Bool = false) throws -> Configuration {
        var text: String?
        if let path {
            guard let bytes = try? TextFile.read(path) else {
                throw CommandFailure("the configuration `\(path)` cannot be read", code: .usage)
            }
            text = bytes
        }
        let flags = try settings.map { setting in
            guard let equals = setting.firstIndex(of: "=") else {
                throw ValidationError("--set wants key=value, not `\(setting)`")
            }
            return (key: String(setting[..<equals]), value: String(setting[setting.index(after: equals)...]))
        }
        do {
            let source = ConfigurationSource(yaml: text, environment: Environment.all, flags: flags)
            return try Configuration(settings: try source.settings(), isDemo: demo || assumingDemo)
        } catch {
            let name = path ?? "configuration"
            throw CommandFailure(
                error.problems.map { "\(name): \($0)" }.joined(separator: "\nchaperone: "), code: .usage)
        }
    }
}

/// The process's environment.
enum Environment {
    static var all: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee.map({ String(cString: $0) }) {
            if let equals = text.firstIndex(of: "=") {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            entry += 1
        }
        return result
    }
}

/// Small text files and the standard input.
enum TextFile {
    struct Unreadable: Error, CustomStringConvertible {
        let path: String
        var description: String { "`\(path)` cannot be read" }
    }

    /// A whole file as text; `-` is the standard input.
    static func read(_ path: String, limit: Int = 4 << 20) throws -> String {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Unreadable(path: path) }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw Unreadable(path: path) }
            if count == 0 { break }
            bytes += buffer[..<count]
            if bytes.count > limit { throw Unreadable(path: path) }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Unreadable(path: path) }
        return text
    }

    /// A secret: the first line of a file or of the standard input, without its line end.
    static func readSecret(_ path: String) throws -> Secret {
        let line = try read(path).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        guard !line.isEmpty else { throw CommandFailure("`\(path)` is empty") }
        return Secret(line.hasSuffix("\r") ? String(line.dropLast()) : String(line))
    }
}
