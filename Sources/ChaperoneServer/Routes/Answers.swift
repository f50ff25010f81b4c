internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Small makers of answers that every side uses.
enum Answers {
    /// Bytes with their type; `no-store` unless told otherwise.
    static func bytes(
        _ bytes: [UInt8], _ type: String, status: HTTPResponse.Status = .ok, cacheControl: String = "no-store"
    ) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        headers[.cacheControl] = cacheControl
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func text(
        _ text: String, _ type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> Response {
        bytes(Array(text.utf8), type, status: status)
    }

    static func json(
        _ value: JSONValue, status: HTTPResponse.Status = .ok, type: String = "application/json",
        cacheControl: String = "no-store"
    ) -> Response {
        bytes(value.serialized, type, status: status, cacheControl: cacheControl)
    }

    /// RFC 9700 §4.12: 303, so that a form's fields are never sent on.
    static func seeOther(_ location: String) -> Response {
        var headers = HTTPFields()
        headers[.location] = location
        headers[.cacheControl] = "no-store"
        return Response(status: .seeOther, headers: headers)
    }

    /// The method is not one of this path.
    static func methodNotAllowed(_ allowed: String) -> Response {
        var headers = HTTPFields()
        headers[.allow] = allowed
        headers[.contentType] = "text/plain; charset=utf-8"
        return Response(
            status: .methodNotAllowed, headers: headers,
            body: .init(byteBuffer: ByteBuffer(string: "this address takes \(allowed)\n")))
    }
}

extension Request {
    /// All `Cookie` headers as they came.
    var cookieHeaders: [String] { headers[values: .cookie] }

    /// Whether the body says that it is a form (RFC 6749 §4.1.3 and every HTML form).
    var hasFormBody: Bool {
        guard let type = headers[.contentType]?.lowercased() else { return false }
        let essence = type.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
        return essence == "application/x-www-form-urlencoded"
    }

    /// Whether the body says that it is JSON.
    var hasJSONBody: Bool {
        guard let type = headers[.contentType]?.lowercased() else { return false }
        return type.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" } == "application/json"
    }

    /// Whether a browser says that the page that sent this has no origin that it would name (Fetch §3.2).
    var hasOpaqueOrigin: Bool {
        guard let name = HTTPField.Name("Origin") else { return false }
        return headers[values: name].contains("null")
    }

    /// Whether a browser says that another site's page sent this: by `Sec-Fetch-Site`, or, where an older browser has
    /// none, by `Origin`.
    var isFromAnotherSite: Bool {
        if let name = HTTPField.Name("Sec-Fetch-Site"), let site = headers[name] {
            return site != "same-origin" && site != "none"
        }
        guard let name = HTTPField.Name("Origin"), let origin = headers[name] else { return false }
        // Our own forms come with `null` too: their pages have the referrer policy `no-referrer` (Fetch §3.2).
        guard origin != "null" else { return false }
        return !isOwn(origin)
    }

    /// Whether nothing says that a page of ours sent this, though a browser did: for forms that no secret of a session
    /// protects. Pages with such forms let the browser name their origin (`SecurityHeaders.nameOrigin`), so that `null`,
    /// which any site can have sent, is not ours.
    var mayBeFromAnotherSite: Bool {
        if isFromAnotherSite { return true }
        guard let name = HTTPField.Name("Sec-Fetch-Site"), headers[name] != nil else { return hasOpaqueOrigin }
        return false
    }

    /// Whether an origin is the authority that this request was sent to. A default port may be written or not.
    private func isOwn(_ origin: String) -> Bool {
        guard let authority = head.authority?.lowercased() else { return false }
        let text = origin.lowercased()
        return [("https://", ":443"), ("http://", ":80")].contains { scheme, port in
            text == scheme + authority || text + port == scheme + authority
        }
    }

    /// The body, not longer than `limit`; nil when it is longer.
    func wholeBody(upTo limit: Int) async throws -> [UInt8]? {
        do {
            return Array(buffer: try await body.collect(upTo: limit))
        } catch is NIOTooManyBytesError {
            return nil
        } catch let error as HTTPError where error.status == .contentTooLarge {
            return nil
        }
    }
}
