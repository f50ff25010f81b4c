public import AccessPolicy
internal import Enforcement
internal import FHIRCore

// The site's own choices for the protected server: operations, and what types are to the policy.

extension Configuration {
    /// The operations that are let through: the built-in ones and those of the site's file.
    ///
    /// - Throws: `ConfigurationError` with every mistake in the file, each with its line.
    public func operationTable() throws -> OperationTable {
        guard let file = fhirServer.operationsFile else { return .builtIn }
        do throws(ConfigurationError) {
            return try Self.operations(yaml: try Self.text(of: file))
        } catch {
            throw ConfigurationError(
                error.problems.map {
                    ConfigurationProblem(
                        origin: $0.origin, path: $0.path.isEmpty ? "`\(file)`" : "`\(file)`: \($0.path)",
                        message: $0.message)
                })
        }
    }

    private static func text(of file: String) throws(ConfigurationError) -> String {
        do {
            return try content(of: file)
        } catch {
            throw ConfigurationError([.init(origin: nil, path: "", message: "cannot be read")])
        }
    }

    /// What each type is to the policy, with the site's own choices.
    public func typeTable() throws -> TypeTable {
        try TypeTable.r4().choosing(
            formalMembers: Set(fhirServer.formalMembers.compactMap(ResourceType.init(rawValue:))),
            multiPatient: Dictionary(
                uniqueKeysWithValues: fhirServer.otherPatients.compactMap { name, choice in
                    guard let type = ResourceType(rawValue: name),
                        let rule = TypeRule.MultiPatientRule(rawValue: choice)
                    else { return nil }
                    return (type, rule)
                })
        ).decidingPanels(by: panelQuery?.decidingTypes ?? [:])
    }

    // MARK: - keys of the main file

    static func formalMembers(_ map: inout SettingReader) -> [String] {
        let names = map.texts("formal-members")
        for name in names {
            guard let type = ResourceType(rawValue: name) else {
                map.fail("formal-members", "`\(name)` is no type of FHIR R4")
                continue
            }
            if (try? TypeTable.r4().choosing(formalMembers: [type])) == nil {
                map.fail("formal-members", "`\(name)` does not belong to a patient by a reference")
            }
        }
        return names
    }

    static func otherPatients(_ server: inout SettingReader) -> [String: String] {
        var map = server.map("other-patients")
        var choices: [String: String] = [:]
        for name in map.keys {
            let choice: TypeRule.MultiPatientRule? = map.choice(name)
            guard let type = ResourceType(rawValue: name) else {
                map.fail(name, "is no type of FHIR R4")
                continue
            }
            guard let choice else { continue }
            if (try? TypeTable.r4().choosing(multiPatient: [type: choice])) == nil {
                map.fail(name, "does not belong to a patient")
            }
            choices[name] = choice.rawValue
        }
        map.finish()
        return choices
    }

    /// `Type.parameter`, whose patients are a practitioner's.
    static func practitionerPatients(_ map: inout SettingReader) -> String? {
        guard let text = map.text("practitioner-patients") else { return nil }
        if panelRule(text) == nil {
            map.fail(
                "practitioner-patients",
                "must be a type and a reference parameter such as `Patient.general-practitioner`, not `\(text)`")
        }
        return text
    }

    private static func panelRule(_ text: String) -> PanelQuery.Rule? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let type = ResourceType(rawValue: parts[0]) else { return nil }
        return PanelQuery.Rule(type, by: parts[1])
    }

    /// What is asked of the protected server about users who stand in no list; nil when nothing is.
    var panelQuery: PanelQuery? {
        var rules: [ResourceType: PanelQuery.Rule] = [:]
        if let rule = fhirServer.practitionerPatients.flatMap(Self.panelRule) {
            rules[.practitioner] = rule
            rules[.practitionerRole] = rule
        }
        if fhirServer.asksRelatedPersons { rules[.relatedPerson] = .relatedPerson }
        return rules.isEmpty ? nil : PanelQuery(rules: rules, secondsKept: Int64(fhirServer.panelSeconds))
    }

    // MARK: - the file of operations

    /// The built-in operations and those of a file's text.
    public static func operations(yaml: String) throws(ConfigurationError) -> OperationTable {
        let problems = SettingReader.Problems()
        var top = SettingReader(try Setting(yaml: yaml), path: "", problems: problems)
        let readers = top.maps("operations")
        top.finish()
        let descriptors = readers.map { OperationReader($0).descriptor() }
        if !problems.list.isEmpty { throw ConfigurationError(problems.list) }
        do throws(OperationTable.Fault) {
            return try OperationTable.builtIn.adding(descriptors)
        } catch {
            let reader = readers[error.place]
            throw ConfigurationError([.init(origin: reader.origin, path: reader.path, message: error.summary)])
        }
    }
}

/// Reads one descriptor.
private struct OperationReader {
    private var map: SettingReader

    init(_ map: SettingReader) { self.map = map }

    func descriptor() -> OperationDescriptor {
        var reader = self
        return reader.read()
    }

    private mutating func read() -> OperationDescriptor {
        let descriptor = OperationDescriptor(
            map.requiredText("name"), levels: words("levels"), types: Self.types(&map, "types"),
            contexts: words("contexts"), requirements: requirements(), binding: binding(), parameters: parameters(),
            answers: words("answers"),
            changesState: map.flag("changes-state", default: false))
        map.finish()
        return descriptor
    }

    /// Words from a closed list.
    private mutating func words<Word: RawRepresentable & Hashable>(_ key: String) -> Set<Word>
    where Word.RawValue == String {
        var words: Set<Word> = []
        for text in map.texts(key) {
            if let word = Word(rawValue: text) { words.insert(word) } else { map.fail(key, "does not know `\(text)`") }
        }
        return words
    }

    private static func types(_ map: inout SettingReader, _ key: String) -> Set<ResourceType> {
        var types: Set<ResourceType> = []
        for text in map.texts(key) {
            guard let type = ResourceType(rawValue: text) else {
                map.fail(key, "`\(text)` is no type of FHIR R4")
                continue
            }
            types.insert(type)
        }
        return types
    }

    /// `Observation.s`, or `Observation.s whole`.
    private mutating func requirements() -> [OperationDescriptor.Requirement] {
        map.texts("scopes").flatMap { text -> [OperationDescriptor.Requirement] in
            let isWhole = text.hasSuffix(" whole")
            let scope = isWhole ? String(text.dropLast(6)) : text
            guard let held = HeldScope("system/\(scope)"), case .type(let type) = held.scope.target,
                held.scope.constraint == nil
            else {
                map.fail("scopes", "`\(text)` is not a type with letters, such as `Observation.s`")
                return []
            }
            return held.scope.permissions.elements.map { .init($0, type, whole: isWhole) }
        }
    }

    private mutating func binding() -> OperationDescriptor.PatientBinding {
        let text = map.requiredText("patient")
        switch text {
        case "none": return .nobody
        case "patient": return .patient
        case "instance": return .instance
        case "search": return .search
        case "submission": return .submission
        case "everybody", "": return .population
        default:
            let words = text.split(separator: " ")
            if words.count == 2, words[0] == "parameter" { return .parameter(String(words[1])) }
            map.fail(
                "patient",
                "must be `none`, `patient`, `instance`, `search`, `submission`, `everybody` or `parameter NAME`"
            )
            return .population
        }
    }

    private mutating func parameters() -> [String: OperationDescriptor.Parameter] {
        var list = map.map("parameters")
        var parameters: [String: OperationDescriptor.Parameter] = [:]
        for name in list.keys {
            var one = list.map(name)
            let kind: OperationDescriptor.ParameterKind? = one.choice("kind")
            if kind == nil, !one.has("kind") { one.fail("kind", "is required") }
            let repeats = one.flag("repeats", default: false)
            let types = Self.types(&one, "types")
            if kind == .resource, types.isEmpty { one.fail("types", "is required for a resource") }
            one.finish()
            parameters[name] = OperationDescriptor.Parameter(kind ?? .text, repeats: repeats, types: types)
        }
        list.finish()
        return parameters
    }
}
