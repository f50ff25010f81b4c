internal import FHIRCore

/// Performs a transaction: all entries or none, references between them resolved (FHIR R4 http §3.1.0.11.2).
struct TransactionInteraction {
    let interactions: Interactions
    let prefer: String?

    /// An entry with its place in the Bundle and what it will do.
    private struct Step {
        let index: Int
        let entry: BundleEntry
        var request: SandboxRequest
        let route: SandboxRoute
        /// The resource that a create or update will have written.
        var identity: InstanceKey?
        /// The resource that `If-None-Exist` found: nothing is written then.
        var existing: StoredResource?
    }

    func respond(_ bundle: JSONValue) throws -> SandboxResponse {
        var steps = try (bundle["entry"]?.flattened ?? []).enumerated().map { try step($0.offset, $0.element) }
        for index in steps.indices { try identify(&steps[index]) }
        try checkIdentities(steps)
        let links = TransactionLinks(steps.compactMap { step in step.identity.map { (step.entry.fullURL, $0) } })
        var answers: [Int: SandboxResponse] = [:]
        // The order that the specification sets: DELETE, POST, PUT and PATCH, then reads of the result.
        for step in steps where step.request.method == "DELETE" { answers[step.index] = try perform(step) }
        let writes =
            steps.filter { $0.request.method == "POST" && $0.route.isWrite }
            + steps.filter { $0.request.method == "PUT" || $0.request.method == "PATCH" }
        try write(writes, links, into: &answers)
        for step in steps where answers[step.index] == nil {
            var step = step
            step.request.resource = nil
            answers[step.index] = try perform(step)
        }
        let ordered = steps.compactMap { answers[$0.index] }
        return try BundleAnswer.bundle("transaction", ordered, prefer: prefer)
    }

    // MARK: Preparing

    private func step(_ index: Int, _ tree: JSONValue) throws -> Step {
        try naming(index) {
            let entry = try BundleEntry(tree, base: interactions.base)
            guard var request = entry.request else {
                throw SandboxFailure.invalid("an entry of a transaction needs a `request`")
            }
            request.headers["prefer"] = prefer
            return Step(index: index, entry: entry, request: request, route: try SandboxRoute(request))
        }
    }

    /// Finds out, before anything is written, which resource each entry will write.
    private func identify(_ step: inout Step) throws {
        let found: (InstanceKey?, StoredResource?) = try naming(step.index) {
            switch step.route {
            case .create(let type):
                if let condition = step.request.headers["if-none-exist"] {
                    let matches = try interactions.search.matches(type, try QueryString(parsing: condition))
                    if matches.count > 1 {
                        throw SandboxFailure.severalMatches("several resources match `\(condition)`")
                    }
                    if let match = matches.first { return (match.key, match) }
                }
                return (InstanceKey(type: type, id: try interactions.transaction.freshID()), nil)
            case .update(let key): return (key, nil)
            case .delete(let key), .patch(let key): return (key, nil)
            case .conditionalPatch(let type):
                // A patch needs its resource; the one that is not there is told when it is performed.
                return (try interactions.search.matches(type, step.request.query).first?.key, nil)
            case .conditionalUpdate(let type):
                let matches = try interactions.search.matches(type, step.request.query)
                if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match") }
                if let match = matches.first { return (match.key, nil) }
                let submitted = step.entry.resource?["id"]?.string.flatMap { ResourceID($0) }
                return (InstanceKey(type: type, id: try submitted ?? interactions.transaction.freshID()), nil)
            default: return (nil, nil)
            }
        }
        (step.identity, step.existing) = found
    }

    /// No resource can be the object of two entries (FHIR R4 http §3.1.0.11.2).
    private func checkIdentities(_ steps: [Step]) throws {
        var seen = Set<InstanceKey>()
        for step in steps where step.existing == nil {
            if let identity = step.identity, !seen.insert(identity).inserted {
                throw SandboxFailure.invalid("two entries of the transaction are about \(identity)")
            }
        }
        var urls = Set<String>()
        for step in steps where step.request.method != "GET" {
            if let url = step.entry.fullURL, !urls.insert(url).inserted {
                throw SandboxFailure.invalid("two entries of the transaction have the fullUrl `\(url)`")
            }
        }
    }

    // MARK: Performing

    /// Writes the entries in order; one whose conditional reference finds nothing yet waits for the others.
    private func write(_ steps: [Step], _ links: TransactionLinks, into answers: inout [Int: SandboxResponse]) throws {
        var waiting = steps
        while !waiting.isEmpty {
            var left: [Step] = []
            var reason: SandboxFailure?
            for var step in waiting {
                do {
                    try naming(step.index) { try resolve(&step, links) }
                } catch let failure as SandboxFailure where failure.issueCode == "not-found" {
                    reason = failure
                    left.append(step)
                    continue
                }
                answers[step.index] = try perform(step)
            }
            if let reason, left.count == waiting.count {
                throw SandboxFailure(status: 412, issueCode: "not-found", diagnostics: reason.diagnostics)
            }
            waiting = left
        }
    }

    private func resolve(_ step: inout Step, _ links: TransactionLinks) throws {
        guard let resource = step.entry.resource else { return }
        let resolver = ConditionalReference(search: interactions.search)
        step.request.resource = try links.rewrite(resource).mappingLinks { text in
            try resolver.resolve(text) ?? text
        }
    }

    private func perform(_ step: Step) throws -> SandboxResponse {
        try naming(step.index) {
            guard let identity = step.identity, !["DELETE", "PATCH"].contains(step.request.method) else {
                return try interactions.perform(step.route, step.request)
            }
            guard let resource = step.request.resource else {
                throw SandboxFailure.invalid("the entry has no `resource`")
            }
            // A create gets the id that references to it were rewritten to.
            var request = step.request
            if case .update = step.route {
                return try interactions.perform(step.route, request)
            }
            request.headers["if-none-exist"] = nil
            return try interactions.write(
                resource, at: identity, method: step.request.method, existing: step.existing, request)
        }
    }

    /// Says in the failure which entry it was.
    private func naming<Value>(_ index: Int, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let failure as SandboxFailure {
            throw SandboxFailure(
                status: failure.status == 404 || failure.status == 410 ? 400 : failure.status,
                issueCode: failure.issueCode, diagnostics: "Bundle.entry[\(index)]: \(failure.diagnostics)")
        }
    }
}

/// What references between the entries of a Bundle become.
struct TransactionLinks {
    private var replacements: [String: String] = [:]

    /// Maps each `fullUrl` to the resource that its entry writes.
    init(_ entries: [(fullURL: String?, key: InstanceKey)]) {
        for (fullURL, key) in entries {
            guard let fullURL else { continue }
            replacements[fullURL] = key.description
            // References to an entry with a RESTful fullUrl can be relative (FHIR R4 bundle §2.36.4.1).
            if let target = ReferenceTarget(fullURL), let type = target.type, let id = target.id, !target.base.isEmpty {
                replacements["\(type)/\(id)"] = key.description
            }
        }
    }

    func rewrite(_ resource: JSONValue) -> JSONValue {
        if replacements.isEmpty { return resource }
        return resource.mappingLinks { replacements[$0] ?? $0 }
    }
}

/// A reference written as a search (`Practitioner?identifier=…`), to be replaced by what it finds.
struct ConditionalReference {
    let search: SearchEngine

    /// The literal reference that a conditional one stands for; `nil` when the text is none.
    ///
    /// Throws `not-found` when nothing matches and `multiple-matches` when several do.
    func resolve(_ text: String) throws -> String? {
        let sides = text.split(separator: "?", maxSplits: 1).map(String.init)
        guard sides.count == 2, let type = ResourceType(rawValue: sides[0]) else { return nil }
        let matches = try search.matches(type, try QueryString(parsing: sides[1]))
        if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match `\(text)`") }
        guard let match = matches.first else { throw SandboxFailure.notFound("nothing matches `\(text)`") }
        return match.key.description
    }
}
