internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension Configuration {
    /// Looks into the secret and key files for what is published with the program.
    ///
    /// - Throws: when a file that is named cannot be read.
    public func loadedSecrets() throws -> LoadedSecrets {
        for client in clients { _ = try secrets(of: client) }
        for client in clients {
            if DemoIdentities.isPublished(client) { return LoadedSecrets(includesPublished: true) }
            for file in [client.secretFile, client.previousSecretFile].compactMap({ $0 })
            where DemoIdentities.isPublished(secret: try Self.firstLine(of: file)) {
                return LoadedSecrets(includesPublished: true)
            }
            if let file = client.keysFile, try Self.content(of: file).contains("\"TEST-ONLY-") {
                return LoadedSecrets(includesPublished: true)
            }
        }
        for user in users {
            guard let file = user.passwordFile else { return LoadedSecrets(includesPublished: true) }
            if DemoIdentities.isPublished(secret: try Self.firstLine(of: file)) {
                return LoadedSecrets(includesPublished: true)
            }
        }
        return LoadedSecrets(includesPublished: false)
    }

    /// The secrets of a client that has any, the newest first.
    func secrets(of client: ConfiguredClient) throws -> [ClientSecret] {
        var secrets: [ClientSecret] = []
        if let text = try client.demoSecret ?? client.secretFile.map(Self.firstLine) {
            let hash = try secret(text, in: client.secretFile, of: client).hash
            secrets.append(ClientSecret(hash: hash, expiresAt: client.secretUntil))
        }
        if let file = client.previousSecretFile {
            let hash = try secret(try Self.firstLine(of: file), in: file, of: client).hash
            secrets.append(ClientSecret(hash: hash, expiresAt: client.previousSecretUntil))
        }
        return secrets
    }

    /// Such a client is not slowed down as a person is, so that a short secret could be guessed; outside the demo it has
    /// at least 32 characters.
    private func secret(_ text: String, in file: String?, of client: ConfiguredClient) throws -> Secret {
        guard isDemo || text.unicodeScalars.count >= 32 else {
            let message =
                "the secret of client `\(client.id)` in `\(file ?? "")` is shorter than 32 characters; "
                + "make one with `openssl rand -hex 32`"
            throw ConfigurationError([.init(origin: nil, path: "", message: message)])
        }
        return Secret(text)
    }

    /// The hashes of a client's secrets that hold `+` or `%`. RFC 6749 §2.3.1 has clients encode a secret like a form, and
    /// most do not: these two are the ones that then come as something else.
    func oddSecrets(of client: ConfiguredClient) throws -> [SecretHash] {
        try
            ([client.demoSecret].compactMap { $0 }
            + [client.secretFile, client.previousSecretFile].compactMap { $0 }.map(Self.firstLine))
            .filter { text in text.contains { "+%".contains($0) } }.map { Secret($0).hash }
    }

    /// Refuses a secret that clients send in two ways, unless it is in use already.
    func demandPlainSecrets(of client: ConfiguredClient, except known: Set<SecretHash>) throws {
        guard let message = try oddSecretMessage(of: client, except: known) else { return }
        throw ConfigurationError([.init(origin: nil, path: "", message: message)])
    }

    private func oddSecretMessage(of client: ConfiguredClient, except known: Set<SecretHash>) throws -> String? {
        guard try oddSecrets(of: client).contains(where: { !known.contains($0) }) else { return nil }
        return "a secret of client `\(client.id)` holds `+` or `%`, which clients send in two ways; make one with "
            + "`openssl rand -hex 32`"
    }

    /// What would keep the server from starting if the client or its secret is a new one; whether it is stands in the
    /// database.
    ///
    /// - Throws: when a file that is named cannot be read.
    public func oddSecretMessages() throws -> [String] {
        try clients.compactMap { try oddSecretMessage(of: $0, except: []) }
    }

    /// A file's text.
    static func content(of path: String) throws -> String {
        guard let bytes = try PrivateFile.read(path) else {
            throw ConfigurationError([.init(origin: nil, path: "", message: "there is no file `\(path)`")])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The first line of a file, where secrets stand.
    static func firstLine(of path: String) throws -> String {
        let text = try content(of: path)
        let line = text.prefix { $0 != "\n" && $0 != "\r\n" }
        guard !line.isEmpty else {
            throw ConfigurationError([.init(origin: nil, path: "", message: "`\(path)` is empty")])
        }
        return String(line)
    }
}

extension DemoIdentities {
    /// Whether a secret or password is one that everybody knows.
    static func isPublished(secret: String) -> Bool {
        secret == password || clients(demoPort: 8083).contains { $0.demoSecret == secret }
    }
}
