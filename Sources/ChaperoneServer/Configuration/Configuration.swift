/// Everything that `chaperone serve` can be told, read strictly and once.
public struct Configuration: Hashable, Sendable {
    /// Demo accounts, clients, synthetic members and their listeners; refused where the issuer is not loopback.
    public var isDemo: Bool
    /// The issuer: scheme, host and port that clients see.
    public var issuer: IssuerAddress
    /// Whether a proxy in front ends TLS, so that plain HTTP between it and us is meant.
    public var hasTLSProxy: Bool
    /// For how long browsers come to an `https` issuer over TLS only, in seconds; 0 for no word about it.
    public var strictTransportSeconds: Int
    /// The proxies in front whose word about the client's address counts, by address or network.
    public var trustedProxies: [String]
    /// The header in which they say it.
    public var trustedProxyHeader: ProxyHeader
    public var database: DatabaseLocation
    /// The audit trail's own database.
    public var auditDatabase: DatabaseLocation
    public var audit: AuditSettings
    /// Where signing keys and the local admin credential are kept, readable by the owner only.
    public var stateDirectory: String
    /// The file of the root keys, when it is not the one in the state directory.
    public var rootKeysFile: String?
    /// The file of the user-access brands Bundle.
    public var brandsFile: String?
    public var listeners: Listeners
    public var fhirServer: FHIRServer
    public var lifetimes: Lifetimes
    public var clients: [ConfiguredClient]
    public var users: [ConfiguredUser]
    /// The patients that a practitioner may see under `user/` scopes, by the practitioner's reference.
    public var panels: [String: [String]]
    /// Who must show a second factor.
    public var secondFactor: SecondFactor
    public var log: LogSettings
    public var egress: Egress
    /// Whether DPoP proofs have to carry a nonce of ours.
    public var demandsProofNonces: Bool
    public var clientCertificates: ClientCertificates
    /// Somebody else's authorization server, whose tokens are taken instead of our own; nil for our own.
    public var tokenIssuer: TokenIssuer?
    /// The identity providers, and who may sign in otherwise.
    public var signIn: SignInSettings

    /// The header in which a proxy says for whom it asks.
    public enum ProxyHeader: String, Hashable, CaseIterable, Sendable {
        case xForwardedFor = "x-forwarded-for"
        case forwarded
    }

    /// Where the server listens.
    public struct Listeners: Hashable, Sendable {
        public var `public`: ListenAddress
        public var admin: ListenAddress
        /// Whether the admin listener, when not on loopback, stands behind something that authenticates (declared by
        /// the operator, never guessed).
        public var adminIsProtected: Bool
        /// The host name that people type for the admin side, when it differs from the address.
        public var adminHostName: String?
        /// The same as the public listener with TLS of our own; nil where a proxy ends TLS, or nobody does.
        public var tls: TLSListener?
        /// The embedded FHIR store; only with `--demo`.
        public var sandbox: ListenAddress
        /// The demo app; only with `--demo`.
        public var demo: ListenAddress
        /// Where gateways that are not ours ask for decisions; only with `decisionKeyFile`.
        public var decisions: ListenAddress
        /// The file of the key that such gateways share with us.
        public var decisionKeyFile: String?
        /// Whether the way from those gateways to this listener, when not on loopback, is protected by something else.
        public var decisionsAreProtected: Bool
    }

    /// Where the public side is served over TLS, and as whom.
    public struct TLSListener: Hashable, Sendable {
        public var address: ListenAddress
        /// The certificate chain in PEM, the server's own first.
        public var certificateFile: String
        /// Its private key in PEM.
        public var keyFile: String
    }

    /// The FHIR server that is protected.
    public struct FHIRServer: Hashable, Sendable {
        /// Its base address; empty means the embedded sandbox of the demo.
        public var upstream: String
        /// The path under which it appears here, such as `/fhir`.
        public var path: String
        /// A file of CA certificates in PEM to trust for it instead of the system's.
        public var certificateAuthorityFile: String?
        /// Where its socket is, as `host:port`, when that is not where its base says.
        public var connectTo: String?
        /// Our own certificate chain and its key in PEM, where it asks for one.
        public var clientCertificateFile: String?
        public var clientKeyFile: String?
        /// Where we get access tokens for it; nil where it wants none.
        public var oauth: OAuthSource?
        /// Headers sent with every request to it; the values are secrets read from files.
        public var headers: [StaticHeader]
        /// Where the files of its exports may stand beside it.
        public var storageHosts: [StorageHostSettings]
        public var connectTimeoutSeconds: Int
        public var answerTimeoutSeconds: Int
        public var idleTimeoutSeconds: Int
        public var connectionsPerLoop: Int
        public var waitingPerLoop: Int
        /// The largest answer that is judged whole, in megabytes.
        public var answerMegabytes: Int
        /// How many larger ones may be on their way at one time: to one client, and in all.
        public var streamsOfClient: Int
        public var streams: Int
        /// What a client takes at least of an answer in a second, in bytes, while it is waited for.
        public var leastBytesPerSecond: Int
        /// Whether it is bound by the CMS rules; the program `general` exists only where it is not (decision 28).
        public var isRegulated: Bool
        /// The file of the site's own operation descriptors.
        public var operationsFile: String?
        /// Whether `_has` may be asked, in the one form in which it tells nothing about hidden rows.
        public var allowsReverseChaining: Bool
        /// The types of which every formal member of the Patient compartment counts, and not the subject alone.
        public var formalMembers: [String]
        /// What becomes of resources that name further patients, where a type is to differ from the built-in choice.
        public var otherPatients: [String: String]
        /// How a practitioner's patients are found at the server, such as `Patient.general-practitioner`.
        public var practitionerPatients: String?
        /// Whether a related person may see the patient whom its own resource names.
        public var asksRelatedPersons: Bool
        /// A service of the site's that is asked who a user's patients are.
        public var panelService: PanelServiceSource?
        /// How long a panel that was asked for is believed.
        public var panelSeconds: Int
    }

    /// The token endpoint of the protected server's own authorization server, and who we are there.
    public struct OAuthSource: Hashable, Sendable {
        public var tokenEndpoint: String
        public var clientID: String
        public var clientSecretFile: String
        public var scope: String?
    }

    /// A host on which files of exports may stand.
    public struct StorageHostSettings: Hashable, Sendable {
        /// Exactly which scheme, host, port and path the files' addresses begin with.
        public var address: String
        /// A file of CA certificates in PEM to trust for it instead of the system's.
        public var certificateAuthorityFile: String?
        /// Headers of its own.
        public var headers: [StaticHeader]
        /// Whether it gets what the protected server gets: headers, access token, certificate.
        public var getsUpstreamCredentials: Bool
        /// Whether it may stand on a private network.
        public var allowsPrivateNetwork: Bool
    }

    /// A header for the protected server whose value stands in a file.
    public struct StaticHeader: Hashable, Sendable {
        public var name: String
        public var valueFile: String
    }

    /// How long things live, in seconds.
    public struct Lifetimes: Hashable, Sendable {
        public var authorizationCode: Int
        public var accessToken: Int
        public var refreshToken: Int
        public var session: Int
    }

    /// How much is logged and how.
    public struct LogSettings: Hashable, Sendable {
        public enum Level: String, CaseIterable, Sendable { case debug, info, notice, warning, error }
        public var level: Level
    }
}

/// The public origin of this authorization server: `https://auth.example.org` or, on loopback, `http://localhost:8080`.
public struct IssuerAddress: Hashable, Sendable, CustomStringConvertible {
    /// Without a path and without a final slash.
    public let text: String
    public let isHTTPS: Bool
    public let host: String
    public let port: Int

    /// Takes an origin apart; nil for anything else than `http(s)://host[:port]`.
    public init?(_ text: String) {
        let isHTTPS: Bool
        let rest: Substring
        if text.hasPrefix("https://") {
            (isHTTPS, rest) = (true, text.dropFirst(8))
        } else if text.hasPrefix("http://") {
            (isHTTPS, rest) = (false, text.dropFirst(7))
        } else {
            return nil
        }
        guard let (host, port) = ListenAddress.split(String(rest)) else { return nil }
        self.text = text
        self.isHTTPS = isHTTPS
        self.host = host
        self.port = port ?? (isHTTPS ? 443 : 80)
    }

    /// Whether only this machine can reach it by that name.
    public var isLoopback: Bool { ListenAddress.isLoopback(host) }

    public var description: String { text }
}

/// An address and port to listen on.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    public var host: String
    /// 0 lets the system choose, for tests.
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port`; nil when it is not one.
    public init?(_ text: String) {
        guard let (host, port) = Self.split(text), let port else { return nil }
        self.init(host: host, port: port)
    }

    /// `host:port` or `[v6]:port` in its two parts; nil when it is not one, the port nil when it is not written.
    static func split(_ text: String) -> (host: String, port: Int?)? {
        var host = Substring(text)
        var port: Int?
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            let digits = text[text.index(after: colon)...]
            guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }),
                let number = Int(digits), number <= 65535
            else { return nil }
            port = number
            host = text[..<colon]
        }
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.dropFirst().dropLast().utf8.allSatisfy(isAddressByte) else { return nil }
            return (String(host), port)
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ isAddressByte($0) && $0 != 0x3A }) else { return nil }
        return (host.lowercased(), port)
    }

    /// Letters, digits, `-`, `.` and `:`: what a host name or an IP literal is made of.
    private static func isAddressByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
        default: false
        }
    }

    /// Whether a host is one that never leaves the machine: `localhost` (RFC 6761 §6.3), 127/8, ::1.
    public static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether it is bound to loopback.
    public var isLoopback: Bool { Self.isLoopback(host) }

    public var description: String { "\(host):\(port)" }
}

/// Where data is kept.
public enum DatabaseLocation: Hashable, Sendable, CustomStringConvertible {
    /// A SQLite file by its path.
    case sqlite(String)

    /// `sqlite:PATH`.
    public init?(_ text: String) {
        guard text.hasPrefix("sqlite:") else { return nil }
        let path = String(text.dropFirst(7))
        guard !path.isEmpty else { return nil }
        self = .sqlite(path)
    }

    /// The file's path.
    public var path: String {
        switch self {
        case .sqlite(let path): path
        }
    }

    public var description: String { "sqlite:\(path)" }
}
