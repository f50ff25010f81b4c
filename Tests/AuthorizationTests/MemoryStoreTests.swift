import Authorization
import ChaperoneTesting
import Testing

@Suite struct MemoryStoreTests {
    @Test(arguments: StoreContract.checks)
    func `memory keeps the contract of the stores`(_ contract: StoreContract) async throws {
        try await contract.check(InMemoryAuthorizationStore().stores)
    }
}
