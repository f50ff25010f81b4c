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
            let (place, elsewhere) = ("https://app.example/jwks", "https://other.example/jwks")
            #expect(try await stores.clients.suspendedKeys(of: Sample.client, publishedAt: place).isEmpty)
            let before = try await Sample.outboxCount(stores)
            let firsts = try await race(8) { _ in
                try await stores.clients.suspendKeys(
                    ["a", "b"], of: Sample.client, publishedAt: place, at: Sample.now,
                    record: Sample.record(.clientChanged))
            }
            #expect(firsts.filter { $0 }.count == 1)
            #expect(
                try await !stores.clients.suspendKeys(
                    ["b"], of: Sample.client, publishedAt: place, at: Sample.now, record: Sample.record()))
            #expect(
                try await stores.clients.suspendKeys(
                    ["b", "c"], of: Sample.client, publishedAt: place, at: Sample.now + 1,
                    record: Sample.record(.clientChanged)))
            #expect(try await Sample.outboxCount(stores) == before + 2)
            // For the client wherever it has its keys, and for whoever publishes at the place.
            for location in [nil, place, elsewhere] {
                #expect(
                    try await stores.clients.suspendedKeys(of: Sample.client, publishedAt: location) == ["a", "b", "c"])
            }
            let other = ClientID("other")
            #expect(try await stores.clients.suspendedKeys(of: other, publishedAt: place) == ["a", "b", "c"])
            #expect(try await stores.clients.suspendedKeys(of: other, publishedAt: nil).isEmpty)
            #expect(try await stores.clients.suspendedKeys(of: other, publishedAt: elsewhere).isEmpty)
            // Known for the client, and new for another place.
            #expect(
                try await stores.clients.suspendKeys(
                    ["c"], of: Sample.client, publishedAt: elsewhere, at: Sample.now + 2,
                    record: Sample.record(.clientChanged)))
            #expect(try await stores.clients.suspendedKeys(of: other, publishedAt: elsewhere) == ["c"])
            #expect(try await Sample.outboxCount(stores) == before + 3)
        }
    ]
}
