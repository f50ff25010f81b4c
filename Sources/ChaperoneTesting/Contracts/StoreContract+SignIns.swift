internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let signIns = [
        StoreContract("a grant comes with its client, its person's account and who the person is") {
            stores async throws in
            #expect(try stores.grants.footing(of: GrantID("g")) == nil)
            try await Sample.populate(stores)
            #expect(try await stores.grants.insert(try Sample.grant(), record: Sample.record()))
            let footing = GrantFooting(
                grant: try Sample.grant(), client: try Sample.registration(), account: Sample.account(),
                person: try Sample.link().fhirUser)
            #expect(try stores.grants.footing(of: GrantID("g")) == footing)
            #expect(try stores.grants.footing(of: GrantID("G")) == nil)
            _ = try await stores.memberLinks.remove(linkOf: Sample.subject, at: Sample.now, record: Sample.record())
            #expect(try stores.grants.footing(of: GrantID("g"))?.person == nil)
            #expect(try await stores.users.setRoles([.clinician], of: Sample.subject, record: Sample.record()))
            #expect(try stores.grants.footing(of: GrantID("g"))?.account?.roles == [.clinician])
            #expect(try await stores.grants.insert(try Sample.grant("b", subject: nil), record: Sample.record()))
            let service = try #require(try stores.grants.footing(of: GrantID("b")))
            #expect(service.account == nil && service.person == nil && service.client != nil)
        },
        StoreContract("what an app asked for is kept with the grant") { stores async throws in
            try await Sample.populate(stores)
            let plain = try Sample.grant()
            let asked = Grant(
                id: GrantID("asked"), clientID: plain.clientID, subject: plain.subject, scopes: plain.scopes,
                launch: plain.launch, program: plain.program, fhirBase: plain.fhirBase, nonce: nil,
                authenticatedAt: plain.authenticatedAt, authentication: .oneTimePassword, needsSecondFactor: true,
                createdAt: plain.createdAt)
            #expect(try await stores.grants.insert(plain, record: Sample.record()))
            #expect(try await stores.grants.insert(asked, record: Sample.record()))
            #expect(try await stores.grants.grant(plain.id)?.needsSecondFactor == false)
            #expect(try await stores.grants.grant(asked.id) == asked)
        },
    ]
}
