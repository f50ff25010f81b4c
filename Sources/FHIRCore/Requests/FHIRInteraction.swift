/// Everything that can be asked of a FHIR R4 server through its REST API (http.html), and nothing else.
public enum FHIRInteraction: Hashable, Sendable {
    case capabilities
    case read(InstanceKey)
    case vread(InstanceKey, VersionID)
    case instanceHistory(InstanceKey)
    case typeHistory(ResourceType)
    case systemHistory
    case search(ResourceType)
    case searchSystem
    /// The type is nil for `*`.
    case searchCompartment(CompartmentKind, ResourceID, ResourceType?)
    case create(ResourceType)
    case conditionalCreate(ResourceType)
    case update(InstanceKey)
    case conditionalUpdate(ResourceType)
    case patch(InstanceKey)
    case conditionalPatch(ResourceType)
    case delete(InstanceKey)
    case conditionalDelete(ResourceType)
    case batch
    case transaction
    /// The name is without its `$`.
    case operation(name: String, OperationLevel)
    /// A page link of ours: the opaque text after `_page/`.
    case page(String)
}

/// Where an operation is called.
public enum OperationLevel: Hashable, Sendable {
    case system
    case type(ResourceType)
    case instance(InstanceKey)
}

extension FHIRInteraction {
    /// Whether the interaction can change what is stored; an operation is taken to, until its descriptor says no.
    public var isWrite: Bool {
        switch self {
        case .create, .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch, .delete,
            .conditionalDelete, .batch, .transaction, .operation:
            true
        case .capabilities, .read, .vread, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem,
            .searchCompartment, .page:
            false
        }
    }

    /// The code of the interaction in R4's TypeRestfulInteraction and SystemRestfulInteraction value sets, where it
    /// has one; `operation` and `page` otherwise.
    public var code: String {
        switch self {
        case .capabilities: "capabilities"
        case .read: "read"
        case .vread: "vread"
        case .instanceHistory: "history-instance"
        case .typeHistory: "history-type"
        case .systemHistory: "history-system"
        case .search: "search-type"
        case .searchSystem: "search-system"
        case .searchCompartment: "search-compartment"
        case .create, .conditionalCreate: "create"
        case .update, .conditionalUpdate: "update"
        case .patch, .conditionalPatch: "patch"
        case .delete, .conditionalDelete: "delete"
        case .batch: "batch"
        case .transaction: "transaction"
        case .operation: "operation"
        case .page: "page"
        }
    }

    /// The one type that the interaction names, if it names one.
    public var type: ResourceType? {
        switch self {
        case .read(let key), .vread(let key, _), .instanceHistory(let key), .update(let key), .patch(let key),
            .delete(let key):
            key.type
        case .typeHistory(let type), .search(let type), .create(let type), .conditionalCreate(let type),
            .conditionalUpdate(let type), .conditionalPatch(let type), .conditionalDelete(let type):
            type
        case .searchCompartment(_, _, let type): type
        case .operation(_, .type(let type)): type
        case .operation(_, .instance(let key)): key.type
        case .operation(_, .system), .capabilities, .systemHistory, .searchSystem, .batch, .transaction, .page: nil
        }
    }

    /// The one instance that the interaction names, if it names one.
    public var instance: InstanceKey? {
        switch self {
        case .read(let key), .vread(let key, _), .instanceHistory(let key), .update(let key), .patch(let key),
            .delete(let key), .operation(_, .instance(let key)):
            key
        case .capabilities, .typeHistory, .systemHistory, .search, .searchSystem, .searchCompartment, .create,
            .conditionalCreate, .conditionalUpdate, .conditionalPatch, .conditionalDelete, .batch, .transaction,
            .operation, .page:
            nil
        }
    }
}

extension FHIRInteraction {
    /// Most bytes in the name of a further page; with the path before it, it must fit into a request line of 8 KiB.
    public static let longestPage = 7_000
}
