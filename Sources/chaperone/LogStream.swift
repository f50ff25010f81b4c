internal import ChaperoneServer
internal import Logging

/// The log of the process: lines on the error stream.
enum LogStream {
    static func logger(_ level: Configuration.LogSettings.Level) -> Logger {
        var logger = Logger(label: "chaperone") { OneLineLogHandler(StreamLogHandler.standardError(label: $0)) }
        switch level {
        case .debug: logger.logLevel = .debug
        case .info: logger.logLevel = .info
        case .notice: logger.logLevel = .notice
        case .warning: logger.logLevel = .warning
        case .error: logger.logLevel = .error
        }
        return logger
    }
}
