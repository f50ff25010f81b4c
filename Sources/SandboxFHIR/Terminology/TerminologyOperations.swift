internal import FHIRCore

/// The simple forms of the terminology operations, over the code systems and value sets that are stored
/// (FHIR R4 terminology-service §4.7). What goes beyond is refused as not supported.
struct TerminologyOperations {
    let interactions: Interactions

    private var terminology: StoredTerminology { StoredTerminology(search: interactions.search) }

    // MARK: $expand

    /// The concepts of a value set, as a ValueSet with an expansion.
    func expand(_ id: ResourceID?, _ request: SandboxRequest) throws -> SandboxResponse {
        let parameters = try OperationParameters(request)
        try parameters.accept(only: ["url", "valueSet", "valueSetVersion", "filter", "offset", "count"])
        let valueSet = try valueSet(id, parameters)
        var concepts = try terminology.expand(valueSet)
        if let filter = try parameters.text("filter").map(IndexEntry.folded), !filter.isEmpty {
            concepts = concepts.filter { concept in
                IndexEntry.folded("\(concept.code) \(concept.display ?? "")").contains(filter)
            }
        }
        let offset = try parameters.count("offset") ?? 0
        let shown = concepts.dropFirst(offset).prefix(try parameters.count("count") ?? concepts.count)
        let expansion = JSONTree.object([
            ("timestamp", .string(FHIRTime.instant(interactions.transaction.now()))),
            ("total", .int(Int64(concepts.count))), ("offset", .int(Int64(offset))),
            ("contains", shown.isEmpty ? nil : .array(shown.map(Self.json))),
        ])
        return SandboxResponse(
            status: 200, body: .tree(valueSet.keeping { $0 != "compose" }.setting("expansion", to: expansion)))
    }

    private static func json(_ concept: Concept) -> JSONValue {
        JSONTree.object([
            ("system", concept.system.map { .string($0) }), ("version", concept.version.map { .string($0) }),
            ("code", .string(concept.code)), ("display", concept.display.map { .string($0) }),
        ])
    }

    private func valueSet(_ id: ResourceID?, _ parameters: OperationParameters) throws -> JSONValue {
        if let id {
            let key = InstanceKey(type: .valueSet, id: id)
            guard let found = try interactions.transaction.current(key), !found.isDeleted else {
                throw SandboxFailure.notFound("\(key) is not known")
            }
            return try StoreTransaction.parse(found.body)
        }
        if let given = try parameters.value("valueSet") {
            guard given["resourceType"] == "ValueSet" else {
                throw SandboxFailure.invalid("`valueSet` is not a ValueSet")
            }
            return given
        }
        guard let url = try parameters.text("url") else { throw SandboxFailure.invalid("`url` is missing") }
        guard let found = try terminology.find(.valueSet, url, version: try parameters.text("valueSetVersion")) else {
            throw SandboxFailure.notFound("the value set `\(url)` is not stored here")
        }
        return found
    }

    // MARK: $validate-code

    /// Whether a code is in a value set, and its display the one known.
    func validateCode(_ id: ResourceID?, _ request: SandboxRequest) throws -> SandboxResponse {
        let parameters = try OperationParameters(request)
        try parameters.accept(
            only: ["url", "valueSet", "valueSetVersion", "code", "system", "display", "coding", "codeableConcept"])
        let concepts = try terminology.expand(try valueSet(id, parameters))
        let asked = try codings(parameters)
        guard !asked.isEmpty else {
            throw SandboxFailure.invalid("a code is given by `code` and `system`, `coding` or `codeableConcept`")
        }
        var message = "the code is not in the value set"
        for coding in asked {
            guard let found = concepts.first(where: { $0.system == coding.system && $0.code == coding.code }) else {
                continue
            }
            if let display = coding.display, let known = found.display, display != known {
                message = "the display is not the one of the code"
                continue
            }
            return Self.parameters([
                ("result", "valueBoolean", true), ("display", "valueString", found.display.map { .string($0) }),
            ])
        }
        return Self.parameters([
            ("result", "valueBoolean", false), ("message", "valueString", .string(message)),
        ])
    }

    private func codings(_ parameters: OperationParameters) throws -> [Concept] {
        func concept(_ coding: JSONValue) -> Concept? {
            coding["code"]?.string.map {
                Concept(
                    system: coding["system"]?.string, version: nil, code: $0, display: coding["display"]?.string)
            }
        }
        if let coding = try parameters.value("coding") { return [concept(coding)].compactMap { $0 } }
        if let whole = try parameters.value("codeableConcept") {
            return (whole["coding"]?.flattened ?? []).compactMap(concept)
        }
        guard let code = try parameters.text("code") else { return [] }
        guard let system = try parameters.text("system") else {
            throw SandboxFailure.invalid("`code` needs `system` beside it")
        }
        return [Concept(system: system, version: nil, code: code, display: try parameters.text("display"))]
    }

    // MARK: $lookup

    /// What a code system says about a code.
    func lookup(_ request: SandboxRequest) throws -> SandboxResponse {
        let parameters = try OperationParameters(request)
        try parameters.accept(only: ["code", "system", "version", "coding"])
        let coding = try parameters.value("coding")
        guard let code = try coding?["code"]?.string ?? parameters.text("code"),
            let url = try coding?["system"]?.string ?? parameters.text("system")
        else { throw SandboxFailure.invalid("a code is given by `code` and `system` or by `coding`") }
        guard let system = try terminology.find(.codeSystem, url, version: try parameters.text("version")) else {
            throw SandboxFailure.notFound("the code system `\(url)` is not stored here")
        }
        guard let found = StoredTerminology.concepts(of: system).first(where: { $0.tree["code"]?.string == code })
        else { throw SandboxFailure.notFound("the code system `\(url)` has no code `\(code)`") }
        return Self.parameters([
            ("name", "valueString", system["name"] ?? .string(url)), ("version", "valueString", system["version"]),
            ("display", "valueString", found.tree["display"] ?? .string(code)),
            ("definition", "valueString", found.tree["definition"]),
        ])
    }

    // MARK: Answers

    /// A `Parameters` of those that have a value.
    private static func parameters(_ values: [(name: String, member: String, value: JSONValue?)]) -> SandboxResponse {
        let parameters = values.compactMap { name, member, value -> JSONValue? in
            value.map { JSONTree.object([("name", .string(name)), (member, $0)]) }
        }
        return SandboxResponse(
            status: 200, body: .tree(["resourceType": "Parameters", "parameter": .array(parameters)]))
    }
}
