internal import Audit
internal import FHIRCore

/// An interaction in the words of the record.
struct RecordedTarget {
    var interaction: AccessInteraction
    var type: ResourceType?
    var id: ResourceID?
    var version: VersionID?
    var operation: String?
    /// The compartment that is searched, as a reference.
    var compartment: String?

    /// Labelled, because several interactions bear one name in both vocabularies: without the label `.searchSystem`
    /// would mean the initialiser below, for ever.
    private init(
        as interaction: AccessInteraction, _ type: ResourceType? = nil, _ id: ResourceID? = nil,
        version: VersionID? = nil, operation: String? = nil, compartment: String? = nil
    ) {
        self.interaction = interaction
        self.type = type
        self.id = id
        self.version = version
        self.operation = operation
        self.compartment = compartment
    }

    init(_ interaction: FHIRInteraction) {
        switch interaction {
        case .capabilities: self.init(as: .capabilities)
        case .read(let key): self.init(as: .read, key.type, key.id)
        case .vread(let key, let version): self.init(as: .vread, key.type, key.id, version: version)
        case .instanceHistory(let key): self.init(as: .historyInstance, key.type, key.id)
        case .typeHistory(let type): self.init(as: .historyType, type)
        case .systemHistory: self.init(as: .historySystem)
        case .search(let type): self.init(as: .searchType, type)
        case .searchSystem: self.init(as: .searchSystem)
        case .searchCompartment(let kind, let id, let type):
            self.init(as: .searchType, type, compartment: "\(kind.rawValue)/\(id.text)")
        case .create(let type), .conditionalCreate(let type): self.init(as: .create, type)
        case .update(let key): self.init(as: .update, key.type, key.id)
        case .conditionalUpdate(let type): self.init(as: .update, type)
        case .patch(let key): self.init(as: .patch, key.type, key.id)
        case .conditionalPatch(let type): self.init(as: .patch, type)
        case .delete(let key): self.init(as: .delete, key.type, key.id)
        case .conditionalDelete(let type): self.init(as: .delete, type)
        case .batch: self.init(as: .batch)
        case .transaction: self.init(as: .transaction)
        case .operation(let name, let level): self.init(operation: name, level)
        case .page: self.init(as: .unclassified)
        }
    }

    private init(operation name: String, _ level: OperationLevel) {
        switch level {
        case .system: self.init(as: .operation, operation: "$" + name)
        case .type(let type): self.init(as: .operation, type, operation: "$" + name)
        case .instance(let key): self.init(as: .operation, key.type, key.id, operation: "$" + name)
        }
    }
}
