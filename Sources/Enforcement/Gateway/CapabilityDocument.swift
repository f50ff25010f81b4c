internal import AccessPolicy
internal import FHIRCore

/// Where the authorization server of a FHIR base is, for the security block of its CapabilityStatement.
public struct OAuthEndpoints: Sendable, Hashable {
    /// Authorization endpoint.
    public var authorize: String
    /// Token endpoint.
    public var token: String
    /// Registration endpoint.
    public var register: String?
    /// Revocation endpoint.
    public var revoke: String?
    /// Introspection endpoint.
    public var introspect: String?
    /// Where people manage what they allowed.
    public var manage: String?

    /// Endpoints; what is nil is not named.
    public init(
        authorize: String, token: String, register: String? = nil, revoke: String? = nil, introspect: String? = nil,
        manage: String? = nil
    ) {
        self.authorize = authorize
        self.token = token
        self.register = register
        self.revoke = revoke
        self.introspect = introspect
        self.manage = manage
    }
}

/// The CapabilityStatement of a public FHIR base: what the protected server offers, cut down to what the enforcer lets
/// through, with our address and the SMART security block (enforcer.md b.4 row 23).
///
/// It is built new. Nothing of the upstream's document is copied but the names of types, interactions, search
/// parameters and profiles that we recognise.
enum CapabilityDocument {
    /// What the enforcer can let through of a resource type, in the order of the document.
    static let servedInteractions = [
        "read", "vread", "history-instance", "search-type", "create", "update", "patch", "delete",
    ]

    /// The document, or nil when the upstream's is none that can be read.
    static func make(from upstream: [UInt8], policy: ServerPolicy, endpoints: OAuthEndpoints) -> [UInt8]? {
        guard let document = try? JSONDocument(upstream),
            document.root["resourceType"]?.equals("CapabilityStatement") == true,
            let version = document.root["fhirVersion"]?.string, version.hasPrefix("4.0"),
            let server = document.root["rest"]?.elements.first(where: { $0["mode"]?.equals("server") == true })
        else { return nil }
        let date = document.root["date"]?.string.flatMap { isDate($0) ? $0 : nil } ?? "2020-01-01"
        let resources = (server["resource"]?.elements ?? []).compactMap { resource($0, policy: policy) }
        return JSONValue.object(
            [
                JSONMemberValue("resourceType", "CapabilityStatement"),
                JSONMemberValue("status", "active"),
                JSONMemberValue("date", .string(date)),
                JSONMemberValue("kind", "instance"),
                JSONMemberValue("instantiates", .array(profiles(document.root["instantiates"]))),
                JSONMemberValue("software", ["name": "Chaperone"]),
                JSONMemberValue(
                    "implementation",
                    .object([
                        JSONMemberValue("description", "FHIR server behind Chaperone"),
                        JSONMemberValue("url", .string(policy.publicBase)),
                    ])),
                JSONMemberValue("fhirVersion", "4.0.1"),
                JSONMemberValue("format", ["json", "xml", "application/fhir+json", "application/fhir+xml"]),
                JSONMemberValue("patchFormat", ["application/json-patch+json"]),
                JSONMemberValue(
                    "rest",
                    .array([
                        .object(
                            [
                                JSONMemberValue("mode", "server"), JSONMemberValue("security", security(endpoints)),
                                JSONMemberValue("resource", .array(resources)),
                                JSONMemberValue("interaction", .array(systemInteractions(server))),
                            ].filter { $0.value != .array([]) })
                    ])),
            ].filter { $0.value != .array([]) }
        ).serialized
    }

    /// A batch is taken apart here; a transaction is the server's to make or not.
    private static func systemInteractions(_ server: JSONNode) -> [JSONValue] {
        let offered = (server["interaction"]?.elements ?? []).compactMap { $0["code"]?.string }
        return (["batch"] + (offered.contains("transaction") ? ["transaction"] : [])).map { ["code": .string($0)] }
    }

    private static func resource(_ node: JSONNode, policy: ServerPolicy) -> JSONValue? {
        guard let name = node["type"]?.string, let type = ResourceType(rawValue: name) else { return nil }
        var offered = Set((node["interaction"]?.elements ?? []).compactMap { $0["code"]?.string })
        // A patch is computed here and sent as an update; conditions are searches of ours, and what they select is written
        // by its name: neither has to be known to the server.
        if offered.contains("update") { offered.insert("patch") } else { offered.remove("patch") }
        let interactions = servedInteractions.filter { offered.contains($0) && isServed($0, of: policy.types[type]) }
        guard !interactions.isEmpty else { return nil }
        func isConditional(_ write: String) -> Bool {
            interactions.contains(write) && interactions.contains("search-type")
        }
        let parameters = (node["searchParam"]?.elements ?? []).compactMap { parameter($0, of: type, policy: policy) }
        return .object(
            [
                JSONMemberValue("type", .string(name)),
                JSONMemberValue("supportedProfile", .array(profiles(node["supportedProfile"]))),
                JSONMemberValue("interaction", .array(interactions.map { ["code": .string($0)] })),
                JSONMemberValue("versioning", "versioned-update"),
                JSONMemberValue("readHistory", .bool(interactions.contains("vread"))),
                JSONMemberValue("updateCreate", false),
                JSONMemberValue("conditionalCreate", .bool(isConditional("create"))),
                JSONMemberValue("conditionalRead", "not-match"),
                JSONMemberValue("conditionalUpdate", .bool(isConditional("update"))),
                JSONMemberValue("conditionalDelete", isConditional("delete") ? "single" : "not-supported"),
                JSONMemberValue("searchParam", .array(interactions.contains("search-type") ? parameters : [])),
            ].filter { $0.value != .array([]) })
    }

    /// Whether the enforcer could let an interaction with a type through for some token.
    private static func isServed(_ interaction: String, of rule: TypeRule) -> Bool {
        switch interaction {
        case "create", "update", "patch", "delete": !rule.bearsPolicy && rule.typeClass != .conformance
        default: true
        }
    }

    private static func parameter(_ node: JSONNode, of type: ResourceType, policy: ServerPolicy) -> JSONValue? {
        guard let code = node["name"]?.string, let known = R4.searchParameter(code, for: type),
            policy.supportedParameters.map({ $0[type]?.contains(code) == true }) ?? true
        else { return nil }
        return .object([
            JSONMemberValue("name", .string(code)), JSONMemberValue("type", .string(known.kind.rawValue)),
        ])
    }

    private static func profiles(_ node: JSONNode?) -> [JSONValue] {
        (node?.elements ?? []).compactMap(\.string).filter(isCanonical).map { .string($0) }
    }

    /// SMART 1.0 conformance: the `oauth-uris` extension; kept because clients of that version look for it.
    private static func security(_ endpoints: OAuthEndpoints) -> JSONValue {
        let uris: [(String, String?)] = [
            ("authorize", endpoints.authorize), ("token", endpoints.token), ("register", endpoints.register),
            ("revoke", endpoints.revoke), ("introspect", endpoints.introspect), ("manage", endpoints.manage),
        ]
        let extensions = uris.compactMap { name, uri -> JSONValue? in
            guard let uri else { return nil }
            return .object([JSONMemberValue("url", .string(name)), JSONMemberValue("valueUri", .string(uri))])
        }
        return .object([
            JSONMemberValue(
                "extension",
                .array([
                    .object([
                        JSONMemberValue("url", "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"),
                        JSONMemberValue("extension", .array(extensions)),
                    ])
                ])),
            JSONMemberValue("cors", true),
            JSONMemberValue(
                "service",
                .array([
                    .object([
                        JSONMemberValue(
                            "coding",
                            .array([
                                .object([
                                    JSONMemberValue(
                                        "system",
                                        "http://terminology.hl7.org/CodeSystem/restful-security-service"),
                                    JSONMemberValue("code", "SMART-on-FHIR"),
                                ])
                            ]))
                    ])
                ])),
        ])
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
