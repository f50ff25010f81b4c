public import AccessPolicy
public import FHIRCore

/// What an EHR says when it makes a launch: which app, for which user, in which context. Well formed; whether the user
/// may see the patient is not decided here.
public struct EHRLaunchRequest: Hashable, Sendable {
    /// The app that is to be launched.
    public let clientID: ClientID
    /// The user of the EHR for whom it is launched: an account's name, or a FHIR reference to a person.
    public let user: User
    /// The context that the app will be told.
    public let context: LaunchContext
    /// The FHIR base that the launch is for, when the EHR names one.
    public let audience: String?

    /// How the EHR names its user.
    public enum User: Hashable, Sendable {
        case account(String)
        case person(InstanceKey)
    }

    /// What is told about the addresses that a launch may carry.
    public struct Rules: Hashable, Sendable {
        /// Whether a style document may be on `http` and loopback: demonstrations only.
        public let isDemonstration: Bool
        /// Makes rules.
        public init(isDemonstration: Bool = false) { self.isDemonstration = isDemonstration }
    }

    /// The most items of further context.
    public static let maxContextItems = 50
    /// The longest body in bytes.
    public static let maxBytes = 64 << 10

    private static let members: Set<String> = [
        "client_id", "user", "aud", "patient", "encounter", "fhirContext", "intent", "need_patient_banner",
        "smart_style_url", "tenant",
    ]

    /// Reads the JSON document; throws `invalid_request` with the member at fault.
    public init(parsing json: JSONValue, rules: Rules = Rules()) throws(OAuthError) {
        guard let members = json.object else { throw OAuthError(.invalidRequest, "the body must be a JSON object") }
        // What is not understood could be meant to limit the launch.
        for member in members where !Self.members.contains(member.name) {
            throw OAuthError(.invalidRequest, "the launch has a member that is not known")
        }
        guard let client = try Self.text("client_id", json, maxBytes: 255), client.isVisibleASCII else {
            throw OAuthError(.invalidRequest, "client_id is missing or malformed")
        }
        clientID = ClientID(client)
        user = try Self.user(json)
        audience = try Self.text("aud", json, maxBytes: 2000)
        var context = LaunchContext()
        context.patient = try Self.identifier("patient", json)
        context.encounter = try Self.identifier("encounter", json)
        guard context.encounter == nil || context.patient != nil else {
            throw OAuthError(.invalidRequest, "an encounter needs its patient")
        }
        context.intent = try Self.text("intent", json, maxBytes: 512)
        context.tenant = try Self.text("tenant", json, maxBytes: 255)
        context.smartStyleURL = try Self.style(json, rules: rules)
        context.fhirContext = try FHIRContextItem.items(of: json["fhirContext"])
        if let banner = json["need_patient_banner"] {
            guard let flag = banner.bool else {
                throw OAuthError(.invalidRequest, "need_patient_banner must be true or false")
            }
            context.needPatientBanner = flag
        }
        self.context = context
    }

    private static func user(_ json: JSONValue) throws(OAuthError) -> User {
        guard let text = try text("user", json, maxBytes: 128) else {
            throw OAuthError(.invalidRequest, "user is missing")
        }
        guard text.contains("/") else { return .account(text) }
        guard let person = InstanceKey(userReference: text) else {
            throw OAuthError(.invalidRequest, "user must be an account's name or a reference such as Practitioner/p1")
        }
        return .person(person)
    }

    private static func text(_ name: String, _ json: JSONValue, maxBytes: Int) throws(OAuthError) -> String? {
        guard let value = json[name] else { return nil }
        guard let text = value.string, (1...maxBytes).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy(\.isVisible)
        else { throw OAuthError(.invalidRequest, "\(name) is malformed") }
        return text
    }

    private static func identifier(_ name: String, _ json: JSONValue) throws(OAuthError) -> ResourceID? {
        guard let text = try text(name, json, maxBytes: 64) else { return nil }
        // SMART 2.2 scopes: an id, not a reference.
        guard let id = ResourceID(text) else { throw OAuthError(.invalidRequest, "\(name) must be a FHIR id") }
        return id
    }

    private static func style(_ json: JSONValue, rules: Rules) throws(OAuthError) -> String? {
        guard let text = try text("smart_style_url", json, maxBytes: 2000) else { return nil }
        let isLocal =
            rules.isDemonstration && ["http://127.0.0.1:", "http://localhost:"].contains { text.hasPrefix($0) }
        guard text.hasPrefix("https://") || isLocal, text.utf8.allSatisfy(RedirectURI.isURICharacter) else {
            throw OAuthError(.invalidRequest, "smart_style_url must be an https address")
        }
        return text
    }
}

/// The checks on one item of `fhirContext` (SMART 2.2 scopes, fhirContext).
enum FHIRContextItem {
    private static let members: Set<String> = ["reference", "canonical", "identifier", "type", "role"]

    /// The items, each checked; empty when there are none.
    static func items(of json: JSONValue?) throws(OAuthError) -> [JSONValue] {
        guard let json else { return [] }
        guard let items = json.array, items.count <= EHRLaunchRequest.maxContextItems else {
            throw refused("must be an array of at most \(EHRLaunchRequest.maxContextItems) items")
        }
        for item in items { try check(item) }
        return items
    }

    private static func refused(_ reason: String) -> OAuthError {
        OAuthError(.invalidRequest, "fhirContext \(reason)")
    }

    private static func check(_ item: JSONValue) throws(OAuthError) {
        guard let members = item.object else { throw refused("holds something other than objects") }
        guard members.allSatisfy({ Self.members.contains($0.name) }),
            Set(members.map(\.name)).count == members.count
        else { throw refused("has an item with a member that is not known") }
        for name in ["reference", "canonical", "type", "role"] {
            guard let value = item[name] else { continue }
            guard let text = value.string, (1...500).contains(text.utf8.count), text.isVisibleASCII else {
                throw refused("has an item with a malformed \(name)")
            }
        }
        guard item["reference"] != nil || item["canonical"] != nil || item["identifier"] != nil else {
            throw refused("has an item without reference, canonical and identifier")
        }
        if let type = item["type"]?.string, ResourceType(rawValue: type) == nil {
            throw refused("names a type that does not exist")
        }
        let role = item["role"]?.string ?? "launch"
        // A role is an absolute URI unless SMART defines it.
        guard role == "launch" || role.contains(":") else { throw refused("has a role that is no URI") }
        if let reference = item["reference"]?.string {
            guard let key = InstanceKey(reference) else { throw refused("needs relative references") }
            guard role != "launch" || (key.type != .patient && key.type != .encounter) else {
                throw refused("may not hold the patient or the encounter; they have parameters of their own")
            }
        }
        if let identifier = item["identifier"] { try check(identifier: identifier) }
    }

    /// An Identifier with system and value; anything deeper is not context.
    private static func check(identifier: JSONValue) throws(OAuthError) {
        guard let members = identifier.object, members.count <= 2,
            members.allSatisfy({ member in
                ["system", "value"].contains(member.name) && (member.value.string?.utf8.count ?? 501) <= 500
            }), identifier["value"] != nil
        else { throw refused("has an identifier other than system and value") }
    }
}
