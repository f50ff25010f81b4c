internal import AccessPolicy
public import Authorization
public import Enforcement

extension ExportJobs {
    /// The jobs of a store.
    public static func kept(in store: any ExportJobStore) -> ExportJobs {
        ExportJobs(
            find: { try store.job($0) }, insert: { try await store.insert($0) },
            locate: { try await store.locate($0, at: $1) }, forget: { try await store.forget($0) },
            end: { try await store.end($0, because: .deleted) })
    }
}
