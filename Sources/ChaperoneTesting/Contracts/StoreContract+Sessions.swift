internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let sessions = [
        StoreContract("a session comes back as it was stored, and its time only moves forward") { stores async throws in
            try await Sample.populate(stores)
            var session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            #expect(try await stores.sessions.session(session.id) == session)
            try await stores.sessions.touch(session.id, at: Sample.now + 5)
            try await stores.sessions.touch(session.id, at: Sample.now + 1)
            session.lastSeenAt = Sample.now + 5
            #expect(try await stores.sessions.session(session.id) == session)
        },
        StoreContract("a login replaces the session and takes along what nobody has entered") { stores async throws in
            try await Sample.populate(stores)
            let old = Sample.session("old", signedIn: true)
            let new = Sample.session("new", signedIn: true)
            try await stores.sessions.insert(old)
            let begun = try Sample.transaction(session: old)
            let entered = try Sample.transaction("entered", session: old)
            for launch in [begun, entered] { try await stores.transactions.insert(launch) }
            #expect(try await stores.transactions.update(try Sample.moved(entered, in: old)))
            #expect(
                try await stores.sessions.replace(
                    old.id, by: new, verified: Sample.account().passwordHash, record: Sample.record()) == .replaced)
            #expect(try await stores.sessions.session(old.id) == nil)
            #expect(try await stores.sessions.session(new.id) == new)
            let moved = try await stores.transactions.transaction(begun.id)
            #expect(moved?.session == new.id)
            #expect(moved?.revision == begun.revision + 1)
            #expect(try await stores.transactions.transaction(entered.id) == nil)
        },
        StoreContract("a password changed or an account disabled after the check makes no session") {
            stores async throws in
            try await Sample.populate(stores)
            let old = Sample.session("old")
            let new = Sample.session("new", signedIn: true)
            try await stores.sessions.insert(old)
            let verified = Sample.account().passwordHash
            let other = PasswordHash(encoded: "$argon2id$other")
            #expect(
                try await stores.sessions.replace(old.id, by: new, verified: other, record: Sample.record())
                    == .accountChanged)
            _ = try await stores.revocations.revoke(
                .user(Sample.subject), because: .accountDisabled, at: Sample.now, record: Sample.record())
            let rows = try await Sample.outboxCount(stores)
            #expect(
                try await stores.sessions.replace(old.id, by: new, verified: verified, record: Sample.record())
                    == .accountChanged)
            #expect(try await stores.sessions.session(old.id) == old)
            #expect(try await stores.sessions.session(new.id) == nil)
            #expect(try await Sample.outboxCount(stores) == rows)
        },
        StoreContract("a session that is gone is not replaced") { stores async throws in
            try await Sample.populate(stores)
            let old = Sample.session("old")
            let new = Sample.session("new", signedIn: true)
            #expect(
                try await stores.sessions.replace(
                    old.id, by: new, verified: Sample.account().passwordHash, record: Sample.record())
                    == .sessionGone)
            #expect(try await stores.sessions.session(new.id) == nil)
            #expect(try await Sample.outboxCount(stores) == 2)
        },
        StoreContract("ending a session ends its launches") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s")
            try await stores.sessions.insert(session)
            let begun = try Sample.transaction(session: session)
            try await stores.transactions.insert(begun)
            #expect(try await stores.sessions.end(session.id, record: Sample.record()))
            #expect(try await stores.transactions.transaction(begun.id) == nil)
            #expect(try await !stores.sessions.end(session.id, record: Sample.record()))
        },
        StoreContract("a launch comes back in every state") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            let linked = try Sample.link().patients
            for selection in [PatientSelection.anyPatient, .among(linked), .unlisted] {
                var launch = try Sample.transaction("\(selection)", session: session)
                try await stores.transactions.insert(launch)
                #expect(try await stores.transactions.transaction(launch.id) == launch)
                // From a panel that was not asked for nobody is chosen.
                let choice: [AuthorizationTransaction.Event] =
                    selection == .unlisted ? [] : [.patientChosen(linked[0].id)]
                for event in [.signedIn(try Sample.member(selection))] + choice + [.declined] {
                    _ = launch.handle(event, from: LaunchVisitor(session, finding: .enough), at: Sample.now)
                    #expect(try await stores.transactions.update(launch))
                    #expect(try await stores.transactions.transaction(launch.id) == launch)
                }
            }
        },
        StoreContract("of two moves of one launch one wins") { stores async throws in
            try await Sample.populate(stores)
            let session = Sample.session("s", signedIn: true)
            try await stores.sessions.insert(session)
            let begun = try Sample.transaction(session: session)
            try await stores.transactions.insert(begun)
            let moved = try Sample.moved(begun, in: session)
            let before = try await stores.outbox.pending(limit: 100).count
            let wins = try await race(16) { _ in
                try await stores.transactions.update(moved, record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            // The row is written with the move, and not by those who lost.
            #expect(try await stores.outbox.pending(limit: 100).count == before + 1)
        },
    ]

    /// Runs the work many times at once and gives what each got.
    static func race<Value: Sendable>(
        _ count: Int, _ work: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: (Int, Value).self) { group in
            for index in 0..<count { group.addTask { (index, try await work(index)) } }
            // They end in any order; whose result is whose must be known.
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
