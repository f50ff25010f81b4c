/// A cookie that is bound to one listener: its name carries the port, because cookies know none (decision 24).
struct SessionCookie: Hashable, Sendable {
    /// `__Host-` where the browser sees TLS: then no other host and no plain connection can set it.
    let name: String
    private let isSecure: Bool

    init(purpose: String, port: Int, isSecure: Bool) {
        name = (isSecure ? "__Host-" : "") + "chaperone-\(purpose)-\(port)"
        self.isSecure = isSecure
    }

    /// The `Set-Cookie` value. Lax, not Strict: the person comes from the app's own site, and must arrive with it.
    func setting(_ value: String, maxAge: Int) -> String {
        "\(name)=\(value); Path=/; Max-Age=\(maxAge); HttpOnly; SameSite=Lax" + (isSecure ? "; Secure" : "")
    }

    /// The `Set-Cookie` value that removes it.
    var removal: String { setting("", maxAge: 0) }

    /// The value in a `Cookie` header (RFC 6265 §5.4).
    ///
    /// Nil when it is absent, and also when it is there twice: somebody has planted one beside ours.
    func value(in headers: [String]) -> String? {
        var found: [Substring] = []
        for header in headers {
            for pair in header.split(separator: ";") {
                let trimmed = pair.drop { $0 == " " }
                guard let equals = trimmed.firstIndex(of: "="), trimmed[..<equals] == name else { continue }
                found.append(trimmed[trimmed.index(after: equals)...])
            }
        }
        guard found.count == 1, let value = found.first, !value.isEmpty, value.utf8.count <= 512 else { return nil }
        return String(value)
    }
}
