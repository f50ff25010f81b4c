/// One mistake in the configuration: where, which key, what is wrong.
public struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
    /// Where it was written; nil when something is missing altogether.
    public let origin: Setting.Origin?
    /// The key with its parents, joined by full stops; empty for the whole file.
    public let path: String
    public let message: String

    public init(origin: Setting.Origin?, path: String, message: String) {
        self.origin = origin
        self.path = path
        self.message = message
    }

    /// `line 4: listeners.admin.port: …`
    public var description: String {
        [origin?.description, path.isEmpty ? nil : path, message].compactMap { $0 }.joined(separator: ": ")
    }
}

/// The configuration cannot be used; lists every mistake that was found, not only the first.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    public init(_ problems: [ConfigurationProblem]) { self.problems = problems }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
