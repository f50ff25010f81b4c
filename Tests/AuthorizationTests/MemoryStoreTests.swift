import Authorization
import ChaperoneTesting
import RequirementTraits
import Testing

@Suite struct MemoryStoreTests {
    @Test(
        .verifies("house@consent-with-its-grant", "house@grants-that-live"), arguments: StoreContract.checks)
    func `memory keeps the contract of the stores`(_ contract: StoreContract) async throws {
        try await contract.check(InMemoryAuthorizationStore().stores)
    }
}
