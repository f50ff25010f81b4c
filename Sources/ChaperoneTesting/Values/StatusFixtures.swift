internal import FHIRCore
public import OAuthCore
internal import Testing

#if canImport(Glibc)
    internal import Glibc
#endif

/// Certificates with lists and answers about them, whose clock stands at 1 800 000 000 (`fixtures/keys/revocation`).
///
/// `leaf`, `other`, `on-hold` stand below `issuing`, that below `root`; each of them names where its issuer's list is.
/// `short-lived` is as `leaf` and ends after two hours.
public struct StatusFixtures: Sendable {
    public static let now: Int64 = 1_800_000_000
    public static let rootList = "http://crl.example/root.crl"
    public static let issuingList = "http://crl.example/issuing.crl"
    public static let responder = "http://ocsp.example/"

    private let document: JSONValue

    public init() throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        let file = try #require(fopen("\(root)/fixtures/keys/revocation/status.json", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = fread(&bytes, 1, bytes.count, file)
        document = try JSONValue(parsing: Array(bytes[..<count]))
    }

    /// A certificate in DER.
    public func certificate(_ name: String) throws -> [UInt8] {
        try #require(document["certificates"]?[name]?.string.flatMap { Base64.decode($0) }, "\(name)")
    }

    /// A certificate in PEM.
    public func pem(_ name: String) throws -> [UInt8] {
        let text = Base64.encode(try certificate(name))
        return Array("-----BEGIN CERTIFICATE-----\n\(Self.lines(text))-----END CERTIFICATE-----\n".utf8)
    }

    /// A client's certificate with what leads to the root.
    public func client(_ name: String, over others: [String] = ["issuing"]) throws -> ClientCertificate {
        try #require(
            ClientCertificate(der: try certificate(name), intermediates: try others.map { try certificate($0) }))
    }

    /// A list in PEM.
    public func list(_ name: String) throws -> [UInt8] {
        Array(try #require(document["lists"]?[name]?.string, "\(name)").utf8)
    }

    /// A list in DER.
    public func listDER(_ name: String) throws -> [UInt8] {
        let text = String(decoding: try list(name), as: UTF8.self)
        return try #require(Base64.decode(text.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()))
    }

    /// An answer in DER.
    public func answer(_ name: String) throws -> [UInt8] {
        try #require(document["answers"]?[name]?.string.flatMap { Base64.decode($0) }, "\(name)")
    }

    private static func lines(_ text: String) -> String {
        var rest = text[...]
        var lines = ""
        while !rest.isEmpty {
            lines += rest.prefix(64) + "\n"
            rest = rest.dropFirst(64)
        }
        return lines
    }
}
