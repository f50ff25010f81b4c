/// Where a configuration comes from: a file, then the environment, then flags, each overriding the one before.
public struct ConfigurationSource: Sendable {
    /// The keys that hold one value each and so can be set from the environment and by `--set`.
    ///
    /// `listeners.public.port` is `CHAPERONE_LISTENERS_PUBLIC_PORT`.
    public static let scalarKeys: [String] = [
        "issuer", "tls-terminated-by-proxy", "trusted-proxy-header", "state-directory", "root-keys-file", "brands-file",
        "database", "audit-database", "audit.node", "audit.checkpoint-interval", "audit.reporting-entity",
        "listeners.public.host", "listeners.public.port",
        "listeners.admin.host", "listeners.admin.port", "listeners.admin.protected", "listeners.admin.host-name",
        "listeners.tls.host", "listeners.tls.port", "listeners.tls.certificate-file", "listeners.tls.key-file",
        "listeners.sandbox.host", "listeners.sandbox.port",
        "listeners.demo.host", "listeners.demo.port",
        "listeners.decisions.host", "listeners.decisions.port", "listeners.decisions.key-file",
        "listeners.decisions.protected", "authorization-server",
        "fhir-server.upstream", "fhir-server.path", "fhir-server.ca-file", "fhir-server.connect-timeout",
        "fhir-server.answer-timeout", "fhir-server.idle-timeout", "fhir-server.connections-per-loop",
        "fhir-server.waiting-per-loop", "fhir-server.answer-megabytes", "fhir-server.connect-to",
        "fhir-server.client-certificate-file", "fhir-server.client-key-file", "fhir-server.oauth.token-endpoint",
        "fhir-server.oauth.client-id", "fhir-server.oauth.client-secret-file", "fhir-server.oauth.scope",
        "fhir-server.regulated", "fhir-server.operations-file", "fhir-server.reverse-chaining",
        "fhir-server.practitioner-patients", "fhir-server.related-persons", "fhir-server.panel-cache",
        "fhir-server.panel-service.url", "fhir-server.panel-service.token-file", "fhir-server.panel-service.ca-file",
        "fhir-server.panel-service.timeout", "local-accounts",
        "lifetimes.authorization-code", "lifetimes.access-token", "lifetimes.refresh-token", "lifetimes.session",
        "log.level", "dpop-nonces", "egress.proxy", "egress.ca-file",
        "client-certificates.on-tls-listener", "client-certificates.ca-file", "client-certificates.origin",
        "client-certificates.intermediates-file",
        "client-certificates.revocation.status",
        "client-certificates.revocation.fetch-crls", "client-certificates.revocation.ask-ocsp",
        "client-certificates.revocation.check-seconds", "client-certificates.revocation.renew-seconds",
    ]

    /// Variables with our prefix that are not settings of the server.
    public static let otherVariables: Set<String> = [
        "CHAPERONE_CONFIG", "CHAPERONE_ROOT_KEYS", "CHAPERONE_ADMIN", "CHAPERONE_SHARED_DATA",
        "CHAPERONE_REQUIREMENTS_LOG",
    ]

    /// The environment's name for a key.
    public static func variable(for key: String) -> String {
        "CHAPERONE_" + key.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }

    /// The text of `chaperone.yaml`, when there is one.
    public var yaml: String?
    /// The whole environment; variables without our prefix are left alone.
    public var environment: [String: String]
    /// `--set KEY=VALUE`, in order.
    public var flags: [(key: String, value: String)]

    public init(yaml: String?, environment: [String: String] = [:], flags: [(key: String, value: String)] = []) {
        self.yaml = yaml
        self.environment = environment
        self.flags = flags
    }

    /// Lays the three over one another.
    ///
    /// - Throws: for a variable with our prefix or a flag that is no setting; a spelling mistake must not pass as the default.
    public func settings() throws(ConfigurationError) -> Setting {
        var settings = Setting.empty
        if let yaml { settings = try Setting(yaml: yaml) }
        var problems: [ConfigurationProblem] = []
        var keys: [String: String] = [:]
        for key in Self.scalarKeys { keys[Self.variable(for: key)] = key }
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("CHAPERONE_") && !Self.otherVariables.contains(name) {
            if let key = keys[name] {
                settings.override(Self.path(key), with: value, origin: .environment(name))
            } else {
                problems.append(.init(origin: .environment(name), path: "", message: "unknown setting"))
            }
        }
        for (key, value) in flags {
            if Self.scalarKeys.contains(key) {
                settings.override(Self.path(key), with: value, origin: .flag("--set \(key)"))
            } else {
                problems.append(.init(origin: .flag("--set \(key)"), path: "", message: "unknown setting"))
            }
        }
        if !problems.isEmpty { throw ConfigurationError(problems) }
        return settings
    }

    private static func path(_ key: String) -> ArraySlice<String> { key.split(separator: ".").map(String.init)[...] }
}
