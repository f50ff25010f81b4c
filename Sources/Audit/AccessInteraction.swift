/// What kind of FHIR interaction was attempted, by the codes of `http://hl7.org/fhir/restful-interaction`.
public enum AccessInteraction: String, CaseIterable, Hashable, Sendable {
    case read
    case vread
    case update
    case patch
    case delete
    case historyInstance = "history-instance"
    case historyType = "history-type"
    case historySystem = "history-system"
    case create
    case searchType = "search-type"
    case searchSystem = "search-system"
    case capabilities
    case transaction
    case batch
    case operation
    /// The request was refused before it could be understood; not a code of FHIR.
    case unclassified

    /// Whether it can change what the upstream holds, so that an opening record must come first.
    public var changesUpstream: Bool {
        switch self {
        case .create, .update, .patch, .delete, .transaction, .batch, .operation: true
        case .read, .vread, .historyInstance, .historyType, .historySystem, .searchType, .searchSystem,
            .capabilities, .unclassified:
            false
        }
    }
}
