internal import FHIRCore

/// `Observation/$lastn`: the newest observations of each code (FHIR R4 observation-operation-lastn).
struct LastObservationsOperation {
    let interactions: Interactions

    func respond(_ request: SandboxRequest) throws -> SandboxResponse {
        let parameters = try OperationParameters(request)
        let maximum = try parameters.count("max") ?? 1
        guard maximum > 0 else { throw SandboxFailure.invalid("`max` is not above zero") }
        let pairs = parameters.query.pairs.filter { $0.name != "max" }
        func has(_ codes: Set<String>) -> Bool { pairs.contains { codes.contains(Criterion($0).code) } }
        guard has(["patient", "subject"]) else { throw SandboxFailure.invalid("`$lastn` needs `patient` or `subject`") }
        guard has(["category", "code", "combo-code", "component-code"]) else {
            throw SandboxFailure.invalid("`$lastn` needs `category` or `code`")
        }
        if let control = pairs.first(where: { SearchControls.names.contains(Criterion($0).code) }) {
            throw SandboxFailure.notSupported("`\(control.name)` is not known to the operation here")
        }
        let newest = try interactions.search.everyMatch(
            .observation, QueryString(pairs + [QueryString.Pair(name: "_sort", value: "-date")]))
        var taken: [String: Int] = [:]
        var found: [StoredResource] = []
        for observation in newest {
            let code = try Self.code(of: observation)
            guard taken[code, default: 0] < maximum else { continue }
            taken[code, default: 0] += 1
            found.append(observation)
        }
        return try interactions.searchset(found, path: "Observation/$lastn", parameters.query)
    }

    /// What tells one measurement from another: the first coding, else the text.
    private static func code(of observation: StoredResource) throws -> String {
        let concept = try StoreTransaction.parse(observation.body)["code"]
        if let coding = concept?["coding"]?.flattened.first {
            return "\(coding["system"]?.string ?? "")|\(coding["code"]?.string ?? "")"
        }
        return IndexEntry.folded(concept?["text"]?.string ?? "")
    }
}

/// `DocumentReference/$docref`: the documents there are about a patient (US Core 6.1).
///
/// The sandbox makes no documents of its own, so `on-demand` finds none.
struct DocumentsOperation {
    let interactions: Interactions

    private static let parameters: Set<String> = ["patient", "start", "end", "type", "on-demand", "profile"]

    func respond(_ request: SandboxRequest) throws -> SandboxResponse {
        let parameters = try OperationParameters(request)
        try parameters.accept(only: Self.parameters)
        guard let patient = try parameters.text("patient") else {
            throw SandboxFailure.invalid("`$docref` needs `patient`")
        }
        var pairs = [
            QueryString.Pair(name: "patient", value: patient), QueryString.Pair(name: "_sort", value: "-date"),
            QueryString.Pair(name: "status", value: "current"),
        ]
        if let start = try parameters.text("start") {
            pairs.append(QueryString.Pair(name: "period", value: "ge\(start)"))
        }
        if let end = try parameters.text("end") { pairs.append(QueryString.Pair(name: "period", value: "le\(end)")) }
        if let type = try type(parameters) { pairs.append(QueryString.Pair(name: "type", value: type)) }
        var found = try interactions.search.everyMatch(.documentReference, QueryString(pairs))
        if let profile = try parameters.text("profile") {
            found = try found.filter { document in
                let contents = try StoreTransaction.parse(document.body)["content"]?.flattened ?? []
                return contents.contains { $0["format"]?["code"]?.string == profile }
            }
        }
        if try parameters.text("on-demand") == "true" { found = [] }
        return try interactions.searchset(found, path: "DocumentReference/$docref", parameters.query)
    }

    /// The type as a token, from a CodeableConcept, a Coding or a token of the query.
    private func type(_ parameters: OperationParameters) throws -> String? {
        guard let value = try parameters.value("type") else { return nil }
        if let text = value.string { return text }
        let codings = value["coding"]?.flattened ?? [value]
        let tokens = codings.compactMap { coding in
            coding["code"]?.string.map { "\(coding["system"].flatMap(\.string).map { "\($0)|" } ?? "")\($0)" }
        }
        guard !tokens.isEmpty else { throw SandboxFailure.invalid("`type` has no code") }
        return tokens.joined(separator: ",")
    }
}
