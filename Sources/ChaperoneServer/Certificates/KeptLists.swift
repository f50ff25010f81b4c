internal import FHIRCore
internal import OAuthCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// The lists of withdrawn certificates that were fetched, in the state folder, so that a start while an authority is away
/// has what still holds, and nobody can show it an older one.
///
/// One file of mode 0600 for each place of each issuer: a line that says where it is from, when it came and for which
/// certificate it was found to hold, then the list. What is read is a claim and nothing more: whoever uses it verifies it
/// anew (`CertificateStatusSources.restore`).
struct KeptLists: Sendable {
    /// A list as it is kept.
    struct Kept: Hashable, Sendable {
        /// Where it was fetched from.
        let url: String
        /// The issuer's certificate, by its SHA-256 in base64url.
        let issuer: String
        /// Unix seconds.
        let fetchedAt: Int64
        /// A path for a certificate of which it held, from the first certificate to the authority, in DER.
        let path: [[UInt8]]
        /// Which certificate of the path that was.
        let index: Int
        /// The list in DER.
        let list: [UInt8]

        var name: String { KeptLists.name(url: url, issuer: issuer) }
    }

    /// The folder, which is made with the first list.
    let folder: String

    /// The longest line before a list, in bytes.
    private static let longestHead = 1 << 18
    /// How many files are looked at.
    static let mostFiles = 10_000

    static let folderName = "certificate-lists"

    /// The name of a place's file.
    static func name(url: String, issuer: String) -> String {
        Base64URL.encode(SHA256Hash.of(utf8: "\(url)\n\(issuer)")) + ".crl"
    }

    /// Whether a file is one of these, or one that was being written.
    static func isName(_ name: String) -> Bool { name.hasSuffix(".crl") || name.hasSuffix(".crl.new") }

    /// Keeps a list in the place of the one before, whole or not at all.
    func write(_ kept: Kept) throws {
        try PrivateFile.makeDirectory(folder)
        let head: JSONValue = [
            "url": .string(kept.url), "issuer": .string(kept.issuer), "fetchedAt": .int(kept.fetchedAt),
            "path": .array(kept.path.map { .string(Base64.encode($0)) }), "index": .int(Int64(kept.index)),
        ]
        try PrivateFile.write(
            head.serialized + [UInt8(ascii: "\n")] + kept.list, to: "\(folder)/\(kept.name)")
    }

    /// Forgets a list; nothing when there is none.
    func remove(_ name: String) { unlink("\(folder)/\(name)") }

    /// The names of what is kept, in their order; what was only begun is removed.
    func names() -> [String] {
        guard case .folder(let names, _) = ListFolder.look(at: folder) else { return [] }
        for name in names where name.hasSuffix(".new") { remove(name) }
        return Array(names.filter { $0.hasSuffix(".crl") }.sorted().prefix(Self.mostFiles))
    }

    /// What is kept under a name; nil when it cannot be read, when others could have written it, or when it says that it is
    /// something else.
    func read(_ name: String, longest: Int) -> Kept? {
        let file = "\(folder)/\(name)"
        guard let bytes = try? PrivateFile.read(file, limit: longest + Self.longestHead),
            (try? PrivateFile.demandPrivate(file)) != nil,
            let end = bytes.prefix(Self.longestHead).firstIndex(of: UInt8(ascii: "\n")),
            let head = try? JSONValue(parsing: Array(bytes[..<end])), let url = head["url"]?.string,
            let issuer = head["issuer"]?.string, case .int(let fetchedAt)? = head["fetchedAt"],
            case .int(let index)? = head["index"], let certificates = head["path"]?.array
        else { return nil }
        let kept = Kept(
            url: url, issuer: issuer, fetchedAt: fetchedAt,
            path: certificates.map { $0.string.flatMap { Base64.decode($0) } ?? [] }, index: Int(index),
            list: Array(bytes[(end + 1)...]))
        return kept.name == name ? kept : nil
    }
}
