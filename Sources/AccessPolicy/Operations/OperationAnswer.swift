internal import FHIRCore

/// The answer of an operation: rebuilt from what may pass, down to the resources inside Parameters and Bundles.
///
/// Nothing that is not understood is kept. Plain values in Parameters stay, unless a boundary holds and they name a
/// patient outside it.
struct OperationAnswer {
    private let permit: Permit
    private let call: OperationCall

    init(_ permit: Permit, _ call: OperationCall) {
        self.permit = permit
        self.call = call
    }

    func admit(_ answer: UpstreamAnswer) -> AnswerAdmission {
        if let denial = OperationAnswer.denial(answer.status, for: permit) { return .refuse(denial) }
        guard let view = resource(of: answer), let kind = kind(of: view), call.descriptor.answers.contains(kind) else {
            return .refuse(Denial(.upstreamUnverifiable))
        }
        var rebuilding = Rebuilding(permit, document: view.node.document)
        let bytes: [UInt8]?
        switch kind {
        case .resource: bytes = rebuilding.resource(view, released: [])
        case .bundle, .pages: bytes = rebuilding.bundle(view)
        case .parameters: bytes = rebuilding.parameters(view)
        }
        guard let bytes else {
            // A single resource that may not be seen is like one that is not there.
            return .refuse(Denial(kind == .resource && !permit.changesUpstream ? .notFound : .upstreamUnverifiable))
        }
        return .release(rebuilding.builder.answer(bytes: bytes))
    }

    private func kind(of view: ResourceView) -> OperationDescriptor.AnswerKind? {
        switch view.type {
        case .bundle: call.descriptor.answers.contains(.pages) ? .pages : .bundle
        case .parameters: .parameters
        case .operationOutcome: nil
        default: .resource
        }
    }

    /// What an upstream status comes to: a call that changes nothing is not refused like a write.
    static func denial(_ status: Int, for permit: Permit) -> Denial? {
        switch status {
        case 200: nil
        case 400, 422: Denial(permit.changesUpstream ? .upstreamRefusedBody : .upstreamRejected)
        case 404, 410: Denial(permit.request.interaction.instance == nil ? .upstreamFailed : .notFound)
        case 409: Denial(.upstreamConflict)
        case 429, 503: Denial(.upstreamBusy)
        default: Denial(.upstreamFailed)
        }
    }
}

/// Builds Bundles and Parameters anew around the resources that pass.
struct Rebuilding {
    private let permit: Permit
    private let document: JSONDocument
    private let addresses: AddressMap?
    /// What the client wrote where what went on has a new name.
    private let originals: [String: String]
    private(set) var builder: ReleaseBuilder
    private var judge: Judge
    /// For each thing that the operation needs, the grants that give it. What else the token holds says nothing of values
    /// that were computed under these.
    private let carrying: [[EffectiveGrant]]

    /// No resource stands deeper than this many Bundles and Parameters.
    private static let maxDepth = 8

    /// FHIR R4 value set `bundle-type`: a Bundle that says anything else is none.
    private static let bundleTypes: Set<String> = [
        "document", "message", "transaction", "transaction-response", "batch", "batch-response", "history", "searchset",
        "collection",
    ]

    init(_ permit: Permit, document: JSONDocument) {
        self.permit = permit
        self.document = document
        addresses = AddressMap(permit.rule.policy, for: document)
        originals = permit.rule.operation?.names ?? [:]
        builder = ReleaseBuilder(permit, document: document)
        let judge = permit.rule.judge(for: .answer)
        self.judge = judge
        let descriptor = permit.rule.operation?.descriptor
        // As where the call was opened: what is computed is held to no constraint afterwards.
        let isComputed = descriptor?.answers.contains(.parameters) ?? false
        carrying = (descriptor?.requirements ?? []).map { need in
            judge.grants.filter { grant in
                grant.grants(need.letter, on: need.type, types: permit.rule.policy.types)
                    && (grant.scope.constraint == nil || !(need.isWhole || isComputed))
            }
        }
    }

    /// A single resource; nil when it may not pass.
    mutating func resource(_ view: ResourceView, released: Set<InstanceKey>) -> [UInt8]? {
        switch judge.judge(view, letters: [.read, .search], released: released) {
        case .fails where mutated(.operationAnswersUnjudged):
            return builder.release(view, .none, by: [], isProjected: false)
        case .fails(let reason):
            builder.withhold(reason)
            return nil
        case .passes(let redaction, let scopes):
            return builder.release(view, redaction, by: scopes, isProjected: false)
        }
    }

    /// A Bundle with the entries that pass, without its links and its total; nil when it cannot be read.
    mutating func bundle(_ view: ResourceView, depth: Int = 0) -> [UInt8]? {
        guard depth < Self.maxDepth, let bundle = BundleView(view), Self.bundleTypes.contains(bundle.type) else {
            return nil
        }
        var entries: [(address: String?, view: ResourceView)] = []
        var named: [String: InstanceKey] = [:]
        for entry in bundle.entries {
            guard let node = entry.resource else { continue }
            guard let view = try? ResourceView(node) else { return nil }
            if view.type == .operationOutcome { continue }
            entries.append((entry.fullURL, view))
            guard let address = entry.fullURL, case .urn = LiteralReference(address), let key = view.key else {
                continue
            }
            // Two under one name are neither.
            guard named.updateValue(key, forKey: address) == nil else { return nil }
        }
        let outer = judge
        judge = Judge(grants: outer.grants, policy: outer.policy, entries: named)
        defer { judge = outer }
        var envelope = BundleEnvelope(type: bundle.type, total: nil, links: [])
        for (address, bytes) in passing(entries, depth) {
            envelope.add(fullURL: address.map(ours), resource: bytes, members: [])
        }
        return envelope.finished()
    }

    /// The entries that pass, in their order; a Provenance is judged when all else is.
    private mutating func passing(
        _ entries: [(address: String?, view: ResourceView)], _ depth: Int
    ) -> [(address: String?, bytes: [UInt8])] {
        var released: Set<InstanceKey> = []
        var bytes: [Int: [UInt8]] = [:]
        let ordered = entries.indices.sorted { left, right in
            let isLate = (entries[left].view.type == .provenance, entries[right].view.type == .provenance)
            return isLate.0 != isLate.1 ? isLate.1 : left < right
        }
        for place in ordered {
            let view = entries[place].view
            switch view.type {
            case .bundle: bytes[place] = bundle(view, depth: depth + 1)
            case .parameters: bytes[place] = parameters(view, depth: depth + 1)
            default:
                bytes[place] = resource(view, released: released)
                if bytes[place] != nil, let key = view.key { released.insert(key) }
            }
        }
        return entries.indices.compactMap { place in bytes[place].map { (entries[place].address, $0) } }
    }

    /// Parameters with the parameters that pass; nil when they cannot be read.
    mutating func parameters(_ view: ResourceView, depth: Int = 0) -> [UInt8]? {
        guard depth < Self.maxDepth, view.node["parameter"].map({ $0.kind == .array }) ?? true else { return nil }
        var bytes = Array(#"{"resourceType":"Parameters""#.utf8)
        if let id = view.id { bytes += Array(#","id":"#.utf8) + JSONValue.string(id.text).serialized }
        let list = (view.node["parameter"]?.elements ?? []).compactMap { parameter($0, depth) }
        if !list.isEmpty { bytes += Array(",\"parameter\":[".utf8) + joined(list) + Array("]".utf8) }
        return bytes + Array("}".utf8)
    }

    private mutating func parameter(_ node: JSONNode, _ depth: Int) -> [UInt8]? {
        guard node.kind == .object, let name = node["name"]?.string else { return nil }
        var bytes = Array(#"{"name":"#.utf8) + JSONValue.string(name).serialized
        for member in node.members where !member.isNamed("name") {
            let value: [UInt8]?
            if member.isNamed("resource") {
                value = inner(member.value, depth + 1)
            } else if member.isNamed("part") {
                guard member.value.kind == .array, depth < Self.maxDepth else { return nil }
                let parts = member.value.elements.compactMap { parameter($0, depth + 1) }
                value = parts.isEmpty ? nil : Array("[".utf8) + joined(parts) + Array("]".utf8)
            } else if member.name.hasPrefix("value") {
                value = plain(member.value)
            } else {
                continue
            }
            // A parameter without its one content is none.
            guard let value else { return nil }
            bytes += Array(",".utf8) + JSONValue.string(member.name).serialized + Array(":".utf8) + value
        }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func inner(_ node: JSONNode, _ depth: Int) -> [UInt8]? {
        guard let view = try? ResourceView(node) else { return nil }
        switch view.type {
        case .bundle: return bundle(view, depth: depth)
        case .parameters: return parameters(view, depth: depth)
        case .operationOutcome: return nil
        default: return resource(view, released: [])
        }
    }

    /// A value that is no resource; nil when it names a patient outside a boundary.
    private func plain(_ node: JSONNode) -> [UInt8]? {
        let names = names(in: node)
        let isFree = carrying.allSatisfy { $0.contains(where: \.isEveryone) } && !carrying.isEmpty
        guard isFree || names.allSatisfy(isInside) || mutated(.operationValuesUnjudged) else { return nil }
        guard addresses != nil || !originals.isEmpty else { return Array(node.bytes) }
        return rewritten(JSONValue(node)).serialized
    }

    /// Whether what a text names may stand in a value: a patient of a boundary. Of any other record nobody has looked
    /// whose it is.
    private func isInside(_ key: InstanceKey) -> Bool {
        key.type == .patient && !carrying.isEmpty
            && carrying.allSatisfy { $0.contains { $0.boundary.contains(key.id) } }
    }

    /// The patients, and the records of patients, that texts in a value name.
    private func names(in node: JSONNode) -> [InstanceKey] {
        switch node.kind {
        case .array: return node.elements.flatMap(names)
        case .object: return node.members.flatMap { names(in: $0.value) }
        case .string:
            guard let text = node.string, let key = LiteralReference(text).key,
                [.compartment, .restricted].contains(permit.rule.policy.types[key.type].typeClass)
            else { return [] }
            return [key]
        case .number, .bool, .null: return []
        }
    }

    private func rewritten(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text): .string(ours(text))
        case .array(let elements): .array(elements.map(rewritten))
        case .object(let members):
            .object(members.map { JSONMemberValue($0.name, rewritten($0.value)) })
        case .null, .bool, .int, .number: value
        }
    }

    /// A text in the client's words: a name that its entry has got on the way is what it was before.
    private func ours(_ text: String) -> String { originals[text] ?? addresses?.rewritten(text) ?? text }

    private func joined(_ parts: [[UInt8]]) -> [UInt8] { Array(parts.joined(separator: [UInt8(ascii: ",")])) }
}
