internal import AccessPolicy
internal import Authorization
internal import OAuthCore

/// What a demo has left in the stores: clients whose secrets and keys, and accounts whose password, everybody knows.
///
/// A demo's state directory must not become a deployment's by leaving out `--demo`.
struct DemoLeftovers {
    let configuration: Configuration
    let stores: AuthorizationStores
    let random: RandomSource

    /// What was found, by name.
    struct Found: Hashable, Sendable {
        let clients: [String]
        let accounts: [String]

        /// How it is ended where the state directory itself is wanted.
        var advice: String {
            let commands =
                clients.map { "chaperone revoke client \($0)" } + accounts.map { "chaperone revoke user \($0)" }
            return
                "if it never was a demo's, a command that found no configuration put them there (older releases): end "
                + "each, with the `--config` that the server is started with: \(commands.joined(separator: "; "))"
        }
    }

    /// What a server that is no demo would start with of them; nil for nothing. A client that the configuration has under
    /// the same name is its own, with its own secret.
    func found() async throws -> Found? {
        guard !configuration.isDemo else { return nil }
        let own = Set(configuration.clients.map(\.id))
        var clients: [String] = []
        for client in DemoIdentities.clients(demoPort: configuration.listeners.demo.port) where !own.contains(client.id)
        {
            if try await stores.clients.client(ClientID(client.id))?.status == .active { clients.append(client.id) }
        }
        let accounts = try await accountsWithDemoPassword()
        return clients.isEmpty && accounts.isEmpty ? nil : Found(clients: clients, accounts: accounts)
    }

    private func accountsWithDemoPassword() async throws -> [String] {
        var accounts: [UserAccount] = []
        for user in DemoIdentities.users() {
            if let account = try await stores.users.user(named: user.login), !account.isDisabled {
                accounts.append(account)
            }
        }
        // Making a hasher is work, and outside a demo's directory there is nobody to ask about.
        guard !accounts.isEmpty else { return [] }
        let hasher = try PasswordHasher(random: random.bytes)
        var result: [String] = []
        for account in accounts
        where try await hasher.verify(Secret(DemoIdentities.password), against: account.passwordHash) {
            result.append(account.username)
        }
        return result
    }
}
