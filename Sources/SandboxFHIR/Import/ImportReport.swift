public import FHIRCore

/// What an import did: counts by type, and each thing that was not loaded as it stood.
public struct ImportReport: Hashable, Sendable {
    /// What happened to the resources of one type.
    public struct Counts: Hashable, Sendable {
        /// Resources that were not there before.
        public var created = 0
        /// Resources that got a new version.
        public var updated = 0
        /// Resources that were there with the same content.
        public var unchanged = 0
        /// Entries whose `ifNoneExist` found a resource, which stands for them.
        public var matched = 0

        /// States counts.
        public init(created: Int = 0, updated: Int = 0, unchanged: Int = 0, matched: Int = 0) {
            (self.created, self.updated, self.unchanged, self.matched) = (created, updated, unchanged, matched)
        }

        /// All of them.
        public var total: Int { created + updated + unchanged + matched }
    }

    /// Something that was not loaded, or not as it stood.
    public struct Problem: Hashable, Sendable, CustomStringConvertible {
        /// The path of the file.
        public let file: String
        /// Where in the file, such as `entry[3]` or `line 4`; `nil` for the file as a whole.
        public let place: String?
        /// What was wrong.
        public let reason: String

        /// File, place and reason in one line.
        public var description: String { "\(file)\(place.map { " \($0)" } ?? ""): \(reason)" }
    }

    /// A reference to something that is not in the store; it was loaded as it stood.
    public struct DanglingReference: Hashable, Sendable {
        /// The reference as it is stored.
        public let reference: String
        /// One resource that has it.
        public let firstSource: InstanceKey
        /// How many times it was met.
        public var count: Int
    }

    /// The counts by type.
    public internal(set) var byType: [ResourceType: Counts] = [:]
    /// How many files were read to their end.
    public internal(set) var filesRead = 0
    /// In the order in which they were met.
    public internal(set) var problems: [Problem] = []
    /// In the order of their text.
    public internal(set) var danglingReferences: [DanglingReference] = []

    /// How many resources were loaded or found to be there.
    public var total: Int { byType.values.reduce(0) { $0 + $1.total } }
}

/// How far an import is.
public struct ImportProgress: Hashable, Sendable {
    /// The file that has just been read.
    public let file: String
    /// Its place among the files, from 1.
    public let fileNumber: Int
    /// How many files there are.
    public let fileCount: Int
    /// How many resources were met so far.
    public let resources: Int
}
