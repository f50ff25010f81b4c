internal import HTTPTypes
internal import Hummingbird

/// Lets scripts of any origin read an open document or call a protocol endpoint without cookies.
///
/// SMART 2.2 wants CORS on discovery and the token endpoint. `*` never lets a browser send cookies, and none of these
/// endpoints looks at them.
struct CrossOrigin {
    let methods: String

    static let documents = CrossOrigin(methods: "GET, HEAD, OPTIONS")
    static let endpoints = CrossOrigin(methods: "POST, OPTIONS")

    func apply(to headers: inout HTTPFields) {
        headers[.accessControlAllowOrigin] = "*"
        headers[.accessControlExposeHeaders] = "WWW-Authenticate, DPoP-Nonce"
    }

    /// The answer to a preflight.
    var preflight: Response {
        var headers = HTTPFields()
        headers[.accessControlAllowOrigin] = "*"
        headers[.accessControlAllowMethods] = methods
        headers[.accessControlAllowHeaders] = "Authorization, DPoP, Content-Type, Accept"
        headers[.accessControlMaxAge] = "3600"
        return Response(status: .noContent, headers: headers)
    }
}
