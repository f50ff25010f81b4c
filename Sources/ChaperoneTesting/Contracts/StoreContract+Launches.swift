internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let launches = [
        StoreContract("a launch of an EHR comes back as it was stored") { stores async throws in
            try await Sample.populate(stores)
            let launch = try Sample.launch()
            try await stores.launches.insert(launch, record: Sample.record())
            #expect(try await stores.launches.launch(launch.hash) == launch)
            #expect(try await stores.launches.launch(Secret("other").hash) == nil)
        },
        StoreContract("of 20 parallel uses of one launch one begins, and writes one row") { stores async throws in
            try await Sample.populate(stores)
            let launch = try Sample.launch()
            try await stores.launches.insert(launch, record: Sample.record())
            let session = Sample.session("s")
            try await stores.sessions.insert(session)
            let before = try await Sample.outboxCount(stores)
            let wins = try await race(20) { index in
                try await stores.launches.begin(
                    try Sample.transaction("t\(index)", session: session), using: launch.hash, at: Sample.now + 1,
                    record: Sample.record(.launch))
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await Sample.outboxCount(stores) == before + 1)
            #expect(try await stores.launches.launch(launch.hash)?.usedAt == Sample.now + 1)
            var kept = 0
            for index in 0..<20 {
                let id = TransactionID(presented: Secret("t\(index)"))
                if try await stores.transactions.transaction(id) != nil { kept += 1 }
            }
            #expect(kept == 1)
        },
        StoreContract("of parallel codes that use up one launch one is made, and what failed changes nothing") {
            stores async throws in
            try await Sample.populate(stores)
            let launch = try Sample.launch()
            try await stores.launches.insert(launch, record: Sample.record())
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            for index in 0..<8 {
                try await stores.transactions.insert(try Sample.transaction("t\(index)", session: session))
            }
            let rows = try await Sample.outboxCount(stores)
            let issued = try await race(8) { index in
                try await stores.codes.issue(
                    Sample.code("c\(index)", grant: "g\(index)"), for: try Sample.grant("g\(index)"),
                    closing: try Sample.moved(try Sample.transaction("t\(index)", session: session), in: session),
                    by: .asked(remembering: nil), using: LaunchUse(hash: launch.hash, record: Sample.record()),
                    record: Sample.record())
            }
            #expect(issued.filter { $0 }.count == 1)
            #expect(try await stores.grants.grants(matching: GrantFilter(), limit: 9).count == 1)
            #expect(try await stores.launches.launch(launch.hash)?.usedAt == Sample.now)
            #expect(try await Sample.outboxCount(stores) == rows + 2)
            for (index, wasIssued) in issued.enumerated() {
                let id = TransactionID(presented: Secret("t\(index)"))
                #expect((try await stores.transactions.transaction(id)?.revision == 1) == !wasIssued)
            }
        },
        StoreContract("a launch that has expired or was never made begins nothing") { stores async throws in
            try await Sample.populate(stores)
            let launch = try Sample.launch()
            try await stores.launches.insert(launch, record: Sample.record())
            let session = Sample.session("s")
            try await stores.sessions.insert(session)
            let transaction = try Sample.transaction(session: session)
            #expect(
                try await !stores.launches.begin(
                    transaction, using: launch.hash, at: launch.expiresAt, record: Sample.record()))
            #expect(
                try await !stores.launches.begin(
                    transaction, using: Secret("guess").hash, at: Sample.now, record: Sample.record()))
            #expect(try await stores.transactions.transaction(transaction.id) == nil)
        },
        StoreContract("a launch is remembered for a day after its end") { stores async throws in
            try await Sample.populate(stores)
            let launch = try Sample.launch()
            try await stores.launches.insert(launch, record: Sample.record())
            _ = try await stores.sweep.sweep(at: launch.expiresAt + 86_399)
            #expect(try await stores.launches.launch(launch.hash) != nil)
            _ = try await stores.sweep.sweep(at: launch.expiresAt + 86_400)
            #expect(try await stores.launches.launch(launch.hash) == nil)
        },
        StoreContract("the logins of a person are found, and no more than two") { stores async throws in
            try await Sample.populate(stores)
            let person = try Sample.link().fhirUser
            #expect(try await stores.memberLinks.subjects(of: person) == [Sample.subject])
            for name in ["b", "c"] {
                let link = MemberLink(subject: SubjectID(name), fhirUser: person, patients: [])
                #expect(
                    try await stores.users.insert(
                        Sample.account(SubjectID(name), username: name), link: link, record: Sample.record()))
            }
            #expect(try await stores.memberLinks.subjects(of: person).count == 2)
            let nobody = InstanceKey(type: .practitioner, id: person.id)
            #expect(try await stores.memberLinks.subjects(of: nobody).isEmpty)
        },
    ]
}

extension Sample {
    static func launch() throws -> EHRLaunch {
        EHRLaunch(
            hash: Secret("launch").hash, madeBy: client, clientID: client, subject: subject,
            fhirBase: "https://fhir.example",
            context: LaunchContext(
                patient: try patient("p1"), encounter: try patient("e"), intent: "look", needPatientBanner: true,
                fhirContext: [["canonical": "http://x.example/Questionnaire/q"]],
                smartStyleURL: "https://ehr.example/style.json", tenant: "ward"),
            createdAt: now, expiresAt: now + 300)
    }
}
