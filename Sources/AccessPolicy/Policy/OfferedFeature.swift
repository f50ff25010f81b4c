public import FHIRCore

/// One interaction of FHIR R4 as the gateway offers it or not: the only table of what is advertised.
///
/// The public CapabilityStatement is derived from it, and a test asks the gateway for every row and type, so that what
/// is advertised works and what works is advertised. Whoever builds a further interaction changes `isOffered` here.
public enum OfferedFeature: String, Hashable, Sendable, CaseIterable {
    case read
    case vread
    case historyInstance = "history-instance"
    case historyType = "history-type"
    case historySystem = "history-system"
    case searchType = "search-type"
    case searchSystem = "search-system"
    case searchCompartment = "search-compartment"
    case create
    case conditionalCreate = "conditional-create"
    case update
    case conditionalUpdate = "conditional-update"
    case patch
    case conditionalPatch = "conditional-patch"
    case delete
    case conditionalDelete = "conditional-delete"
    case batch
    case transaction

    /// Where the CapabilityStatement tells of it.
    public enum Place: Hashable, Sendable {
        /// `rest.resource.interaction.code`.
        case typeInteraction
        /// `rest.interaction.code`.
        case systemInteraction
        /// An element of its own in `rest.resource`, or nowhere.
        case element
    }

    /// Whether it is built at all.
    public var isOffered: Bool {
        switch self {
        case .read, .vread, .historyInstance, .historyType, .historySystem, .searchType, .searchSystem,
            .searchCompartment, .create, .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch,
            .delete, .conditionalDelete, .batch, .transaction:
            true
        }
    }

    /// The interactions that the protected server must offer for it: most are what they are called, a patch is computed
    /// here and stored as an update, and so on (enforcer digest b.4).
    public var needs: Set<String> {
        switch self {
        case .read, .vread, .historyType, .historySystem, .transaction: [rawValue]
        // Taken apart here.
        case .searchSystem, .batch: []
        // The stored version is judged before its history is asked for.
        case .historyInstance: ["history-instance", "read"]
        case .searchType, .searchCompartment: ["search-type"]
        case .create: ["create"]
        case .conditionalCreate: ["create", "search-type"]
        // What is replaced is read first.
        case .update, .patch: ["update", "read"]
        case .conditionalUpdate, .conditionalPatch: ["update", "read", "search-type"]
        case .delete: ["delete", "read"]
        case .conditionalDelete: ["delete", "read", "search-type"]
        }
    }

    /// Where it is told of.
    public var place: Place {
        switch self {
        case .read, .vread, .historyInstance, .historyType, .searchType, .create, .update, .patch, .delete:
            .typeInteraction
        case .historySystem, .searchSystem, .batch, .transaction: .systemInteraction
        case .searchCompartment, .conditionalCreate, .conditionalUpdate, .conditionalPatch, .conditionalDelete: .element
        }
    }

    /// Whether it changes what is stored.
    public var isWrite: Bool {
        switch self {
        case .create, .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch, .delete,
            .conditionalDelete, .batch, .transaction:
            true
        case .read, .vread, .historyInstance, .historyType, .historySystem, .searchType, .searchSystem,
            .searchCompartment:
            false
        }
    }

    /// Whether some token could have it on a type: with a grant for everyone, because nothing reaches further.
    public func isOffered(on rule: TypeRule) -> Bool {
        guard isOffered, !rule.wrapsOthers else { return false }
        if isWrite { return !rule.bearsPolicy || rule.typeClass != .conformance }
        return self != .searchCompartment || (rule.typeClass == .compartment && rule.narrowingParameter != nil)
    }
}

extension SearchParameter {
    /// Whether a search by it is served; some have a meaning that cannot be judged (enforcer digest b.5).
    public var isOffered: Bool { !ParameterGate.refusedNames.contains(code) }
}
