/// Which web origins may read the answers of a FHIR base (SMART 2.2 app-launch, §CORS).
///
/// Access hangs on the bearer token that a page must add itself, never on cookies, so an origin that is allowed gains
/// nothing that its token does not give.
public struct CrossOriginPolicy: Sendable {
    private let allows: @Sendable (String) -> Bool

    /// The closure is asked with the `Origin` header as it stands.
    public init(allows: @escaping @Sendable (_ origin: String) -> Bool) { self.allows = allows }

    /// Every origin may read.
    public static let everyOrigin = CrossOriginPolicy { _ in true }

    /// The same for every path, whether anything is there or not.
    static let preflightFields: [(name: String, value: String)] = [
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (
            "access-control-allow-headers",
            "Authorization, DPoP, Content-Type, Accept, If-Match, If-None-Match, If-None-Exist, Prefer"
        ),
        ("access-control-max-age", "600"),
        ("cache-control", "no-store"),
    ]

    func fields(for origin: String) -> [(name: String, value: String)] {
        guard origin.utf8.count <= 256, origin.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), allows(origin) else {
            return [("vary", "Origin")]
        }
        return [
            ("access-control-allow-origin", origin),
            (
                "access-control-expose-headers",
                "Location, ETag, Last-Modified, Retry-After, WWW-Authenticate, X-Request-Id"
            ),
            ("vary", "Origin"),
        ]
    }
}
