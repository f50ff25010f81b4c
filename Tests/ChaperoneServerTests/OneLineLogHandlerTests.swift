import ChaperoneServer
import Logging
import Synchronization
import Testing

@Suite struct OneLineLogHandlerTests {
    /// Keeps what would have been written.
    final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    struct Collector: LogHandler {
        let lines: Lines
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        init(_ lines: Lines) { self.lines = lines }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            let words = all.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            lines.all.withLock { $0.append("\(event.message) \(words)") }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
    }

    @Test(arguments: [
        ("a\nb", #"a\u{a}b"#), ("a\r\nb", #"a\u{d}\u{a}b"#), ("a\u{1B}[2Jb", #"a\u{1b}[2Jb"#),
        ("a\u{0}b", #"a\u{0}b"#), ("a\u{2028}b", #"a\u{2028}b"#), ("a\u{202E}b", #"a\u{202e}b"#),
        ("Zoë 李", "Zoë 李"),
    ])
    func `what a stranger sent stays on its line`(text: String, shown: String) {
        let lines = Lines()
        var logger = Logger(label: "test") { _ in OneLineLogHandler(Collector(lines)) }
        logger[metadataKey: "own"] = "\(text)"

        logger.info("\(text)", metadata: ["detail": "\(text)", "list": ["\(text)"], "map": ["key": "\(text)"]])

        let line = lines.all.withLock { $0.first } ?? ""
        #expect(line.hasPrefix("\(shown) detail=\(shown) "))
        #expect(line.hasSuffix(" own=\(shown)"))
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x2028 || $0.value == 0x202E })
    }
}
