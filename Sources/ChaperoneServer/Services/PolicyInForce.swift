internal import AccessPolicy
internal import Audit
internal import Authorization
internal import OAuthCore

/// One of the policies by which is decided, as it is in force: its name, the digest of everything that it says, and the
/// files in which it stands. What it says is not kept here, and not in the audit trail.
struct PolicyInForce: Hashable, Sendable {
    let name: String
    let digest: ChainHash
    let files: [String]

    /// A policy of settings and of files' contents.
    init(_ name: String, settings: [String], files: [(path: String, content: [UInt8])] = []) {
        self.init(name, settings: settings, digests: files.map { ($0.path, SHA256Hash.of($0.content)) })
    }

    /// A policy of settings and of files of which the SHA-256 is known.
    init(_ name: String, settings: [String], digests files: [(path: String, digest: [UInt8])]) {
        self.name = name
        self.files = files.map(\.path)
        // Lengths first, so that no two policies share a text.
        let parts = settings + files.map { "\($0.path) \(Base64URL.encode($0.digest))" }
        digest = .digest(of: parts.map { "\($0.utf8.count):\($0)" }.joined(separator: "\n"))
    }

    /// What its record says.
    ///
    /// - Parameter before: the digest that was recorded before; nil where there was none.
    func detail(before: String?) -> String {
        let places = files.isEmpty ? "in the configuration" : "in \(files.joined(separator: ", "))"
        return "policy \(name) \(digest), before \(before ?? "none"), \(places)"
    }

    /// The digest that such a record has of a policy of that name; nil when it is about another.
    static func digest(in detail: String?, of name: String) -> String? {
        let words = (detail ?? "").split(separator: " ")
        guard words.count > 2, words[0] == "policy", words[1] == name, words[2].hasSuffix(",") else { return nil }
        return String(words[2].dropLast())
    }
}

extension Configuration {
    /// The policies by which this server decides. What is none of them is in the record of the configuration.
    func policiesInForce() throws -> [PolicyInForce] {
        let server = fhirServer
        let operations = try server.operationsFile.map { [(path: $0, content: try Self.bytes(of: $0))] } ?? []
        let authorities = try [
            clientCertificates.certificateAuthorityFile, clientCertificates.intermediatesFile,
        ].compactMap(\.self).map { (path: $0, content: try Self.bytes(of: $0)) }
        return [
            PolicyInForce("operations", settings: [operations.isEmpty ? "built in" : "of the site"], files: operations),
            PolicyInForce(
                "protected-server",
                settings: [
                    CanonicalText.of(server.path), CanonicalText.of(server.isRegulated),
                    CanonicalText.of(server.allowsReverseChaining), CanonicalText.of(server.formalMembers),
                    CanonicalText.of(server.otherPatients), CanonicalText.of(server.practitionerPatients),
                    CanonicalText.of(server.asksRelatedPersons), CanonicalText.of(server.panelService),
                    CanonicalText.of(server.panelSeconds), CanonicalText.of(server.storageHosts),
                ]),
            PolicyInForce(
                "programs",
                settings: clients.map {
                    "\($0.id) \($0.program.rawValue) \($0.kind.rawValue) \(CanonicalText.of($0.systemPanel)) \($0.scopes)"
                }),
            PolicyInForce("panels", settings: [CanonicalText.of(panels)]),
            PolicyInForce(
                "trusted-issuers",
                settings: [
                    CanonicalText.of(tokenIssuer), CanonicalText.of(signIn.providers),
                    CanonicalText.of(clientCertificates),
                ], files: authorities),
            PolicyInForce(
                "sign-in",
                settings: [
                    CanonicalText.of(signIn.takesPasswords), CanonicalText.of(signIn.assurance),
                    secondFactor.description,
                ]),
            PolicyInForce(
                "audit",
                settings: [
                    CanonicalText.of(audit.reportingEntity), CanonicalText.of(audit.organizations),
                    CanonicalText.of(audit.purposes), CanonicalText.of(audit.retention), CanonicalText.of(audit.feeds),
                ]),
        ]
    }

    /// The settings that hold one value and are part of no policy.
    var settingsBesidePolicies: [(key: String, value: String)] {
        settingsInForce.filter { !Self.policySettings.contains($0.key) }
    }

    private static let policySettings: Set<String> = [
        "audit.reporting-entity", "authorization-server", "client-certificates.ca-file",
        "client-certificates.intermediates-file", "client-certificates.on-tls-listener", "client-certificates.origin",
        "fhir-server.operations-file", "fhir-server.panel-cache", "fhir-server.panel-service.url", "fhir-server.path",
        "fhir-server.practitioner-patients", "fhir-server.regulated", "fhir-server.related-persons",
        "fhir-server.reverse-chaining", "identity-providers", "local-accounts",
    ]

    private static func bytes(of path: String) throws -> [UInt8] { Array(try content(of: path).utf8) }
}

extension RosterFile {
    /// The roster in force as a policy: it says who a login is, and for whom they may act. By the bytes that were taken:
    /// the file may be another by now. Nil where none is.
    func policy() -> PolicyInForce? {
        feed.digest.map { PolicyInForce("roster:\(provider)", settings: [], digests: [(path, $0)]) }
    }

    /// What stands for a roster that could not be taken.
    func policy(refused reason: String) -> PolicyInForce {
        PolicyInForce("roster:\(provider)", settings: [reason], files: [(path, [])])
    }
}

/// The text of a value that is the same for equal values: sets and dictionaries in order.
///
/// For digests alone, over settings that hold no secrets: it goes into every part of a value.
enum CanonicalText {
    static func of<Value>(_ value: Value) -> String {
        let mirror = Mirror(reflecting: value)
        let children = mirror.children.map { "\($0.label ?? ""):\(of($0.value))" }
        return switch mirror.displayStyle {
        case .set, .dictionary: "{\(mirror.children.map { of($0.value) }.sorted().joined(separator: ","))}"
        case .collection, .tuple: "[\(children.joined(separator: ","))]"
        case .optional where children.isEmpty: "none"
        case .enum where children.isEmpty: "\(value)"
        case .struct, .enum, .optional, .class: "(\(children.joined(separator: ",")))"
        default: "\(value)".debugDescription
        }
    }
}
