internal import AccessPolicy
internal import Authorization
internal import Testing

extension StoreContract {
    private static func job(
        _ id: String, grant: String = "none", expiresAt: Int64 = Sample.now + 100, isLocated: Bool = true
    ) -> ExportJob {
        ExportJob(
            id: id, base: "https://gw.example/fhir", client: Sample.client, grant: GrantID(grant), path: "/$export",
            query: "_type=Observation", target: isLocated ? "/fhir/jobs/\(id)?x=ä" : "", startedAt: Sample.now,
            expiresAt: expiresAt)
    }

    static let exportJobs = [
        StoreContract("an export job is kept as it is, and its id is taken") { stores async throws in
            let kept = job("a")
            #expect(try await stores.exportJobs.insert(kept))
            #expect(try stores.exportJobs.job("a") == kept)
            #expect(try stores.exportJobs.job("b") == nil)
            await #expect(throws: (any Error).self) { _ = try await stores.exportJobs.insert(kept) }
            #expect(try await stores.exportJobs.due(at: .max, limit: 10) == [])
        },
        StoreContract("of 10 that end an export job at once one does") { stores async throws in
            _ = try await stores.exportJobs.insert(job("a"))
            let ends = try await race(10) { _ in try await stores.exportJobs.end("a", because: .deleted) }
            #expect(ends.filter { $0 }.count == 1)
            #expect(try await !stores.exportJobs.end("a", because: .revoked))
            #expect(try await !stores.exportJobs.end("b", because: .deleted))
            #expect(try stores.exportJobs.job("a")?.ending == .deleted)
        },
        StoreContract("an export job is over when its time is up, and not before") { stores async throws in
            _ = try await stores.exportJobs.insert(job("a", expiresAt: Sample.now + 1))
            #expect(try await stores.exportJobs.endExpired(at: Sample.now) == 0)
            #expect(try await stores.exportJobs.endExpired(at: Sample.now + 1) == 1)
            #expect(try await stores.exportJobs.endExpired(at: Sample.now + 1) == 0)
            #expect(try stores.exportJobs.job("a")?.ending == .expired)
        },
        StoreContract("an ended export job is due until it is removed, and a living one cannot be removed") {
            stores async throws in
            _ = try await stores.exportJobs.insert(job("a"))
            _ = try await stores.exportJobs.insert(job("b"))
            #expect(try await !stores.exportJobs.remove("a"))
            try await stores.exportJobs.postpone("a", until: Sample.now + 500)
            for id in ["a", "b"] { _ = try await stores.exportJobs.end(id, because: .deleted) }
            #expect(try await stores.exportJobs.due(at: Sample.now, limit: 10).map(\.id) == ["a", "b"])
            #expect(try await stores.exportJobs.due(at: Sample.now, limit: 1).map(\.id) == ["a"])
            try await stores.exportJobs.postpone("a", until: Sample.now + 9)
            #expect(try await stores.exportJobs.due(at: Sample.now + 8, limit: 10).map(\.id) == ["b"])
            #expect(try await stores.exportJobs.due(at: Sample.now + 9, limit: 10).map(\.attempts) == [0, 1])
            _ = try await stores.sweep.sweep(at: Sample.now + 100_000_000)
            #expect(try await stores.exportJobs.remove("a"))
            #expect(try await !stores.exportJobs.remove("a"))
            #expect(try await stores.exportJobs.due(at: .max, limit: 10).map(\.id) == ["b"])
        },
        StoreContract("an export job that was asked for gets its place once, and is neither due nor removed before") {
            stores async throws in
            for id in ["b", "a"] { _ = try await stores.exportJobs.insert(job(id, isLocated: false)) }
            #expect(try await stores.exportJobs.unlocated().map(\.id) == ["a", "b"])
            _ = try await stores.exportJobs.end("b", because: .expired)
            #expect(try await stores.exportJobs.due(at: .max, limit: 10) == [])
            #expect(try await !stores.exportJobs.remove("b"))
            let places = try await race(10) { place in try await stores.exportJobs.locate("a", at: "/jobs/\(place)") }
            #expect(places.filter { $0 }.count == 1)
            #expect(try await !stores.exportJobs.locate("b", at: "/jobs/b"))
            #expect(try await stores.exportJobs.due(at: .max, limit: 10).map(\.target) == ["/jobs/b"])
            #expect(try await !stores.exportJobs.locate("c", at: "/jobs/c"))
            #expect(try await stores.exportJobs.unlocated() == [])
        },
        StoreContract("only an export job without a place is forgotten, over or not") { stores async throws in
            for id in ["a", "b"] { _ = try await stores.exportJobs.insert(job(id, isLocated: false)) }
            _ = try await stores.exportJobs.insert(job("c"))
            _ = try await stores.exportJobs.end("b", because: .deleted)
            for id in ["a", "b"] { #expect(try await stores.exportJobs.forget(id)) }
            for id in ["a", "c", "d"] { #expect(try await !stores.exportJobs.forget(id)) }
            #expect(try stores.exportJobs.job("a") == nil)
            #expect(try stores.exportJobs.job("c") == job("c"))
        },
        StoreContract("the revocation of a client ends its export jobs, also one that comes later") {
            stores async throws in
            #expect(try await stores.clients.insert(Sample.registration(), record: Sample.record()))
            #expect(try await stores.exportJobs.insert(job("a")))
            _ = try await stores.revocations.revoke(
                .client(Sample.client), because: .administrator, at: Sample.now, record: Sample.record())
            #expect(try stores.exportJobs.job("a")?.ending == .revoked)
            #expect(try await !stores.exportJobs.insert(job("b")))
            #expect(try await stores.exportJobs.due(at: Sample.now, limit: 10).map(\.id) == ["a", "b"])
        },
        StoreContract("the revocation of a grant ends the export jobs that were started under it, and no other") {
            stores async throws in
            #expect(try await stores.clients.insert(Sample.registration(), record: Sample.record()))
            let grant = try Sample.grant("b", subject: nil)
            #expect(try await stores.grants.insert(grant, record: Sample.record()))
            #expect(try await stores.exportJobs.insert(job("a", grant: "b")))
            #expect(try await stores.exportJobs.insert(job("b", grant: "another")))
            _ = try await stores.revocations.revoke(
                .grant(grant.id), because: .administrator, at: Sample.now, record: Sample.record())
            #expect(try stores.exportJobs.job("a")?.ending == .revoked)
            #expect(try stores.exportJobs.job("b")?.ending == nil)
            #expect(try await !stores.exportJobs.insert(job("c", grant: "b")))
        },
    ]
}
