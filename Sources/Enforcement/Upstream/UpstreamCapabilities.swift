internal import FHIRCore

/// What a protected server says about itself in its CapabilityStatement, as far as we recognise it.
struct UpstreamCapabilities: Hashable, Sendable {
    /// One type of the server.
    struct Resource: Hashable, Sendable {
        let type: ResourceType
        /// Codes of the interactions, also those that we do not know.
        let interactions: Set<String>
        /// Search parameters that R4 defines for the type, in the server's order.
        let parameters: [SearchParameter]
        let profiles: [String]
        /// Operations on the type and its instances.
        var operations: [Operation] = []
    }

    /// One operation of the server.
    struct Operation: Hashable, Sendable {
        /// Without the `$`.
        let name: String
        /// The address of its definition.
        let definition: String
    }

    let resources: [Resource]
    /// Interactions with the whole system.
    let systemInteractions: Set<String>
    /// Operations on the whole system.
    let systemOperations: [Operation]
    let instantiates: [String]
    /// The statement's date, if it is one.
    let date: String?
    /// The address by which the server knows itself, if it says so.
    let address: String?
    /// Types that FHIR R4 does not know, so that the type table has no row for them.
    let typesWithoutRule: [String]

    /// Why a statement cannot be used.
    enum Unusable: Error, Hashable, Sendable {
        case notACapabilityStatement
        /// The version that it names instead.
        case notR4(String)
    }

    /// Reads a statement; nothing of it is kept but names, and addresses of profiles.
    init(_ bytes: [UInt8]) throws(Unusable) {
        guard let document = try? JSONDocument(bytes),
            document.root["resourceType"]?.equals("CapabilityStatement") == true,
            let server = document.root["rest"]?.elements.first(where: { $0["mode"]?.equals("server") == true })
        else { throw .notACapabilityStatement }
        let version = document.root["fhirVersion"]?.string ?? ""
        guard version.hasPrefix("4.0") else { throw .notR4(Self.isName(version) ? version : "unnamed") }
        let everywhere = Self.names(server["searchParam"], "name")
        var resources: [Resource] = []
        var without: [String] = []
        for node in server["resource"]?.elements ?? [] {
            guard let name = node["type"]?.string else { continue }
            guard let type = ResourceType(rawValue: name) else {
                without.append(Self.isName(name) ? name : "unnamed")
                continue
            }
            var parameters: [SearchParameter] = []
            for code in Self.names(node["searchParam"], "name") + everywhere {
                guard let known = R4.searchParameter(code, for: type), !parameters.contains(known) else { continue }
                parameters.append(known)
            }
            resources.append(
                Resource(
                    type: type, interactions: Set(Self.names(node["interaction"], "code")), parameters: parameters,
                    profiles: Self.profiles(node["supportedProfile"]), operations: Self.operations(node["operation"])))
        }
        self.resources = resources
        systemInteractions = Set(Self.names(server["interaction"], "code"))
        systemOperations = Self.operations(server["operation"])
        instantiates = Self.profiles(document.root["instantiates"])
        date = document.root["date"]?.string.flatMap { Self.isDate($0) ? $0 : nil }
        address = document.root["implementation"]?["url"]?.string
        typesWithoutRule = without
    }

    /// The search parameters by type.
    var parameters: [ResourceType: Set<String>] {
        Dictionary(resources.map { ($0.type, Set($0.parameters.map(\.code))) }, uniquingKeysWith: { $0.union($1) })
    }

    private static func names(_ node: JSONNode?, _ member: String) -> [String] {
        (node?.elements ?? []).compactMap { $0[member]?.string }
    }

    /// Operations with a usable name, which some servers write with its `$`, and a definition; each name once.
    private static func operations(_ node: JSONNode?) -> [Operation] {
        var found: [Operation] = []
        for node in node?.elements ?? [] {
            guard let written = node["name"]?.string, let definition = node["definition"]?.string,
                isCanonical(definition)
            else { continue }
            let name = written.hasPrefix("$") ? String(written.dropFirst()) : written
            guard isName(name), !found.contains(where: { $0.name == name }) else { continue }
            found.append(Operation(name: name, definition: definition))
        }
        return found
    }

    private static func profiles(_ node: JSONNode?) -> [String] {
        (node?.elements ?? []).compactMap(\.string).filter(isCanonical)
    }

    /// What may stand in a message of ours.
    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { isAlphanumeric($0) || "-.".utf8.contains($0) }
    }

    /// A canonical URL of a profile, nothing that could carry markup.
    private static func isCanonical(_ text: String) -> Bool {
        text.utf8.count <= 256 && (text.hasPrefix("http://") || text.hasPrefix("https://"))
            && text.utf8.allSatisfy { isAlphanumeric($0) || "-._~:/|#%".utf8.contains($0) }
    }

    private static func isDate(_ text: String) -> Bool {
        (4...35).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || "-:.+TZ".utf8.contains($0) }
    }
}
