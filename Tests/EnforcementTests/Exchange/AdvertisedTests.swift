import AccessPolicy
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Enforcement

/// What the public CapabilityStatement advertises works, and what works is advertised.
struct AdvertisedTests {
    private static let everyType = ResourceType.allCases

    /// The statement of a server that offers everything on every type.
    private static func statement(of types: [String]) -> [UInt8] {
        let codes = [
            "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
        ]
        let resources = types.map { type -> JSONValue in
            let known = ResourceType(rawValue: type).map { R4.searchParameters(for: $0) } ?? []
            return [
                "type": .string(type), "interaction": .array(codes.map { ["code": .string($0)] }),
                "searchParam": .array(known.map { ["name": .string($0.code), "type": .string($0.kind.rawValue)] }),
            ]
        }
        let system = ["transaction", "batch", "search-system", "history-system"]
        return JSONValue.object([
            JSONMemberValue("resourceType", "CapabilityStatement"), JSONMemberValue("fhirVersion", "4.0.1"),
            JSONMemberValue(
                "rest",
                .array([
                    [
                        "mode": "server", "resource": .array(resources),
                        "interaction": .array(system.map { ["code": .string($0)] }),
                    ]
                ])),
        ]).serialized
    }

    private static func document(of types: [String]) throws -> JSONValue {
        let policy = ServerPolicy(
            publicBase: GatewayHarness.publicBase, upstreamBase: GatewayHarness.upstreamBase,
            types: try TypeTable.r4())
        let bytes = CapabilityDocument.make(
            from: try UpstreamCapabilities(statement(of: types)), policy: policy,
            endpoints: OAuthEndpoints(authorize: "https://gw.example/a", token: "https://gw.example/t"))
        return try JSONValue(parsing: bytes)
    }

    private static let rest: Result<JSONValue, any Error> = Result {
        try #require(try document(of: everyType.map(\.rawValue))["rest"]?.array?.first)
    }

    private static func row(_ type: ResourceType) throws -> JSONValue? {
        try rest.get()["resource"]?.array?.first { $0["type"]?.string == type.rawValue }
    }

    /// Whether the statement says that a type, or the system, has a feature.
    private static func advertises(_ feature: OfferedFeature, on type: ResourceType) throws -> Bool {
        let row = try row(type)
        func codes(_ node: JSONValue?) -> [String] {
            node?["interaction"]?.array?.compactMap { $0["code"]?.string } ?? []
        }
        return switch feature.place {
        case .typeInteraction: codes(row).contains(feature.rawValue)
        case .systemInteraction: codes(try rest.get()).contains(feature.rawValue)
        case .element:
            switch feature {
            case .conditionalCreate: row?["conditionalCreate"]?.bool == true
            case .conditionalUpdate: row?["conditionalUpdate"]?.bool == true
            case .conditionalDelete: row?["conditionalDelete"]?.string == "single"
            // No element of a CapabilityStatement tells of these two.
            default: feature.isOffered(on: try TypeTable.r4()[type])
            }
        }
    }

    /// Asks for one feature as its simplest request would.
    private static func ask(
        _ feature: OfferedFeature, on resourceType: ResourceType, _ harness: GatewayHarness, _ token: String
    ) async -> GatewayHarness.Answer {
        let type = resourceType.rawValue
        let body = Array("{\"resourceType\":\"\(type)\",\"id\":\"x\"}".utf8)
        let json = [(name: "Content-Type", value: "application/fhir+json")]
        let patch = [(name: "Content-Type", value: "application/json-patch+json")]
        func send(
            _ method: String, _ target: String, _ headers: [(name: String, value: String)] = [], _ body: [UInt8] = []
        ) async -> GatewayHarness.Answer {
            await harness.send(method, target, token: token, headers: headers, body: body)
        }
        func bundle(_ kind: String) -> [UInt8] {
            Array(
                """
                {"resourceType":"Bundle","type":"\(kind)","entry":[{"request":{"method":"GET","url":"\(type)/x"}}]}
                """.utf8)
        }
        let edit = Array(#"[{"op":"add","path":"/language","value":"en"}]"#.utf8)
        return switch feature {
        case .read: await send("GET", "/\(type)/x")
        case .vread: await send("GET", "/\(type)/x/_history/1")
        case .historyInstance: await send("GET", "/\(type)/x/_history")
        case .historyType: await send("GET", "/\(type)/_history")
        case .historySystem: await send("GET", "/_history")
        case .searchType: await send("GET", "/\(type)")
        case .searchSystem: await send("GET", "/?_type=\(type)")
        case .searchCompartment: await send("GET", "/Patient/x/\(type)")
        case .create: await send("POST", "/\(type)", json, body)
        case .conditionalCreate:
            await send("POST", "/\(type)", json + [(name: "If-None-Exist", value: "_id=nobody")], body)
        case .update: await send("PUT", "/\(type)/x", json, body)
        case .conditionalUpdate: await send("PUT", "/\(type)?_id=x", json, body)
        case .patch: await send("PATCH", "/\(type)/x", patch, edit)
        case .conditionalPatch: await send("PATCH", "/\(type)?_id=x", patch, edit)
        case .delete: await send("DELETE", "/\(type)/x")
        case .conditionalDelete: await send("DELETE", "/\(type)?_id=x")
        case .batch: await send("POST", "/", json, bundle("batch"))
        case .transaction: await send("POST", "/", json, bundle("transaction"))
        }
    }

    @Test(.verifies("house@CAP-01"), arguments: OfferedFeature.allCases)
    func `what is advertised works and what is not is refused`(feature: OfferedFeature) async throws {
        let records = Self.everyType.map { type -> JSONValue in
            ["resourceType": .string(type.rawValue), "id": "x"]
        }
        // One patient in whose compartment the compartment search is asked; a system feature is asked once.
        let types = feature.place == .systemInteraction ? [.patient] : Self.everyType
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .obedient)
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: PanelSource(ofUser: { _ in .none }, ofClient: { _ in .everyone }))
        let token = try harness.token(scope: "system/*.cruds", subject: nil)
        for type in types {
            let answer = await Self.ask(feature, on: type, harness, token)

            let isServed = answer.status < 400
            #expect(
                try isServed == Self.advertises(feature, on: type),
                "\(feature.rawValue) on \(type): \(answer.status) \(answer.text)")
        }
    }

    @Test(.verifies("house@CAP-01"), arguments: ["Bundle", "Parameters"])
    func `what wraps other resources is not advertised`(type: String) throws {
        let names = try Self.rest.get()["resource"]?.array?.compactMap { $0["type"]?.string } ?? []

        #expect(!names.contains(type))
        #expect(names.count == ResourceType.allCases.count - 2)
    }

    @Test(.verifies("house@CAP-01"))
    func `a parameter that is refused is not advertised`() throws {
        let rows = try Self.rest.get()["resource"]?.array ?? []
        #expect(rows.count == ResourceType.allCases.count - 2)
        for row in rows {
            let names = row["searchParam"]?.array?.compactMap { $0["name"]?.string } ?? []
            #expect(!names.isEmpty)
            #expect(Set(names).isDisjoint(with: ["_text", "_content", "_list", "_filter", "_query", "_has"]))
        }
    }

    /// An operation, where it is called in the simplest way, and whether it stands in the statement of a server that
    /// has it there.
    private static let calls: [(name: String, type: ResourceType?, target: String, isOffered: Bool)] = [
        ("export", nil, "/$export", true), ("export", .patient, "/Patient/$export", true),
        ("export", .group, "/Group/x/$export", true), ("export", .observation, "/Observation/$export", false),
        ("everything", .patient, "/Patient/x/$everything", true),
        ("everything", .encounter, "/Encounter/x/$everything", false), ("everything", nil, "/$everything", false),
        ("docref", .documentReference, "/DocumentReference/$docref?patient=x", true),
        ("lastn", .observation, "/Observation/$lastn?patient=x", true),
        ("lastn", .condition, "/Condition/$lastn?patient=x", false),
        ("expand", .valueSet, "/ValueSet/x/$expand", true),
        ("validate-code", .codeSystem, "/CodeSystem/$validate-code?code=a", true),
        ("lookup", .codeSystem, "/CodeSystem/$lookup?code=a", true),
        ("translate", .conceptMap, "/ConceptMap/$translate?code=a", true),
        ("validate", .patient, "/Patient/x/$validate", false), ("meta", nil, "/$meta", false),
        ("graphql", .patient, "/Patient/x/$graphql", false),
    ]

    @Test(.verifies("house@CAP-01"), arguments: calls.indices)
    func `an operation is advertised when the server has it and it is let through`(place: Int) async throws {
        let call = Self.calls[place]
        let listed: JSONValue = .array([
            ["name": .string(call.name), "definition": "http://hl7.org/fhir/OperationDefinition/x"],
            ["name": "undescribed", "definition": "http://hl7.org/fhir/OperationDefinition/y"],
        ])
        let resource = JSONValue.object([
            JSONMemberValue("type", .string((call.type ?? .patient).rawValue)),
            JSONMemberValue("interaction", .array([["code": "read"]])),
            JSONMemberValue("operation", call.type == nil ? .array([]) : listed),
        ])
        let rest = JSONValue.object([
            JSONMemberValue("mode", "server"), JSONMemberValue("resource", .array([resource])),
            JSONMemberValue("operation", call.type == nil ? listed : .array([])),
        ])
        let statement = JSONValue.object([
            JSONMemberValue("resourceType", "CapabilityStatement"), JSONMemberValue("fhirVersion", "4.0.1"),
            JSONMemberValue("rest", .array([rest])),
        ])
        let policy = ServerPolicy(
            publicBase: GatewayHarness.publicBase, upstreamBase: GatewayHarness.upstreamBase,
            types: try TypeTable.r4())
        let document = try JSONValue(
            parsing: CapabilityDocument.make(
                from: try UpstreamCapabilities(statement.serialized), policy: policy,
                endpoints: OAuthEndpoints(authorize: "https://gw.example/a", token: "https://gw.example/t")))
        let records = ResourceType.allCases.map { ["resourceType": .string($0.rawValue), "id": "x"] as JSONValue }
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .obedient)
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: PanelSource(ofUser: { _ in .none }, ofClient: { _ in .everyone }))
        let token = try harness.token(scope: "system/*.cruds", subject: nil)

        let answer = await harness.send(
            "GET", call.target, token: token, headers: [(name: "Prefer", value: "respond-async")])

        let made = document["rest"]?.array?.first
        let names = (call.type == nil ? made : made?["resource"]?.array?.first)?["operation"]?.array?.map {
            $0["name"]?.string
        }
        #expect((names ?? []) == (call.isOffered ? [call.name] : []))
        #expect((answer.status != 403) == call.isOffered, "\(answer.status) \(answer.text)")
    }

    @Test(.verifies("house@CAP-01"))
    func `an operation's name may be written with its dollar, and its definition is an address or it is left out`()
        throws
    {
        let capabilities = try UpstreamCapabilities(
            Array(
                #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","operation":[{"name":"$export","definition":"http://hl7.org/x"},{"name":"export","definition":"http://hl7.org/y"},{"name":"a<b","definition":"http://hl7.org/z"},{"name":"nowhere"},{"name":"odd","definition":"javascript:x"}]}]}"#
                    .utf8))

        #expect(capabilities.systemOperations == [.init(name: "export", definition: "http://hl7.org/x")])
    }

    @Test(.verifies("house@CAP-02"))
    func `a type without a rule is named and not advertised`() throws {
        let capabilities = try UpstreamCapabilities(Self.statement(of: ["Patient", "Transport", "<script>"]))

        #expect(capabilities.typesWithoutRule == ["Transport", "unnamed"])
        let text = try Self.document(of: ["Patient", "Transport"]).text
        #expect(!text.contains("Transport"))
    }

    @Test(
        .verifies("house@CAP-02"),
        arguments: [
            "{}", "[]", "x", #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}"#,
            #"{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0","rest":[{"mode":"server"}]}"#,
            #"{"resourceType":"CapabilityStatement","rest":[{"mode":"server"}]}"#,
            #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"client"}]}"#,
        ])
    func `what is no statement of an R4 server is not used`(text: String) {
        #expect(throws: UpstreamCapabilities.Unusable.self) { try UpstreamCapabilities(Array(text.utf8)) }
    }

    @Test func `parameters of the whole server count for every type`() throws {
        let capabilities = try UpstreamCapabilities(
            Array(
                #"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","searchParam":[{"name":"_id"}],"resource":[{"type":"Patient","searchParam":[{"name":"name"},{"name":"inner"}]}]}]}"#
                    .utf8))

        #expect(capabilities.parameters == [.patient: ["name", "_id"]])
    }
}
