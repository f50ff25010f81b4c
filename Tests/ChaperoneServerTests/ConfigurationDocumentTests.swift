import ChaperoneServer
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// The configuration's document says what the configuration is.
@Suite struct ConfigurationDocumentTests {
    static func document() throws -> String {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let file = try #require(fopen("\(root)/docs/configuration.md", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 17)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// The second column of the row whose first is the key.
    private func defaultColumn(of key: String) throws -> String? {
        for line in try Self.document().split(separator: "\n") where line.hasPrefix("| `\(key)` | ") {
            return String(line.dropFirst("| `\(key)` | ".count).prefix { $0 != "|" }.dropLast())
        }
        return nil
    }

    @Test(arguments: ConfigurationSource.scalarKeys)
    func `each key stands in the document with the default that is in force`(key: String) throws {
        let yaml = "issuer: https://auth.example.org\nfhir-server: {upstream: https://fhir.example.org}"
        let settings = try Configuration(settings: try Setting(yaml: yaml), isDemo: false).settingsInForce

        let written = try #require(try defaultColumn(of: key))

        let inForce = try #require(settings.first { $0.key == key }?.value)
        switch written {
        case "required": #expect(key == "issuer" || key == "fhir-server.upstream")
        case "none": #expect(inForce.isEmpty)
        case "the host": #expect(inForce == settings.first { $0.key == "listeners.admin.host" }?.value)
        default: #expect(written == "`\(inForce)`")
        }
    }

    @Test(arguments: [
        "name", "value-file", "id", "kind", "program", "grant-types", "scopes", "redirect-uris", "native", "trusted",
        "profile", "profile-until", "secret-file", "keys-file", "access-token", "system-patients", "login",
        "password-file", "fhir-user", "patients", "roles",
    ])
    func `each key of a list's entries stands in the document`(key: String) throws {
        #expect(try defaultColumn(of: key) != nil)
    }
}
