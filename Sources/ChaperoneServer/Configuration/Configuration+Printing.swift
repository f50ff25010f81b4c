extension Configuration {
    /// The settings that hold one value, by their keys, as they are in force. None of them is a secret.
    public var settingsInForce: [(key: String, value: String)] {
        [
            ("demo", isDemo ? "true" : "false"),
            ("issuer", issuer.text),
            ("tls-terminated-by-proxy", hasTLSProxy ? "true" : "false"),
            ("state-directory", stateDirectory),
            ("database", database.description),
            ("audit-database", auditDatabase.description),
            ("audit.node", audit.node),
            ("audit.checkpoint-interval", String(audit.checkpointInterval)),
            ("listeners.public.host", listeners.public.host),
            ("listeners.public.port", String(listeners.public.port)),
            ("listeners.admin.host", listeners.admin.host),
            ("listeners.admin.port", String(listeners.admin.port)),
            ("listeners.admin.protected", listeners.adminIsProtected ? "true" : "false"),
            ("listeners.admin.host-name", listeners.adminHostName ?? listeners.admin.host),
            ("listeners.sandbox.host", listeners.sandbox.host),
            ("listeners.sandbox.port", String(listeners.sandbox.port)),
            ("listeners.demo.host", listeners.demo.host),
            ("listeners.demo.port", String(listeners.demo.port)),
            ("fhir-server.upstream", fhirServer.upstream.isEmpty ? "(the demo's sandbox)" : fhirServer.upstream),
            ("fhir-server.path", fhirServer.path),
            ("fhir-server.ca-file", fhirServer.certificateAuthorityFile ?? ""),
            ("fhir-server.connect-timeout", String(fhirServer.connectTimeoutSeconds)),
            ("fhir-server.answer-timeout", String(fhirServer.answerTimeoutSeconds)),
            ("fhir-server.connections-per-loop", String(fhirServer.connectionsPerLoop)),
            ("fhir-server.regulated", fhirServer.isRegulated ? "true" : "false"),
            ("lifetimes.authorization-code", String(lifetimes.authorizationCode)),
            ("lifetimes.access-token", String(lifetimes.accessToken)),
            ("lifetimes.refresh-token", String(lifetimes.refreshToken)),
            ("lifetimes.session", String(lifetimes.session)),
            ("log.level", log.level.rawValue),
            ("clients", clients.map(\.id).joined(separator: " ")),
            ("users", users.map(\.login).joined(separator: " ")),
        ]
    }
}
