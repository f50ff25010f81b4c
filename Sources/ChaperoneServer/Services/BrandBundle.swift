internal import FHIRCore
internal import OAuthCore

/// The user-access brands of this server (SMART 2.2, brands): which organization stands behind which FHIR base, so that
/// people find it in an app by name.
struct BrandBundle: Sendable {
    /// The Bundle as it is served.
    let bytes: [UInt8]
    /// A weak entity tag, which changes with the content.
    let entityTag: String
    /// The identifier of the brand that this server is, for discovery.
    let identifier: JSONValue

    /// Why a Bundle cannot be published.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    /// Checks a Bundle of the operator's for what SMART demands of it and for this server's own base.
    init(parsing bytes: [UInt8], fhirBase: String) throws {
        guard let bundle = try? JSONValue(parsing: bytes), bundle["resourceType"]?.string == "Bundle",
            bundle["type"]?.string == "collection", bundle["timestamp"]?.string != nil
        else { throw Unusable(description: "the brands must be a Bundle of type collection with a timestamp") }
        let resources = (bundle["entry"]?.array ?? []).compactMap { entry in
            entry["resource"].map { (address: entry["fullUrl"]?.string ?? "", resource: $0) }
        }
        let brands = resources.filter { $0.resource["resourceType"]?.string == "Organization" }
        let endpoints = resources.filter { $0.resource["resourceType"]?.string == "Endpoint" }
        guard !brands.isEmpty, brands.count + endpoints.count == resources.count else {
            throw Unusable(description: "the brands Bundle holds Organizations and Endpoints, at least one of each")
        }
        for brand in brands.map(\.resource) {
            let hasSite = (brand["telecom"]?.array ?? []).contains {
                $0["system"]?.string == "url" && ($0["value"]?.string ?? "").hasPrefix("http")
            }
            guard brand["name"]?.string?.isEmpty == false, hasSite else {
                throw Unusable(description: "every brand needs a name and the address of its website")
            }
        }
        let referenced = Set(
            brands.flatMap { ($0.resource["endpoint"]?.array ?? []).compactMap { $0["reference"]?.string } })
        for endpoint in endpoints { try Self.check(endpoint.resource, at: endpoint.address, referenced) }
        guard endpoints.contains(where: { $0.resource["address"]?.string == fhirBase }) else {
            throw Unusable(description: "no Endpoint of the brands has the address \(fhirBase)")
        }
        guard let identifier = brands[0].resource["identifier"]?.array?.first, identifier["value"]?.string != nil else {
            throw Unusable(description: "the first brand is this server's and needs an identifier")
        }
        let named = brands.filter { ($0.resource["identifier"]?.array ?? []).contains(identifier) }
        guard named.count == 1 else {
            throw Unusable(description: "the identifier of this server's brand stands on another brand too")
        }
        guard Self.absences(in: bundle).isSubset(of: ["asked-declined", "asked-unknown"]) else {
            throw Unusable(
                description: "data are absent from the brands for another reason than that somebody was asked")
        }
        self.identifier = identifier
        self.bytes = bundle.serialized
        entityTag = "W/\"" + Base64URL.encode(SHA256Hash.of(bundle.serialized)).prefix(22) + "\""
    }

    /// The codes of every data-absent-reason in the Bundle (SMART 2.2 brands, must-support).
    private static func absences(in value: JSONValue) -> Set<String> {
        let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
        var found: Set<String> = []
        if value["url"]?.string == url { found.insert(value["valueCode"]?.string ?? "") }
        for part in (value.object?.map(\.value) ?? []) + (value.array ?? []) { found.formUnion(absences(in: part)) }
        return found
    }

    private static func check(_ endpoint: JSONValue, at address: String, _ referenced: Set<String>) throws {
        let id = endpoint["id"]?.string.map { "Endpoint/\($0)" } ?? ""
        guard referenced.contains(id) || referenced.contains(address) else {
            throw Unusable(description: "an Endpoint of the brands is referenced by no brand")
        }
        let hasContact = (endpoint["contact"]?.array ?? []).contains { $0["system"]?.string == "url" }
        guard endpoint["address"]?.string?.hasPrefix("http") == true,
            endpoint["connectionType"]?["code"]?.string == "hl7-fhir-rest", endpoint["status"]?.string != nil,
            endpoint["payloadType"]?.array?.isEmpty == false, hasContact
        else {
            throw Unusable(
                description: "an Endpoint of the brands lacks address, status, type, payload type or contact")
        }
    }

    /// The demo's brand.
    static func demo(fhirBase: String, issuer: String) throws -> BrandBundle {
        let endpoint: JSONValue = [
            "resourceType": "Endpoint", "id": "demo-plan-fhir",
            "extension": [
                [
                    "url": "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version", "valueCode": "4.0.1",
                ]
            ], "status": "active",
            "connectionType": [
                "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-rest",
            ], "name": "FHIR R4 of the demo plan", "contact": [["system": "url", "value": .string(issuer)]],
            "payloadType": [
                ["coding": [["system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "code": "none"]]]
            ], "address": .string(fhirBase),
        ]
        let brand: JSONValue = [
            "resourceType": "Organization", "id": "demo-plan",
            "extension": [
                [
                    "url": "http://hl7.org/fhir/StructureDefinition/organization-portal",
                    "extension": [
                        ["url": "portalName", "valueString": "Demo plan"],
                        ["url": "portalUrl", "valueUrl": .string(issuer + "/account")],
                        ["url": "portalEndpoint", "valueReference": ["reference": "Endpoint/demo-plan-fhir"]],
                    ],
                ]
            ],
            "identifier": [["system": "urn:ietf:rfc:3986", "value": .string(issuer)]], "active": true,
            "type": [
                [
                    "coding": [
                        [
                            "system": "http://hl7.org/fhir/smart-app-launch/CodeSystem/user-access-category",
                            "code": "ins",
                        ]
                    ]
                ]
            ], "name": "Demo plan", "telecom": [["system": "url", "value": .string(issuer)]],
            "address": [["city": "Springfield", "country": "US"]],
            "endpoint": [["reference": "Endpoint/demo-plan-fhir"]],
        ]
        let bundle: JSONValue = [
            "resourceType": "Bundle", "type": "collection", "timestamp": "2026-01-01T00:00:00Z",
            "entry": [
                ["fullUrl": .string(issuer + "/brands/Organization/demo-plan"), "resource": brand],
                ["fullUrl": .string(issuer + "/brands/Endpoint/demo-plan-fhir"), "resource": endpoint],
            ],
        ]
        return try BrandBundle(parsing: bundle.serialized, fhirBase: fhirBase)
    }
}

extension Configuration {
    /// The brands to publish: the operator's file, or the demo's; nil for none.
    func brands() throws -> BrandBundle? {
        if let file = brandsFile {
            return try BrandBundle(parsing: Array(try Self.content(of: file).utf8), fhirBase: fhirBase)
        }
        return isDemo ? try BrandBundle.demo(fhirBase: fhirBase, issuer: issuer.text) : nil
    }
}
