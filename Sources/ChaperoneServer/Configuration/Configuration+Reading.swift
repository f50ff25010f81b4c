internal import AccessPolicy
internal import Enforcement
internal import FHIRCore

extension Configuration {
    /// Reads settings strictly.
    ///
    /// - Parameters:
    ///   - settings: the tree made of file, environment and flags.
    ///   - isDemo: whether `--demo` was given; its addresses and its upstream are then the defaults.
    /// - Throws: every mistake that was found.
    public init(settings: Setting, isDemo: Bool) throws(ConfigurationError) {
        let problems = SettingReader.Problems()
        var top = SettingReader(settings, path: "", problems: problems)
        let issuerText = isDemo ? top.text("issuer", default: "http://localhost:8080") : top.requiredText("issuer")
        let issuer = IssuerAddress(issuerText)
        if issuer == nil, !issuerText.isEmpty {
            top.fail("issuer", "must be `https://host[:port]` without a path, not `\(issuerText)`")
        }
        self.isDemo = isDemo
        self.issuer = issuer ?? Self.placeholderIssuer
        hasTLSProxy = top.flag("tls-terminated-by-proxy", default: false)
        strictTransportSeconds = top.integer("strict-transport-seconds", default: 31_536_000, in: 0...63_072_000)
        trustedProxies = top.texts("trusted-proxies")
        for text in trustedProxies where !TrustedProxies.isNetwork(text) {
            top.fail("trusted-proxies", "must name addresses or networks such as `192.0.2.0/24`, not `\(text)`")
        }
        trustedProxyHeader = top.choice("trusted-proxy-header") ?? .xForwardedFor
        stateDirectory = top.text("state-directory", default: "./var")
        brandsFile = top.text("brands-file")
        rootKeysFile = top.text("root-keys-file")
        database = Self.database(&top, "database", default: "\(stateDirectory)/chaperone.db")
        auditDatabase = Self.database(&top, "audit-database", default: "\(stateDirectory)/audit.db")
        audit = Self.audit(&top)
        listeners = Self.listeners(&top)
        let fhirServer = Self.fhirServer(&top, isDemo: isDemo)
        self.fhirServer = fhirServer
        tokenIssuer = Self.tokenIssuer(&top, isRegulated: fhirServer.isRegulated)
        signIn = Self.signIn(&top, issuer: issuer)
        var lifetimes = top.map("lifetimes")
        self.lifetimes = Self.lifetimes(&lifetimes)
        lifetimes.finish()
        clients = top.maps("clients").map { Self.client($0, isRegulated: fhirServer.isRegulated) }
        users = top.maps("users").map(Self.user)
        panels = Self.panels(&top)
        secondFactor = Self.secondFactor(&top)
        var log = top.map("log")
        self.log = LogSettings(level: log.choice("level") ?? .info)
        log.finish()
        egress = Self.egress(&top)
        demandsProofNonces = top.flag("dpop-nonces", default: false)
        clientCertificates = Self.clientCertificates(&top, hasTLSListener: listeners.tls != nil)
        Self.checkUnique(clients.map(\.id), "clients", problems)
        Self.checkUnique(users.map(\.login), "users", problems)
        top.finish()
        if !problems.list.isEmpty { throw ConfigurationError(problems.list) }
        if isDemo { addDemoIdentities() }
    }

    /// Stands in while the mistake in the real one is being reported; never leaves the initialiser.
    private static let placeholderIssuer = IssuerAddress(host: "localhost")

    private static func database(_ top: inout SettingReader, _ key: String, default path: String) -> DatabaseLocation {
        guard let text = top.text(key) else { return .sqlite(path) }
        if let location = DatabaseLocation(text) { return location }
        top.fail(key, "must be `sqlite:PATH`, not `\(text)`")
        return .sqlite(path)
    }

    private static func listeners(_ top: inout SettingReader) -> Listeners {
        var map = top.map("listeners")
        var admin = map.map("admin")
        let adminAddress = address(&admin, port: 8081)
        let adminIsProtected = admin.flag("protected", default: false)
        let adminHostName = admin.text("host-name")
        admin.finish()
        var decisions = map.map("decisions")
        let decisionAddress = address(&decisions, port: 8084)
        let decisionKeyFile = decisions.text("key-file")
        let decisionsAreProtected = decisions.flag("protected", default: false)
        decisions.finish()
        let tls = tlsListener(&map)
        let listeners = Listeners(
            public: plainAddress(&map, "public", port: 8080), admin: adminAddress,
            adminIsProtected: adminIsProtected, adminHostName: adminHostName, tls: tls,
            sandbox: plainAddress(&map, "sandbox", port: 8082), demo: plainAddress(&map, "demo", port: 8083),
            decisions: decisionAddress, decisionKeyFile: decisionKeyFile, decisionsAreProtected: decisionsAreProtected)
        map.finish()
        return listeners
    }

    /// The TLS listener is there when it is named; half of it is a mistake.
    private static func tlsListener(_ listeners: inout SettingReader) -> TLSListener? {
        var map = listeners.map("tls")
        defer { map.finish() }
        let address = address(&map, port: 8443)
        let (certificate, key) = (map.text("certificate-file"), map.text("key-file"))
        switch (certificate, key) {
        case (let certificate?, let key?):
            return TLSListener(address: address, certificateFile: certificate, keyFile: key)
        case (nil, nil): return nil
        default:
            map.fail("certificate-file", "belongs together with `key-file`")
            return nil
        }
    }

    private static func plainAddress(_ listeners: inout SettingReader, _ key: String, port: Int) -> ListenAddress {
        var map = listeners.map(key)
        let address = address(&map, port: port)
        map.finish()
        return address
    }

    private static func address(_ map: inout SettingReader, port: Int) -> ListenAddress {
        let host = map.text("host", default: "127.0.0.1")
        if ListenAddress.split(host)?.host == nil, host != "::1", host != "::" {
            map.fail("host", "must be a host name or an IP address, not `\(host)`")
        }
        return ListenAddress(host: host, port: map.integer("port", default: port, in: 0...65535))
    }

    private static func fhirServer(_ top: inout SettingReader, isDemo: Bool) -> FHIRServer {
        var map = top.map("fhir-server")
        let upstream = isDemo ? map.text("upstream", default: "") : map.requiredText("upstream")
        let isAddress = upstream.hasPrefix("http://") || upstream.hasPrefix("https://")
        if !upstream.isEmpty, !isAddress || upstream.contains(where: { "?#@ ".contains($0) }) {
            map.fail("upstream", "must be an http or https address, not `\(upstream)`")
        }
        let path = map.text("path", default: "/fhir")
        let isPlainPath = path.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2F
        }
        if !path.hasPrefix("/") || path.hasSuffix("/") || path.contains("//") || !isPlainPath {
            map.fail("path", "must be a path of lower-case letters and digits such as `/fhir`, not `\(path)`")
        }
        let headers = map.maps("headers").map { reader in
            var reader = reader
            let header = StaticHeader(
                name: reader.requiredText("name"), valueFile: reader.requiredText("value-file"))
            reader.finish()
            return header
        }
        let storageHosts = Self.storageHosts(&map)
        let formalMembers = Self.formalMembers(&map)
        let otherPatients = Self.otherPatients(&map)
        let connectTo = map.text("connect-to")
        if let connectTo, UpstreamFHIRServer.ConnectTarget(connectTo) == nil {
            map.fail("connect-to", "must be `host:port`, not `\(connectTo)`")
        }
        let certificate = map.text("client-certificate-file")
        let key = map.text("client-key-file")
        if (certificate == nil) != (key == nil) {
            map.fail(
                certificate == nil ? "client-key-file" : "client-certificate-file",
                "`client-certificate-file` and `client-key-file` belong together")
        }
        if certificate != nil, !upstream.hasPrefix("https://") {
            map.fail("client-certificate-file", "a certificate is shown over https only")
        }
        let oauth = oauthSource(&map)
        if oauth != nil, headers.contains(where: { $0.name.lowercased() == "authorization" }) {
            map.fail("headers", "`Authorization` is set by `oauth` already")
        }
        let practitionerPatients = Self.practitionerPatients(&map)
        let asksRelatedPersons = map.flag("related-persons", default: false)
        let server = FHIRServer(
            upstream: upstream.hasSuffix("/") ? String(upstream.dropLast()) : upstream, path: path,
            certificateAuthorityFile: map.text("ca-file"), connectTo: connectTo, clientCertificateFile: certificate,
            clientKeyFile: key, oauth: oauth, headers: headers, storageHosts: storageHosts,
            connectTimeoutSeconds: map.integer("connect-timeout", default: 5, in: 1...60),
            answerTimeoutSeconds: map.integer("answer-timeout", default: 30, in: 1...600),
            idleTimeoutSeconds: map.integer("idle-timeout", default: 15, in: 1...600),
            connectionsPerLoop: map.integer("connections-per-loop", default: 64, in: 1...1024),
            waitingPerLoop: map.integer("waiting-per-loop", default: 256, in: 0...65_536),
            answerMegabytes: map.integer("answer-megabytes", default: 8, in: 1...256),
            streamsOfClient: map.integer("streams-per-client", default: 8, in: 1...1024),
            streams: map.integer("streams", default: 32, in: 1...4096),
            leastBytesPerSecond: map.integer("slowest-reader", default: 8192, in: 1...1_000_000),
            isRegulated: map.flag("regulated", default: true), operationsFile: map.text("operations-file"),
            allowsReverseChaining: map.flag("reverse-chaining", default: false), formalMembers: formalMembers,
            otherPatients: otherPatients, practitionerPatients: practitionerPatients,
            asksRelatedPersons: asksRelatedPersons,
            panelService: Self.panelService(
                &map, besides: practitionerPatients, relatedPersons: asksRelatedPersons),
            panelSeconds: map.integer("panel-cache", default: 60, in: 1...3600))
        map.finish()
        return server
    }

    private static func oauthSource(_ server: inout SettingReader) -> OAuthSource? {
        guard server.has("oauth") else { return nil }
        var map = server.map("oauth")
        let source = OAuthSource(
            tokenEndpoint: map.requiredText("token-endpoint"), clientID: map.requiredText("client-id"),
            clientSecretFile: map.requiredText("client-secret-file"), scope: map.text("scope"))
        map.finish()
        return source
    }

    private static func lifetimes(_ map: inout SettingReader) -> Lifetimes {
        Lifetimes(
            // SMART 2.2 asks for short-lived codes; RFC 6749 §4.1.2 names ten minutes as the longest.
            authorizationCode: map.integer("authorization-code", default: 60, in: 10...600),
            // SMART Backend Services: five minutes or less is recommended; an hour is the most that we allow.
            accessToken: map.integer("access-token", default: 300, in: 30...3600),
            refreshToken: map.integer("refresh-token", default: 100 * 86400, in: 3600...(366 * 86400)),
            session: map.integer("session", default: 1800, in: 60...43200))
    }

    private static func panels(_ top: inout SettingReader) -> [String: [String]] {
        var map = top.map("panels")
        var panels: [String: [String]] = [:]
        for key in map.keys {
            if !isReference(key, to: ["Practitioner", "PractitionerRole", "RelatedPerson"]) {
                map.fail(key, "must name a practitioner such as `Practitioner/p1`")
            }
            panels[key] = map.texts(key)
            for id in panels[key] ?? [] where ResourceID(id) == nil { map.fail(key, "`\(id)` is not a patient id") }
        }
        map.finish()
        return panels
    }

    static func isReference(_ text: String, to types: [String]) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && types.contains(String(parts[0])) && ResourceID(parts[1]) != nil
    }

    private static func checkUnique(_ names: [String], _ path: String, _ problems: SettingReader.Problems) {
        var seen: Set<String> = []
        for name in names where !name.isEmpty && !seen.insert(name).inserted {
            problems.add(nil, path, "`\(name)` stands there twice")
        }
    }
}

extension IssuerAddress {
    /// An address that needs no parsing.
    init(host: String) {
        text = "http://\(host)"
        isHTTPS = false
        self.host = host
        port = 80
    }
}
