internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let suspendedKeys = [
        StoreContract("a key of a client that is lost stays so, and is recorded once") { stores async throws in
            try await Sample.populate(stores)
            #expect(try await stores.clients.suspendedKeys(of: Sample.client).isEmpty)
            let before = try await Sample.outboxCount(stores)
            let firsts = try await race(8) { _ in
                try await stores.clients.suspendKeys(
                    ["a", "b"], of: Sample.client, at: Sample.now, record: Sample.record(.clientChanged))
            }
            #expect(firsts.filter { $0 }.count == 1)
            #expect(
                try await !stores.clients.suspendKeys(
                    ["b"], of: Sample.client, at: Sample.now, record: Sample.record()))
            #expect(
                try await stores.clients.suspendKeys(
                    ["b", "c"], of: Sample.client, at: Sample.now + 1, record: Sample.record(.clientChanged)))
            #expect(try await Sample.outboxCount(stores) == before + 2)
            #expect(try await stores.clients.suspendedKeys(of: Sample.client) == ["a", "b", "c"])
            #expect(try await stores.clients.suspendedKeys(of: ClientID("other")).isEmpty)
        }
    ]
}
