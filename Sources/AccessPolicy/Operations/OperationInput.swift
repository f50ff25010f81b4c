internal import FHIRCore

/// The parameters of a call, read by its descriptor: what is not described is refused.
struct OperationInput {
    /// One parameter as it goes on.
    struct Argument {
        let name: String
        /// The text of a plain one.
        var text: String?
        /// The name of the member that held the value in a body, such as `valueCode`.
        var member: String?
        /// The value of a structured one.
        var value: JSONValue?
        /// A resource.
        var resource: ResourceView?
    }

    let descriptor: OperationDescriptor
    var arguments: [Argument] = []
    /// Whether the parameters came in a body.
    private(set) var isBody = false
    /// The one resource that is the whole body, where it came without Parameters around it.
    private(set) var wholeBody: ResourceView?

    /// Reads URL and body. Both may not hold parameters at once: two servers could join them differently.
    init(
        _ request: CanonicalRequest, _ descriptor: OperationDescriptor,
        isOwn: (String) -> Bool = { _ in true }
    ) throws(Refused) {
        self.descriptor = descriptor
        for term in request.query.terms where isOwn(term.name) {
            guard term.modifier == nil, term.chain.isEmpty else {
                throw Refused(.parameterNotSupported, parameter: term.fullName)
            }
            try add(Argument(name: term.name, text: term.rawValue))
        }
        switch request.body {
        case .none: break
        case .resource(let view):
            guard request.query.terms.isEmpty else {
                throw Refused(.parameterNotSupported, parameter: request.query.terms[0].fullName)
            }
            isBody = true
            try read(view)
        case .patch, .bundle: throw Refused(.bodyInvalid)
        }
        if descriptor.changesState, !isBody { throw Refused(.bodyInvalid) }
        let names = arguments.map(\.name)
        for (place, name) in names.enumerated()
        where names[..<place].contains(name) && descriptor.parameters[name]?.repeats != true {
            throw Refused(.parameterInvalid, parameter: name)
        }
    }

    /// The resources that were handed in.
    var resources: [ResourceView] { arguments.compactMap(\.resource) }

    private mutating func read(_ view: ResourceView) throws(Refused) {
        guard view.type == .parameters else {
            // FHIR R4 operations.html: a single resource parameter may be the body itself.
            let fitting = descriptor.parameters.filter { $0.value.kind == .resource }
            guard fitting.count == 1, let only = fitting.first, only.value.types.contains(view.type) else {
                throw Refused(.bodyInvalid)
            }
            arguments.append(Argument(name: only.key, resource: view))
            wholeBody = view
            return
        }
        let known: Set<String> = ["resourceType", "id", "meta", "parameter"]
        guard view.node.members.allSatisfy({ known.contains($0.name) }), view.node["meta"] == nil,
            view.node["parameter"].map({ $0.kind == .array }) ?? true
        else { throw Refused(.bodyInvalid) }
        for element in view.node["parameter"]?.elements ?? [] { try read(parameter: element) }
    }

    private mutating func read(parameter node: JSONNode) throws(Refused) {
        guard node.kind == .object, let name = node["name"]?.string, node.members.count == 2,
            let member = node.members.first(where: { !$0.isNamed("name") })
        else { throw Refused(.bodyInvalid) }
        var argument = Argument(name: name)
        if member.isNamed("resource") {
            guard let view = try? ResourceView(member.value) else { throw Refused(.bodyInvalid) }
            argument.resource = view
        } else {
            guard let kind = ParameterValue(member: member.name),
                kind.holds(member.value) || mutated(.operationValueKindsIgnored)
            else { throw Refused(.bodyInvalid) }
            argument.member = member.name
            switch member.value.kind {
            case .string: argument.text = member.value.string
            case .bool: argument.text = member.value.bool == true ? "true" : "false"
            case .number: argument.text = member.value.numberText
            case .object: argument.value = JSONValue(member.value)
            case .array, .null: throw Refused(.bodyInvalid)
            }
        }
        try add(argument)
    }

    private mutating func add(_ argument: Argument) throws(Refused) {
        // By bytes, as the protected server reads it, and not by Unicode equivalence.
        guard argument.name.utf8.allSatisfy({ $0 < 0x80 }), let parameter = descriptor.parameters[argument.name] else {
            throw Refused(.parameterNotSupported, parameter: argument.name)
        }
        let fits =
            switch parameter.kind {
            case .text: argument.text.map(isPlain) ?? false
            case .boolean: ["true", "false"].contains(argument.text)
            case .integer, .count: argument.text.map(isNumber) ?? false
            case .types, .patient: argument.text.map(isPlain) ?? isPatientReference(argument, parameter)
            case .coding: argument.value.map(isCoding) ?? false
            case .resource: argument.resource.map { parameter.types.contains($0.type) } ?? false
            }
        guard fits else { throw Refused(.parameterInvalid, parameter: argument.name) }
        arguments.append(argument)
    }

    // MARK: - values

    private func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 2_048 && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    private func isNumber(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 9 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// `valueReference` with a `reference` and perhaps a display.
    private func isPatientReference(_ argument: Argument, _ parameter: OperationDescriptor.Parameter) -> Bool {
        guard parameter.kind == .patient, argument.member == "valueReference", let members = argument.value?.object
        else { return false }
        return members.allSatisfy { ["reference", "display"].contains($0.name) }
            && argument.value?["reference"]?.string != nil
    }

    /// A Coding or CodeableConcept of plain texts: nothing in it can name a resource.
    private func isCoding(_ value: JSONValue) -> Bool {
        let plain: Set<String> = ["system", "version", "code", "display", "text"]
        return (value.object ?? []).allSatisfy { member in
            switch member.value {
            case .string: plain.contains(member.name)
            case .bool: member.name == "userSelected"
            case .array(let elements):
                member.name == "coding"
                    && elements.allSatisfy { $0.object != nil && $0["coding"] == nil && isCoding($0) }
            case .null, .int, .number, .object: false
            }
        }
    }

    // MARK: - onward

    /// The query of a call by GET.
    var query: SearchQuery {
        SearchQuery(
            arguments.compactMap { argument in argument.text.map { SearchTerm(name: argument.name, rawValue: $0) } })
    }

    /// The body of a call by POST: printed anew, resources byte for byte but for the edits, and read once more as whoever
    /// gets it will.
    func body(with edits: [ByteEdit]) throws(Refused) -> [UInt8] {
        let bytes = try printed(with: edits)
        guard let document = try? JSONDocument(bytes), let view = try? ResourceView(document.root) else {
            throw Refused(.bodyInvalid)
        }
        // INVARIANT: what goes on names what was judged, each once and in its order, and nothing beside.
        guard wholeBody != nil || view.node["parameter"]?.elements.map({ $0["name"]?.string }) == arguments.map(\.name)
        else { throw Refused(.bodyInvalid) }
        return bytes
    }

    private func printed(with edits: [ByteEdit]) throws(Refused) -> [UInt8] {
        if let wholeBody { return wholeBody.node.bytes(with: edits) }
        var bytes = Array(#"{"resourceType":"Parameters","parameter":["#.utf8)
        for (place, argument) in arguments.enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += Array(#"{"name":"#.utf8) + JSONValue.string(argument.name).serialized
            if let resource = argument.resource {
                bytes += Array(#","resource":"#.utf8) + resource.node.bytes(with: edits)
            } else {
                bytes += Array(",".utf8) + JSONValue.string(argument.member ?? "valueString").serialized
                bytes += Array(":".utf8) + (try value(argument)).serialized
            }
            bytes.append(UInt8(ascii: "}"))
        }
        return bytes + Array("]}".utf8)
    }

    private func value(_ argument: Argument) throws(Refused) -> JSONValue {
        if let value = argument.value { return value }
        guard let text = argument.text else { throw Refused(.bodyInvalid) }
        if let value = ParameterValue(member: argument.member ?? "valueString")?.json(text) { return value }
        guard mutated(.operationValueKindsIgnored) else { throw Refused(.bodyInvalid) }
        return .string(text)
    }
}
