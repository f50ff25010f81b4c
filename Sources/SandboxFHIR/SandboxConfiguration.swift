/// What a `SandboxServer` is started with.
public struct SandboxConfiguration: Sendable {
    /// The SQLite file to keep resources in; `nil` for a temporary one that is removed with the store.
    public var databasePath: String?
    /// The address to listen on; anything but a loopback address is refused, for the sandbox protects nothing.
    public var host: String
    /// The port to listen on; 0 lets the system choose (see `SandboxServer.boundPort`).
    public var port: Int
    /// How searches treat a parameter that is not known when the request does not say so itself.
    public var defaultHandling: SearchHandling
    /// How many matches a page has when the request does not say.
    public var defaultPageSize: Int
    /// The most matches a page can have.
    public var maximumPageSize: Int
    /// The largest request body that is read.
    public var maximumBodyBytes: Int
    /// The most resources that one file of a bulk export has.
    public var maximumExportFileResources: Int

    /// Describes a server; everything but the place of the data and the port has a default.
    public init(
        databasePath: String?, host: String = "127.0.0.1", port: Int, defaultHandling: SearchHandling = .lenient,
        defaultPageSize: Int = 50, maximumPageSize: Int = 1000, maximumBodyBytes: Int = 64 << 20,
        maximumExportFileResources: Int = 10_000
    ) {
        self.databasePath = databasePath
        self.host = host
        self.port = port
        self.defaultHandling = defaultHandling
        self.defaultPageSize = defaultPageSize
        self.maximumPageSize = maximumPageSize
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumExportFileResources = max(1, maximumExportFileResources)
    }
}

/// What happens to a search parameter that the server does not know (`Prefer: handling`, FHIR R4 search §3.1.1.4).
public enum SearchHandling: String, Sendable {
    /// The parameter is ignored and missing from the `self` link.
    case lenient
    /// The request is refused with 400.
    case strict
}

/// The loopback addresses, the only ones that the sandbox listens on and answers to.
enum Loopback {
    /// Whether a host name or literal address can only mean this machine.
    static func contains(_ host: String) -> Bool {
        switch host.lowercased() {
        case "localhost", "::1", "[::1]": return true
        default: break
        }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether the authority of a `Host` header names this machine, with or without a port.
    static func namesLoopback(authority: String) -> Bool {
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return false }
            let rest = authority[authority.index(after: end)...]
            return contains(String(authority[...end])) && (rest.isEmpty || isPort(rest))
        }
        guard let colon = authority.firstIndex(of: ":") else { return contains(authority) }
        return contains(String(authority[..<colon])) && isPort(authority[colon...])
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && UInt16(text.dropFirst()) != nil
    }
}
