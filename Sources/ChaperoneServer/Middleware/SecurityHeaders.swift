internal import HTTPTypes
internal import Hummingbird

/// The headers that every page and every document of the browser's side carries.
struct SecurityHeaders {
    /// The origins or schemes that a form of this page may end at, beside our own.
    ///
    /// Browsers apply `form-action` to the redirects that answer a form too, so a page whose form ends at an app must
    /// name that app's origin.
    var formTargets: [String] = []
    /// Whether scripts of our own origin may run and connect; only the demo app needs it.
    var connectTargets: [String]?

    /// The policy as one line.
    var contentSecurityPolicy: String {
        var directives = ["default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'"]
        if let connectTargets {
            directives.append("script-src 'self'")
            directives.append("connect-src " + (["'self'"] + connectTargets).joined(separator: " "))
        }
        directives.append("form-action " + (["'self'"] + formTargets).joined(separator: " "))
        directives.append("frame-ancestors 'none'")
        return directives.joined(separator: "; ")
    }

    /// Sets them, replacing what stands there.
    func apply(to headers: inout HTTPFields) {
        headers[.contentSecurityPolicy] = contentSecurityPolicy
        headers[.xContentTypeOptions] = "nosniff"
        headers[Self.referrerPolicy] = "no-referrer"
        headers[Self.frameOptions] = "DENY"
        headers[Self.crossOriginOpenerPolicy] = "same-origin"
        headers[Self.permissionsPolicy] = "camera=(), microphone=(), geolocation=()"
        if headers[.cacheControl] == nil { headers[.cacheControl] = "no-store" }
    }

    /// Lets the browser say to us, and to nobody else, where a page's form was sent from. Without it the origin of a form
    /// is `null` (Fetch §3.2).
    static func nameOrigin(in headers: inout HTTPFields) { headers[referrerPolicy] = "same-origin" }

    /// The origin of a redirect URI, or its scheme when it is an app's own, as `form-action` wants it.
    static func formTarget(of redirectURI: String) -> String? {
        guard let colon = redirectURI.firstIndex(of: ":") else { return nil }
        let scheme = redirectURI[..<colon].lowercased()
        guard
            scheme.utf8.allSatisfy({
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E].contains($0)
            })
        else { return nil }
        guard scheme == "http" || scheme == "https" else { return "\(scheme):" }
        let rest = redirectURI[redirectURI.index(after: colon)...].dropFirst(2)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let (host, port) = ListenAddress.split(String(authority)) else { return nil }
        return "\(scheme)://\(host)" + (port.map { ":\($0)" } ?? "")
    }

    private static let referrerPolicy = name("Referrer-Policy")
    private static let frameOptions = name("X-Frame-Options")
    private static let crossOriginOpenerPolicy = name("Cross-Origin-Opener-Policy")
    private static let permissionsPolicy = name("Permissions-Policy")

    /// A header name that is known to be one.
    private static func name(_ text: StaticString) -> HTTPField.Name {
        HTTPField.Name(text.description) ?? .contentSecurityPolicy
    }
}

/// Gives every answer of a router the security headers, including errors.
struct SecurityHeadersMiddleware<Context: RequestContext>: RouterMiddleware {
    var headers = SecurityHeaders()

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        if response.headers[.contentSecurityPolicy] == nil { headers.apply(to: &response.headers) }
        return response
    }
}
