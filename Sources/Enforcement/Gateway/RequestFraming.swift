internal import NIOCore
internal import NIOHTTP1

/// Why a request is refused for its form alone, before anybody asks what it wants.
public enum FramingRefusal: String, Error, Sendable, Hashable, CaseIterable {
    case badTarget, targetTooLong, badHost, wrongHost, ambiguousLength, badTransferEncoding, headersTooLarge
    case unsupportedVersion, bodyTooLarge, unsupportedExpectation, bodyNotAllowed, notHTTP

    /// The status of the answer.
    public var status: Int {
        switch self {
        case .badTarget, .badHost, .ambiguousLength, .bodyNotAllowed, .notHTTP: 400
        case .wrongHost: 421
        case .targetTooLong: 414
        case .badTransferEncoding: 501
        case .headersTooLarge: 431
        case .unsupportedVersion: 505
        case .bodyTooLarge: 413
        case .unsupportedExpectation: 417
        }
    }

    /// FHIR issue type for the OperationOutcome.
    public var issueCode: String {
        switch self {
        case .targetTooLong, .headersTooLarge, .bodyTooLarge: "too-long"
        case .badTransferEncoding, .unsupportedVersion, .unsupportedExpectation: "not-supported"
        case .badTarget, .badHost, .wrongHost, .ambiguousLength, .bodyNotAllowed, .notHTTP: "invalid"
        }
    }

    /// What the client is told.
    public var diagnostics: String {
        switch self {
        case .badTarget: "the request target must be a path in plain ASCII, without a fragment"
        case .targetTooLong: "the request target is too long"
        case .badHost: "exactly one `Host` header is needed"
        case .wrongHost: "this server does not answer for that host"
        case .ambiguousLength: "the length of the request is stated more than once"
        case .badTransferEncoding: "the only transfer coding is `chunked`"
        case .headersTooLarge: "the header block is too large"
        case .unsupportedVersion: "the protocol version is not supported"
        case .bodyTooLarge: "the request body is too large"
        case .unsupportedExpectation: "the only expectation is `100-continue`"
        case .notHTTP: "the request is not HTTP"
        case .bodyNotAllowed: "a request with this method has no body"
        }
    }
}

/// The strict reading of a request head: what is ambiguous between two hops is refused, never repaired
/// (RFC 9112 §6.3, enforcer.md b.2.1, ATK-190).
enum RequestFraming {
    /// Checks that concern the connection, whoever answers: how long the message is and where it ends.
    static func check(_ head: HTTPRequestHead) throws(FramingRefusal) {
        guard head.version == .http1_1 || head.version == .http1_0 else { throw .unsupportedVersion }
        if isPlain(head.headers) { return }
        let lengths = head.headers[canonicalForm: "content-length"]
        let codings = head.headers[canonicalForm: "transfer-encoding"]
        guard lengths.count <= 1, lengths.isEmpty || codings.isEmpty else { throw .ambiguousLength }
        if let length = lengths.first {
            guard !length.isEmpty, length.utf8.count <= 18, length.utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { throw .ambiguousLength }
        }
        if !codings.isEmpty {
            guard codings.count == 1, codings[0].lowercased() == "chunked", head.version == .http1_1 else {
                throw .badTransferEncoding
            }
        }
        let hosts = head.headers[canonicalForm: "host"]
        guard hosts.count == 1 || (hosts.isEmpty && head.version == .http1_0) else { throw .badHost }
    }

    /// Whether nothing is said of the length and there is exactly one host: most requests, and nothing in them to check.
    private static func isPlain(_ headers: HTTPHeaders) -> Bool {
        var hosts = 0
        for (name, value) in headers {
            switch name.utf8.count {
            case 4: if name.equalsIgnoringCase("host") { hosts += value.utf8.contains(UInt8(ascii: ",")) ? 2 : 1 }
            case 14: if name.equalsIgnoringCase("content-length") { return false }
            case 17: if name.equalsIgnoringCase("transfer-encoding") { return false }
            default: break
            }
        }
        return hosts == 1
    }

    /// Checks of a request that is ours: target, host name, header block, announced body.
    static func check(_ head: HTTPRequestHead, hosts: Set<String>, limits: GatewayLimits) throws(FramingRefusal) {
        guard head.uri.utf8.count <= limits.targetBytes else { throw .targetTooLong }
        guard head.uri.utf8.first == UInt8(ascii: "/"), head.uri.utf8.allSatisfy(isTargetByte) else {
            throw .badTarget
        }
        guard head.headers.count <= limits.headerCount, headerBytes(head) <= limits.headerBytes else {
            throw .headersTooLarge
        }
        guard let host = head.headers.first(name: "host") else { throw .badHost }
        guard hosts.contains(host) || hosts.contains(host.lowercased()) else { throw .wrongHost }
        for expectation in head.headers[canonicalForm: "expect"] where expectation.lowercased() != "100-continue" {
            throw .unsupportedExpectation
        }
        if let length = head.headers.first(name: "content-length"), let count = Int(length) {
            guard count <= limits.bodyBytes else { throw .bodyTooLarge }
        }
    }

    private static func isTargetByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#") && byte != UInt8(ascii: "\\")
    }

    private static func headerBytes(_ head: HTTPRequestHead) -> Int {
        head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }
}
