internal import FHIRCore

/// An operation that the sandbox performs, with what it is called on.
enum SandboxOperation: Hashable {
    /// `Patient/$everything` or `Patient/x/$everything`.
    case everything(ResourceID?)
    /// `DocumentReference/$docref` (US Core).
    case documents
    /// `Observation/$lastn`.
    case lastObservations
    /// `ValueSet/$expand`, `ValueSet/x/$expand`.
    case expand(ResourceID?)
    /// `ValueSet/$validate-code`, `ValueSet/x/$validate-code`.
    case validateCode(ResourceID?)
    /// `CodeSystem/$lookup`.
    case lookup

    /// The operation of a name on a place, when there is one.
    init?(_ name: String, on type: ResourceType, id: ResourceID?) {
        switch (name, type) {
        case ("$everything", .patient): self = .everything(id)
        case ("$docref", .documentReference) where id == nil: self = .documents
        case ("$lastn", .observation) where id == nil: self = .lastObservations
        case ("$expand", .valueSet): self = .expand(id)
        case ("$validate-code", .valueSet): self = .validateCode(id)
        case ("$lookup", .codeSystem) where id == nil: self = .lookup
        default: return nil
        }
    }
}

/// The parameters of an operation, from the query and the `Parameters` of the body.
struct OperationParameters {
    /// In their order; a value of the query is a string.
    let values: [(name: String, value: JSONValue)]

    init(_ request: SandboxRequest) throws {
        var values = request.query.pairs.filter { !OperationParameters.formats.contains($0.name) }
            .map { (name: $0.name, value: JSONValue.string($0.value)) }
        if request.method == "POST", request.resource != nil || !request.body.isEmpty {
            let tree = try request.resource ?? StoreTransaction.parse(request.body)
            guard tree["resourceType"] == "Parameters" else {
                throw SandboxFailure.invalid("an operation takes a `Parameters` resource")
            }
            for parameter in tree["parameter"]?.flattened ?? [] {
                guard let name = parameter["name"]?.string else {
                    throw SandboxFailure.invalid("a parameter has no `name`")
                }
                let value = parameter.object?.first { $0.name.hasPrefix("value") || $0.name == "resource" }?.value
                guard let value else { throw SandboxFailure.invalid("the parameter `\(name)` has no value") }
                values.append((name, value))
            }
        }
        self.values = values
    }

    private static let formats: Set<String> = ["_format", "_pretty"]

    /// Refuses a call with a parameter that the operation does not know here.
    func accept(only names: Set<String>) throws {
        if let other = values.first(where: { !names.contains($0.name) }) {
            throw SandboxFailure.notSupported("the parameter `\(other.name)` is not known to the operation here")
        }
    }

    /// The one value of a parameter.
    func value(_ name: String) throws -> JSONValue? {
        let found = values.filter { $0.name == name }
        guard found.count < 2 else { throw SandboxFailure.invalid("`\(name)` is given more than once") }
        return found.first?.value
    }

    /// The one value of a primitive parameter, as it would be written in a query.
    func text(_ name: String) throws -> String? {
        guard let value = try value(name) else { return nil }
        guard let text = value.string ?? value.numberText ?? value.bool.map({ String($0) }) else {
            throw SandboxFailure.invalid("`\(name)` is not a primitive value")
        }
        return text
    }

    /// All values of a primitive parameter, each split at its commas.
    func list(_ name: String) -> [String] {
        values.filter { $0.name == name }.compactMap(\.value.string)
            .flatMap { $0.split(separator: ",").map { String($0).trimmed } }
    }

    /// A whole number that is not negative.
    func count(_ name: String) throws -> Int? {
        guard let text = try text(name) else { return nil }
        guard let number = Int(text), number >= 0 else { throw SandboxFailure.invalid("`\(name)` is not a number") }
        return number
    }

    /// A moment, of which an operation looks at what came later.
    func instant(_ name: String) throws -> Range<Int64>? {
        guard let text = try text(name) else { return nil }
        guard let range = FHIRTime.range(text) else { throw SandboxFailure.invalid("`\(name)` is not a date or time") }
        return range
    }

    /// The types that a parameter lists; `nil` when it is not given.
    func types(_ name: String) throws -> Set<ResourceType>? {
        guard values.contains(where: { $0.name == name }) else { return nil }
        return Set(
            try list(name).map { text in
                guard let type = ResourceType(rawValue: text) else {
                    throw SandboxFailure.invalid("`\(text)` is not a resource type of R4")
                }
                return type
            })
    }

    /// The primitive parameters as they stand in a link, without the place of a page.
    var query: QueryString {
        QueryString(
            values.compactMap { name, value in
                guard name != "_cursor" else { return nil }
                return (value.string ?? value.numberText ?? value.bool.map { String($0) })
                    .map { QueryString.Pair(name: name, value: $0) }
            })
    }
}
