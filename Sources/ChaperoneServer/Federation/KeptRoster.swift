internal import OAuthCore
internal import Synchronization

/// The last good roster of a provider in the state folder, with which a server goes on after a start at which the site's
/// file is bad (record 56).
///
/// A file of mode 0600: one line with a digest, then the feed as it came. The digest covers whose roster it is, too, so
/// that it serves nobody else when the provider's issuer or claim changes: numbers of one mean nothing at another. A class
/// because the start and the file's watcher share what is known; the lock is `known`.
final class KeptRoster: Sendable {
    /// What was kept cannot be used.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    private let path: String
    private let owner: String
    private let limit: Int
    /// The first line of the file, as far as it was read or written.
    private let known = Mutex<[UInt8]?>(nil)

    private static let mark = "chaperone-roster-1 "

    /// - Parameters:
    ///   - folder: the state folder.
    ///   - issuer: whose logins the roster names.
    ///   - claim: by which claim it names them.
    ///   - limit: the longest feed, in bytes.
    init(folder: String, provider: String, issuer: String, claim: String, limit: Int) {
        path = "\(folder)/\(Self.name(of: provider))"
        owner = "\(issuer)\n\(claim)"
        self.limit = limit
    }

    static func name(of provider: String) -> String { "roster-\(provider).kept" }

    /// Whether a file of the state folder is one of these, or one that was being written.
    static func isName(_ name: String) -> Bool {
        name.hasPrefix("roster-") && (name.hasSuffix(".kept") || name.hasSuffix(".kept.new"))
    }

    private func head(of feed: [UInt8]) -> [UInt8] {
        let digest = SHA256Hash.of(utf8: "\(owner)\n\(Base64URL.encode(SHA256Hash.of(feed)))")
        return Array("\(Self.mark)\(Base64URL.encode(digest))\n".utf8)
    }

    /// The feed that was kept; nil when there is none. Throws for one that others can reach, that was changed, or that is
    /// another provider's.
    func read() throws -> [UInt8]? {
        guard let bytes = try PrivateFile.read(path, limit: limit + 256) else { return nil }
        try PrivateFile.demandPrivate(path)
        guard let end = bytes.prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw Unusable(description: "`\(path)` is no kept roster")
        }
        let feed = Array(bytes[(end + 1)...])
        let head = head(of: feed)
        guard Array(bytes[...end]) == head else {
            throw Unusable(description: "`\(path)` was changed, or belongs to another issuer or claim")
        }
        known.withLock { $0 = head }
        return feed
    }

    /// Keeps a feed in the place of the one before, whole or not at all.
    func write(_ feed: [UInt8]) throws {
        let head = head(of: feed)
        guard known.withLock({ $0 }) != head else { return }
        try PrivateFile.write(head + feed, to: path)
        known.withLock { $0 = head }
    }
}
