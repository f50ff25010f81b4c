internal import Yams

extension Setting {
    /// Reads YAML text into settings that know their lines.
    ///
    /// Several documents in one file are refused, and so are keys written twice.
    public init(yaml text: String) throws(ConfigurationError) {
        let node: Node?
        do {
            var documents = try compose_all(yaml: text)
            node = documents.next()
            // The library must not be asked for more after an error.
            if let error = documents.error { throw error }
            if node != nil, documents.next() != nil {
                throw ConfigurationError([.init(origin: nil, path: "", message: "more than one YAML document")])
            }
            if let error = documents.error { throw error }
        } catch let error as ConfigurationError {
            throw error
        } catch let error as YamlError {
            throw ConfigurationError([ConfigurationProblem(error)])
        } catch {
            throw ConfigurationError([.init(origin: nil, path: "", message: "not YAML: \(error)")])
        }
        guard let node else {
            self = .empty
            return
        }
        self = try Setting(node, path: "")
    }

    private init(_ node: Node, path: String) throws(ConfigurationError) {
        let origin = Origin.line(node.mark?.line ?? 1)
        switch node {
        case .scalar(let scalar):
            let isPlainNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            self.init(isPlainNull ? .null : .text(scalar.string), origin: origin)
        case .sequence(let sequence):
            var items: [Setting] = []
            for (index, item) in sequence.enumerated() { items.append(try Setting(item, path: "\(path)[\(index)]")) }
            self.init(.list(items), origin: origin)
        case .mapping(let mapping):
            var members: [Member] = []
            for (key, value) in mapping {
                guard case .scalar(let name) = key else {
                    throw ConfigurationError([.init(origin: origin, path: path, message: "a key must be a plain word")])
                }
                let keyOrigin = Origin.line(key.mark?.line ?? 1)
                let child = path.isEmpty ? name.string : "\(path).\(name.string)"
                members.append(
                    Member(key: name.string, origin: keyOrigin, setting: try Setting(value, path: child)))
            }
            self.init(.map(members), origin: origin)
        case .alias:
            throw ConfigurationError([.init(origin: origin, path: path, message: "aliases are not supported")])
        }
    }
}

extension ConfigurationProblem {
    /// The YAML library's complaint as one of ours, with the line that it names.
    fileprivate init(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(origin: .line(mark.line), path: "", message: "not YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "`\($0)`" }.joined(separator: ", ")
            self.init(origin: .line(context.mark.line), path: "", message: "written twice: \(names)")
        default:
            self.init(origin: nil, path: "", message: "not YAML: \(error)")
        }
    }
}
