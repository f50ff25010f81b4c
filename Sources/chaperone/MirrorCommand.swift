internal import ArgumentParser
internal import ChaperoneServer
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#endif

/// `chaperone mirror`: what would leak or break today, before anything is switched.
struct MirrorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirror", abstract: "Decides copies of a site's requests, serves nothing, and reports.",
        discussion: """
            Example: chaperone mirror --config chaperone.yaml --report ./mirror
                     chaperone mirror --config chaperone.yaml --report ./mirror --log access.log

            Without --log it listens for the copies that an nginx `mirror` sends, until it is told to stop, and answers
            each with 204. docs/mirror.md has both set-ups.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The folder for mirror.html and mirror.json.")
    var report: String

    @Option(help: ArgumentHelp("An access log instead of a listener; `-` for the standard input.", valueName: "file"))
    var log: String?

    @Option(help: "The address to listen on.")
    var listen: String = "127.0.0.1:8085"

    func run() async throws {
        let configuration = try options.load()
        let site = try MirrorSite(configuration: configuration)
        let report = try MirrorReport(directory: report)
        guard let log else {
            guard let address = ListenAddress(listen) else {
                throw ValidationError("--listen wants HOST:PORT, not `\(listen)`")
            }
            let runner = MirrorRunner(
                site: site, address: address, report: report, logger: LogStream.logger(configuration.log.level))
            return try await runner.run()
        }
        for try await line in try LineReader(path: log) { await site.see(line: line) }
        try report.write(site.report)
    }
}

/// The lines of a file or of the standard input, one at a time; what is too long to be one is cut.
struct LineReader: AsyncSequence, AsyncIteratorProtocol {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var isAtEnd = false

    private static let longest = 64 << 10

    init(path: String) throws {
        descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TextFile.Unreadable(path: path) }
    }

    func makeAsyncIterator() -> LineReader { self }

    mutating func next() async throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                return line
            }
            if isAtEnd || buffer.count >= Self.longest {
                guard !buffer.isEmpty else { return nil }
                defer { buffer = [] }
                return String(decoding: buffer, as: UTF8.self)
            }
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw CommandFailure("the log cannot be read") }
            if count == 0 { isAtEnd = true } else { buffer += chunk[..<count] }
        }
    }
}
