/// The address of a document that is to be fetched, taken apart.
struct FetchTarget: Hashable, Sendable {
    let url: String
    let isSecure: Bool
    /// In lower case; an IPv6 literal without its brackets.
    let host: String
    let port: Int
    /// What the `Host` header says: host, and the port where it was written.
    let authority: String
    /// What the request line says: path and query, at least `/`.
    let path: String

    /// Reads an http or https address without user information or fragment, and with its host in lower case.
    init?(_ text: String) {
        let isSecure: Bool
        let rest: Substring
        if text.hasPrefix("https://") {
            (isSecure, rest) = (true, text.dropFirst(8))
        } else if text.hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst(7))
        } else {
            return nil
        }
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            !text.contains(where: { "@\\#\"<>".contains($0) })
        else { return nil }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        // What was looked up is pinned by its name, and a name has one spelling here.
        guard !authority.utf8.contains(where: { (0x41...0x5A).contains($0) }),
            let (host, port) = ListenAddress.split(String(authority))
        else { return nil }
        url = text
        self.authority = String(authority)
        let below = rest.dropFirst(authority.count)
        path = below.hasPrefix("/") ? String(below) : "/" + below
        self.isSecure = isSecure
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        self.port = port ?? (isSecure ? 443 : 80)
    }
}
