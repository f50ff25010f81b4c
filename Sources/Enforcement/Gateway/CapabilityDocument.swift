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
/// It is built new. Nothing of the upstream's document is copied but the names of types, interactions, operations, search
/// parameters and profiles that we recognise.
enum CapabilityDocument {
    /// The document.
    static func make(
        from upstream: UpstreamCapabilities, policy: ServerPolicy, endpoints: OAuthEndpoints
    ) -> [UInt8] {
        let shown = shown(from: upstream, policy)
        return JSONValue.object(
            [
                JSONMemberValue("resourceType", "CapabilityStatement"),
                JSONMemberValue("status", "active"),
                JSONMemberValue("date", .string(upstream.date ?? "2020-01-01")),
                JSONMemberValue("kind", "instance"),
                JSONMemberValue("instantiates", texts(upstream.instantiates.compactMap(shown))),
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
                                JSONMemberValue(
                                    "resource", .array(upstream.resources.compactMap { resource($0, shown, policy) })),
                                JSONMemberValue("interaction", systemInteractions(upstream)),
                                JSONMemberValue(
                                    "operation", operations(upstream.systemOperations, at: .system, shown, policy)),
                            ].filter { $0.value != .array([]) })
                    ])),
            ].filter { $0.value != .array([]) }
        ).serialized
    }

    private static func resource(
        _ upstream: UpstreamCapabilities.Resource, _ shown: (String) -> String?, _ policy: ServerPolicy
    ) -> JSONValue? {
        let rule = policy.types[upstream.type]
        let offered = Set(
            OfferedFeature.allCases.filter { $0.isOffered(on: rule) && $0.needs.isSubset(of: upstream.interactions) })
        let interactions = OfferedFeature.allCases.filter { $0.place == .typeInteraction && offered.contains($0) }
        guard !interactions.isEmpty else { return nil }
        let parameters = upstream.parameters.filter(\.isOffered)
        return .object(
            [
                JSONMemberValue("type", .string(upstream.type.rawValue)),
                JSONMemberValue("supportedProfile", texts(upstream.profiles.compactMap(shown))),
                JSONMemberValue("interaction", .array(interactions.map { ["code": .string($0.rawValue)] })),
                JSONMemberValue("versioning", "versioned-update"),
                JSONMemberValue("readHistory", .bool(offered.contains(.vread))),
                // Row 15: an id that is free is not taken by an update.
                JSONMemberValue("updateCreate", false),
                JSONMemberValue("conditionalCreate", .bool(offered.contains(.conditionalCreate))),
                JSONMemberValue("conditionalRead", "not-match"),
                JSONMemberValue("conditionalUpdate", .bool(offered.contains(.conditionalUpdate))),
                JSONMemberValue(
                    "conditionalDelete", offered.contains(.conditionalDelete) ? "single" : "not-supported"),
                JSONMemberValue("searchParam", .array(offered.contains(.searchType) ? parameters.map(parameter) : [])),
                JSONMemberValue("operation", operations(upstream.operations, at: .type(upstream.type), shown, policy)),
            ].filter { $0.value != .array([]) })
    }

    /// What the protected server has and a descriptor lets through.
    private static func operations(
        _ operations: [UpstreamCapabilities.Operation], at place: OperationPlace, _ shown: (String) -> String?,
        _ policy: ServerPolicy
    ) -> JSONValue {
        .array(
            operations.filter { policy.operations.offers($0.name, at: place) }.compactMap { operation in
                shown(operation.definition).map {
                    .object([
                        JSONMemberValue("name", .string(operation.name)), JSONMemberValue("definition", .string($0)),
                    ])
                }
            })
    }

    /// What makes of an address of the upstream's statement one that a client may know: one at the protected server is
    /// read through us, and where it cannot be, it is not told.
    private static func shown(from upstream: UpstreamCapabilities, _ policy: ServerPolicy) -> (String) -> String? {
        let inner = Set([policy.upstreamBase, upstream.address ?? policy.upstreamBase].map(origin))
        return { address in
            guard inner.contains(origin(address)) else { return address }
            let parts = address.split(separator: "/")
            guard parts.count > 3, ["OperationDefinition", "StructureDefinition"].contains(parts[parts.count - 2]),
                let id = ResourceID(String(parts[parts.count - 1]))
            else { return nil }
            return "\(policy.publicBase)/\(parts[parts.count - 2])/\(id.text)"
        }
    }

    /// Scheme, host and port.
    private static func origin(_ address: String) -> String {
        address.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).prefix(3)
            .joined(separator: "/").lowercased()
    }

    private static func systemInteractions(_ upstream: UpstreamCapabilities) -> JSONValue {
        .array(
            OfferedFeature.allCases.filter {
                $0.isOffered && $0.place == .systemInteraction && $0.needs.isSubset(of: upstream.systemInteractions)
            }.map { ["code": .string($0.rawValue)] })
    }

    private static func parameter(_ parameter: SearchParameter) -> JSONValue {
        .object([
            JSONMemberValue("name", .string(parameter.code)), JSONMemberValue("type", .string(parameter.kind.rawValue)),
        ])
    }

    private static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

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
}
