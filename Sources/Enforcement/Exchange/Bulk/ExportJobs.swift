public import AccessPolicy

/// The store of export jobs, as far as an exchange needs it.
public struct ExportJobs: Sendable {
    let find: @Sendable (String) throws -> ExportJob?
    let insert: @Sendable (ExportJob) async throws -> Bool
    let locate: @Sendable (String, _ target: String) async throws -> Bool
    let forget: @Sendable (String) async throws -> Bool
    let end: @Sendable (String) async throws -> Bool
    /// Without a store nothing can be exported.
    let isAvailable: Bool

    /// - Parameters:
    ///   - find: the job with an id, over or not.
    ///   - insert: keeps a job that is about to be asked for; false when its client or grant has ended meanwhile.
    ///   - locate: says where the protected server keeps it; false when it is over meanwhile.
    ///   - forget: takes a job away of which no place is known; false when there is none.
    ///   - end: ends a job because its client wants it; false when it is over already.
    public init(
        find: @escaping @Sendable (String) throws -> ExportJob?,
        insert: @escaping @Sendable (ExportJob) async throws -> Bool,
        locate: @escaping @Sendable (String, _ target: String) async throws -> Bool,
        forget: @escaping @Sendable (String) async throws -> Bool,
        end: @escaping @Sendable (String) async throws -> Bool
    ) {
        self.init(find: find, insert: insert, locate: locate, forget: forget, end: end, isAvailable: true)
    }

    private init(
        find: @escaping @Sendable (String) throws -> ExportJob?,
        insert: @escaping @Sendable (ExportJob) async throws -> Bool,
        locate: @escaping @Sendable (String, _ target: String) async throws -> Bool,
        forget: @escaping @Sendable (String) async throws -> Bool,
        end: @escaping @Sendable (String) async throws -> Bool, isAvailable: Bool
    ) {
        self.find = find
        self.insert = insert
        self.locate = locate
        self.forget = forget
        self.end = end
        self.isAvailable = isAvailable
    }

    /// No store, and so no exports.
    public static let none = ExportJobs(
        find: { _ in nil }, insert: { _ in false }, locate: { _, _ in false }, forget: { _ in false },
        end: { _ in false }, isAvailable: false)

    /// Makes a change; whatever goes wrong has made none.
    public func perform(_ change: ExportJobChange) async -> ExportJobChange.Outcome {
        do {
            switch change {
            case .insert(let job): return try await insert(job) ? .done : .refused
            case .locate(let id, let target): return try await locate(id, target) ? .done : .refused
            case .forget(let id): return try await forget(id) ? .done : .refused
            case .end(let id): return try await end(id) ? .done : .refused
            }
        } catch {
            return .failed
        }
    }
}

/// What an exchange wants changed among the export jobs.
public enum ExportJobChange: Hashable, Sendable {
    /// What came of it.
    public enum Outcome: Hashable, Sendable, CaseIterable {
        case done
        /// The job is over, or its client is.
        case refused
        /// It is not known whether it was done.
        case failed
    }

    /// A job that is about to be asked for.
    case insert(ExportJob)
    /// Where the protected server keeps it.
    case locate(String, at: String)
    /// Because nothing came of it, or nothing that has a place.
    case forget(String)
    /// Because its client wants it.
    case end(String)
}
