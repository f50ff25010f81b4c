extension FHIRInteraction {
    /// Which interaction a method on a path is (FHIR R4 http.html), before body and query are looked at.
    ///
    /// Conditional forms are told from their plain ones by the path alone, a conditional create by `hasCondition`.
    /// A POST to the base comes out as ``transaction``; its body says whether it is that or a batch.
    static func classify(
        _ method: FHIRRequest.Method, _ path: RequestPath, hasCondition: Bool
    ) throws(RequestRefusal) -> FHIRInteraction {
        let segments = path.segments
        guard let first = segments.first else { return try base(method) }
        if segments.contains(where: { if case .operation = $0 { true } else { false } }) {
            return try operation(method, segments)
        }
        switch first {
        case .name("metadata"):
            try require(segments.count == 1, else: .unknownPath)
            return try only(method, .get, .capabilities)
        case .search:
            try require(segments.count == 1, else: .unknownPath)
            return try only(method, .post, .searchSystem)
        case .history:
            try require(segments.count == 1, else: .unknownPath)
            return try only(method, .get, .systemHistory)
        case .page:
            guard segments.count == 2, case .opaque(let text) = segments[1] else { throw .unknownPath }
            return try only(method, .get, .page(text))
        case .name(let name):
            let type = try type(name)
            return try below(type, method, Array(segments.dropFirst()), hasCondition: hasCondition)
        case .operation, .opaque, .star: throw .unknownPath
        }
    }

    private static func base(_ method: FHIRRequest.Method) throws(RequestRefusal) -> FHIRInteraction {
        switch method {
        case .get, .head: .searchSystem
        case .post: .transaction
        case .put, .patch, .delete, .options, .other: throw .method
        }
    }

    /// What stands after `Type`.
    private static func below(
        _ type: ResourceType, _ method: FHIRRequest.Method, _ rest: [RequestPath.Segment], hasCondition: Bool
    ) throws(RequestRefusal) -> FHIRInteraction {
        guard let second = rest.first else { return try onType(type, method, hasCondition: hasCondition) }
        switch second {
        case .search:
            try require(rest.count == 1, else: .unknownPath)
            return try only(method, .post, .search(type))
        case .history:
            try require(rest.count == 1, else: .unknownPath)
            return try only(method, .get, .typeHistory(type))
        case .name(let text):
            guard let id = ResourceID(text) else { throw .unknownPath }
            return try below(InstanceKey(type: type, id: id), method, Array(rest.dropFirst()))
        case .operation, .opaque, .page, .star: throw .unknownPath
        }
    }

    private static func onType(
        _ type: ResourceType, _ method: FHIRRequest.Method, hasCondition: Bool
    ) throws(RequestRefusal) -> FHIRInteraction {
        switch method {
        case .get, .head: .search(type)
        case .post: hasCondition ? .conditionalCreate(type) : .create(type)
        case .put: .conditionalUpdate(type)
        case .patch: .conditionalPatch(type)
        case .delete: .conditionalDelete(type)
        case .options, .other: throw .method
        }
    }

    /// What stands after `Type/id`.
    private static func below(
        _ key: InstanceKey, _ method: FHIRRequest.Method, _ rest: [RequestPath.Segment]
    ) throws(RequestRefusal) -> FHIRInteraction {
        switch (rest.count, rest.first) {
        case (0, _):
            switch method {
            case .get, .head: return .read(key)
            case .put: return .update(key)
            case .patch: return .patch(key)
            case .delete: return .delete(key)
            case .post, .options, .other: throw .method
            }
        case (1, .history?): return try only(method, .get, .instanceHistory(key))
        case (2, .history?):
            guard case .name(let text) = rest[1], let version = VersionID(text) else { throw .unknownPath }
            return try only(method, .get, .vread(key, version))
        case (1, .star?):
            return try only(method, .get, .searchCompartment(try compartment(key), key.id, nil))
        case (1, .name(let name)?):
            let type = try type(name)
            return try only(method, .get, .searchCompartment(try compartment(key), key.id, type))
        default: throw .unknownPath
        }
    }

    /// `$name` on the base, a type or an instance; nothing follows it.
    private static func operation(
        _ method: FHIRRequest.Method, _ segments: [RequestPath.Segment]
    ) throws(RequestRefusal) -> FHIRInteraction {
        guard case .operation(let name)? = segments.last, segments.count <= 3 else { throw .unknownPath }
        var level = OperationLevel.system
        if segments.count >= 2 {
            guard case .name(let typeName) = segments[0] else { throw .unknownPath }
            let type = try type(typeName)
            level = .type(type)
            if segments.count == 3 {
                guard case .name(let text) = segments[1], let id = ResourceID(text) else { throw .unknownPath }
                level = .instance(InstanceKey(type: type, id: id))
            }
        }
        switch method {
        case .get, .head, .post: return .operation(name: name, level)
        case .put, .patch, .delete, .options, .other: throw .method
        }
    }

    private static func type(_ name: String) throws(RequestRefusal) -> ResourceType {
        guard let type = ResourceType(rawValue: name) else { throw .unknownType }
        return type
    }

    private static func compartment(_ key: InstanceKey) throws(RequestRefusal) -> CompartmentKind {
        guard let kind = CompartmentKind(key.type) else { throw .unknownPath }
        return kind
    }

    private static func require(_ condition: Bool, else refusal: RequestRefusal) throws(RequestRefusal) {
        if !condition { throw refusal }
    }

    /// The interaction if the method is the one that it has; HEAD goes where GET goes.
    private static func only(
        _ method: FHIRRequest.Method, _ expected: FHIRRequest.Method, _ interaction: FHIRInteraction
    ) throws(RequestRefusal) -> FHIRInteraction {
        guard method == expected || (method == .head && expected == .get) else { throw .method }
        return interaction
    }
}
