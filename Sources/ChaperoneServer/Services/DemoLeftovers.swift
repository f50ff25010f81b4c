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

    /// Whether a server that is no demo would start with some of them. A client that the configuration has under the
    /// same name is its own, with its own secret.
    func areThere() async throws -> Bool {
        guard !configuration.isDemo else { return false }
        let own = Set(configuration.clients.map(\.id))
        let published = DemoIdentities.clients(demoPort: configuration.listeners.demo.port)
        for client in published where !own.contains(client.id) {
            if try await stores.clients.client(ClientID(client.id))?.status == .active { return true }
        }
        return try await hasDemoPassword()
    }

    private func hasDemoPassword() async throws -> Bool {
        var accounts: [UserAccount] = []
        for user in DemoIdentities.users() {
            if let account = try await stores.users.user(named: user.login), !account.isDisabled {
                accounts.append(account)
            }
        }
        // Making a hasher is work, and outside a demo's directory there is nobody to ask about.
        guard !accounts.isEmpty else { return false }
        let hasher = try PasswordHasher(random: random.bytes)
        for account in accounts {
            if try await hasher.verify(Secret(DemoIdentities.password), against: account.passwordHash) { return true }
        }
        return false
    }
}
