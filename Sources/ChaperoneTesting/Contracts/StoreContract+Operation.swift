internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    static let operation = [
        StoreContract("of 20 parallel uses of one assertion one is the first") { stores async throws in
            let firsts = try await race(20) { _ in
                try await stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 60)
            }
            #expect(firsts.filter { $0 }.count == 1)
            #expect(try await stores.replayCache.remember("jti", of: ClientID("other"), until: Sample.now + 60))
            #expect(try await stores.replayCache.remember("jti2", of: Sample.client, until: Sample.now + 60))
        },
        StoreContract("an assertion is remembered to its end and not for ever") { stores async throws in
            #expect(try await stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 60))
            _ = try await stores.sweep.sweep(at: Sample.now + 60)
            #expect(try await !stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 60))
            #expect(try await stores.sweep.sweep(at: Sample.now + 61) == 1)
            #expect(try await stores.replayCache.remember("jti", of: Sample.client, until: Sample.now + 120))
        },
        StoreContract("of two servers that make the first key one wins") { stores async throws in
            let wins = try await race(8) { index in
                try await stores.keys.insertFirst(
                    StoredKey(id: "k\(index)", purpose: .idToken, sealed: "s", createdAt: Sample.now),
                    record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await stores.keys.keys().count == 1)
        },
        StoreContract("a key is followed by its successor and stays for verifying") { stores async throws in
            let first = StoredKey(id: "k1", purpose: .idToken, sealed: "s1", createdAt: Sample.now)
            let second = StoredKey(id: "k2", purpose: .idToken, sealed: "s2", createdAt: Sample.now + 1)
            #expect(try await stores.keys.insertFirst(first, record: Sample.record()))
            #expect(try await stores.keys.rotate(to: second, at: Sample.now + 1, record: Sample.record()))
            #expect(try await !stores.keys.rotate(to: second, at: Sample.now + 2, record: Sample.record()))
            let keys = try await stores.keys.keys()
            #expect(keys.map(\.id) == ["k1", "k2"])
            #expect(keys.map(\.retiredAt) == [Sample.now + 1, nil])
        },
        StoreContract("a key is announced once, activated once, and removed only when it does not sign") {
            stores async throws in
            func key(_ id: String, announced: Bool) -> StoredKey {
                StoredKey(id: id, purpose: .idToken, sealed: "s-\(id)", createdAt: Sample.now, isAnnounced: announced)
            }
            #expect(try await stores.keys.insertFirst(key("k1", announced: false), record: Sample.record()))
            #expect(try await !stores.keys.announce(key("k2", announced: false), record: Sample.record()))
            #expect(try await stores.keys.announce(key("k2", announced: true), record: Sample.record()))
            #expect(try await !stores.keys.announce(key("k3", announced: true), record: Sample.record()))
            #expect(try await !stores.keys.activate("k1", at: Sample.now, record: Sample.record()))
            #expect(try await !stores.keys.remove("k1", record: Sample.record()))
            let wins = try await race(8) { _ in
                try await stores.keys.activate("k2", at: Sample.now + 1, record: Sample.record())
            }
            #expect(wins.filter { $0 }.count == 1)
            #expect(try await stores.keys.keys().map(\.standing) == [.retiring, .active])
            #expect(try await stores.keys.reseal("k1", from: "s-k1", to: "new"))
            #expect(try await !stores.keys.reseal("k1", from: "s-k1", to: "other"))
            #expect(try await stores.keys.remove("k1", record: Sample.record()))
            #expect(try await !stores.keys.remove("k2", record: Sample.record()))
            #expect(try await stores.keys.keys().map(\.id) == ["k2"])
        },
        StoreContract("facts behind a reference come back, and go with their end") { stores async throws in
            try await Sample.issueCode(stores)
            let token = ReferenceToken(
                hash: Secret("reference").hash, grantID: GrantID("g"), claims: ["scope": "x"],
                expiresAt: Sample.now + 60)
            try await stores.referenceTokens.insert(token)
            #expect(try stores.referenceTokens.referenceToken(token.hash) == token)
            #expect(try stores.referenceTokens.referenceToken(Secret("other").hash) == nil)
            _ = try await stores.sweep.sweep(at: Sample.now + 60)
            #expect(try stores.referenceTokens.referenceToken(token.hash) == nil)
        },
        StoreContract("a remembered choice comes back for its own person, app and patient") { stores async throws in
            try await Sample.populate(stores)
            let key = ConsentKey(
                subject: Sample.subject, clientID: Sample.client, patient: try Sample.patient("p1"),
                fhirBase: "https://fhir.example")
            let consent = RememberedConsent(
                key: key, offered: ["a", "b"], chosen: ["a"], givenAt: Sample.now, expiresAt: Sample.now + 100)
            try await stores.consents.remember(consent)
            #expect(try await stores.consents.remembered(key) == consent)
            let other = ConsentKey(
                subject: Sample.subject, clientID: Sample.client, patient: nil, fhirBase: "https://fhir.example")
            #expect(try await stores.consents.remembered(other) == nil)
            let later = RememberedConsent(
                key: key, offered: ["a"], chosen: ["a"], givenAt: Sample.now + 1, expiresAt: Sample.now + 101)
            try await stores.consents.remember(later)
            #expect(try await stores.consents.remembered(key) == later)
            let rows = try await Sample.outboxCount(stores)
            try await stores.consents.forget(Sample.subject, client: Sample.client, record: Sample.record(.revoke))
            #expect(try await stores.consents.remembered(key) == nil)
            #expect(try await Sample.outboxCount(stores) == rows + 1)
            try await stores.consents.forget(Sample.subject, client: Sample.client, record: Sample.record(.revoke))
            #expect(try await Sample.outboxCount(stores) == rows + 1, "there was nothing to forget")
            try await stores.consents.remember(later)
            _ = try await stores.sweep.sweep(at: later.expiresAt)
            #expect(try await stores.consents.remembered(key) == nil)
        },
        StoreContract("everything that a person let be remembered is forgotten at once, and nobody else's") {
            stores async throws in
            try await Sample.populate(stores)
            let other = SubjectID("other")
            #expect(
                try await stores.users.insert(
                    Sample.account(other, username: "other"), link: nil, record: Sample.record()))
            #expect(
                try await stores.clients.insert(
                    try Sample.registration(ClientID("second"), name: "Second"), record: Sample.record()))
            func key(_ subject: SubjectID, _ client: ClientID) -> ConsentKey {
                ConsentKey(subject: subject, clientID: client, patient: nil, fhirBase: "https://fhir.example")
            }
            let keys = [
                key(Sample.subject, Sample.client), key(Sample.subject, ClientID("second")), key(other, Sample.client),
            ]
            #expect(try await !stores.consents.remembersAnything(of: Sample.subject, at: Sample.now))
            for key in keys {
                try await stores.consents.remember(
                    RememberedConsent(
                        key: key, offered: ["a"], chosen: ["a"], givenAt: Sample.now, expiresAt: Sample.now + 100))
            }
            #expect(try await stores.consents.remembersAnything(of: Sample.subject, at: Sample.now + 99))
            #expect(
                try await !stores.consents.remembersAnything(of: Sample.subject, at: Sample.now + 100), "it is over")
            let rows = try await Sample.outboxCount(stores)

            #expect(try await stores.consents.forgetAll(of: Sample.subject, record: Sample.record(.revoke)))

            for key in keys { #expect(try await (stores.consents.remembered(key) == nil) == (key.subject != other)) }
            #expect(try await !stores.consents.remembersAnything(of: Sample.subject, at: Sample.now))
            #expect(try await stores.consents.remembersAnything(of: other, at: Sample.now))
            #expect(try await Sample.outboxCount(stores) == rows + 1)
            #expect(try await !stores.consents.forgetAll(of: Sample.subject, record: Sample.record(.revoke)))
            #expect(try await Sample.outboxCount(stores) == rows + 1, "there was nothing to forget")
        },
        StoreContract("what was remembered goes when the access that it led to is ended") { stores async throws in
            try await Sample.issueCode(stores)
            let key = ConsentKey(
                subject: Sample.subject, clientID: Sample.client, patient: try Sample.patient("p1"),
                fhirBase: "https://fhir.example")
            let consent = RememberedConsent(
                key: key, offered: ["a"], chosen: ["a"], givenAt: Sample.now, expiresAt: Sample.now + 100)
            try await stores.consents.remember(consent)
            let ended = try await stores.revocations.revoke(
                .grant(GrantID("g")), because: .administrator, at: Sample.now, record: Sample.record())
            #expect(ended != nil)
            #expect(try await stores.consents.remembered(key) == nil)
            try await stores.consents.remember(consent)
            let disabled = try await stores.revocations.revoke(
                .user(Sample.subject), because: .accountDisabled, at: Sample.now, record: Sample.record())
            #expect(disabled != nil)
            #expect(try await stores.consents.remembered(key) == nil)
            try await stores.consents.remember(consent)
            let suspended = try await stores.revocations.revoke(
                .client(Sample.client), because: .clientSuspended, at: Sample.now, record: Sample.record())
            #expect(suspended != nil)
            #expect(try await stores.consents.remembered(key) == nil)
        },
        StoreContract("a person's sessions are listed, nobody else's") { stores async throws in
            try await Sample.populate(stores)
            try await stores.sessions.insert(Sample.session("s", signedIn: true))
            try await stores.sessions.insert(Sample.session("t"))
            #expect(try await stores.sessions.sessions(of: Sample.subject).map(\.id) == [Sample.session("s").id])
            #expect(try await stores.sessions.sessions(of: SubjectID("other")).isEmpty)
        },
        StoreContract("of 8 parallel uses of a pushed request one gets it, and only its client") {
            stores async throws in
            try await Sample.populate(stores)
            let request = PushedRequest(
                hash: Secret("pushed").hash, clientID: Sample.client, form: "a=b&c=%20", expiresAt: Sample.now + 90)
            try await stores.pushedRequests.insert(request)
            #expect(
                try await stores.pushedRequests.take(request.hash, by: ClientID("other"), at: Sample.now) == nil)
            #expect(
                try await stores.pushedRequests.take(request.hash, by: Sample.client, at: Sample.now + 90) == nil)
            let taken = try await race(8) { _ in
                try await stores.pushedRequests.take(request.hash, by: Sample.client, at: Sample.now + 89)
            }
            #expect(taken.compactMap { $0 } == [request])
        },
        StoreContract("attempts are counted one by one, also in parallel") { stores async throws in
            let policy = ThrottlePolicy(free: 5, window: 100, firstWait: 10, longestWait: 30)
            let key = ThrottleKey.account("anna")
            let verdicts = try await race(20) { _ in
                try await stores.throttle.admit([key: policy], at: Sample.now)
            }
            #expect(verdicts.filter { $0 == .admitted }.count == 4)
            #expect(verdicts.filter { $0 == .last(under: [key]) }.count == 1, "one of them begins the lockout")
            #expect(
                try await stores.throttle.admit([key: policy], at: Sample.now + 9) == .closed(until: Sample.now + 10))
            #expect(try await stores.throttle.admit([key: policy], at: Sample.now + 10) == .admitted)
            #expect(
                try await stores.throttle.admit([key: policy], at: Sample.now + 11) == .closed(until: Sample.now + 30))
        },
        StoreContract("attempts fade one by one") { stores async throws in
            let policy = ThrottlePolicy(free: 5, window: 100, firstWait: 10, longestWait: 10)
            let key = ThrottleKey.account("anna")
            // One in twenty seconds fades as fast as it is counted: nobody is ever locked out by it.
            for attempt in 0..<20 {
                let now = Sample.now + Int64(attempt) * 20
                #expect(try await stores.throttle.admit([key: policy], at: now) == .admitted, "\(attempt)")
            }
            // One in fifteen is not.
            var verdicts: [ThrottleVerdict] = []
            for attempt in 0..<20 {
                verdicts.append(
                    try await stores.throttle.admit([key: policy], at: Sample.now + 400 + Int64(attempt) * 15))
            }
            #expect(verdicts.contains(.last(under: [key])))
            #expect(verdicts.first == .admitted)
        },
        StoreContract("networks are remembered until they are not seen for long") { stores async throws in
            let (key, other) = (ThrottleKey.account("anna"), ThrottleKey.account("ben"))
            #expect(try await !stores.throttle.isRemembered(key, since: 0))
            try await stores.throttle.remember(key, at: Sample.now)
            try await stores.throttle.remember(key, at: Sample.now - 50)
            #expect(try await stores.throttle.isRemembered(key, since: Sample.now))
            #expect(try await !stores.throttle.isRemembered(key, since: Sample.now + 1))
            #expect(try await !stores.throttle.isRemembered(other, since: 0))
            _ = try await stores.sweep.sweep(at: Sample.now + ThrottleKey.memory - 1)
            #expect(try await stores.throttle.isRemembered(key, since: 0))
            _ = try await stores.sweep.sweep(at: Sample.now + ThrottleKey.memory)
            #expect(try await !stores.throttle.isRemembered(key, since: 0))
        },
        StoreContract("a success clears the account and gives the source one attempt back") { stores async throws in
            let policy = ThrottlePolicy(free: 2, window: 100, firstWait: 10, longestWait: 30)
            let account = ThrottleKey.account("anna")
            let source = ThrottleKey.loginSource("10.0.0.1")
            #expect(try await stores.throttle.admit([account: policy, source: policy], at: Sample.now) == .admitted)
            let both = ThrottleVerdict.last(under: [account, source])
            #expect(try await stores.throttle.admit([account: policy, source: policy], at: Sample.now) == both)
            try await stores.throttle.giveBack(all: [account], one: [source])
            let one = ThrottleVerdict.last(under: [source])
            #expect(try await stores.throttle.admit([account: policy, source: policy], at: Sample.now) == one)
            let closed = ThrottleVerdict.closed(until: Sample.now + 10)
            #expect(try await stores.throttle.admit([source: policy], at: Sample.now) == closed)
            #expect(try await stores.throttle.admit([account: policy], at: Sample.now) == .last(under: [account]))
        },
        StoreContract("audit rows come out in order, whole, and stay until acknowledged") { stores async throws in
            let records = [
                Sample.record(.login, id: "a"), Sample.record(.launch, id: "b"), Sample.record(.token, id: "c"),
            ]
            for record in records { try await stores.outbox.append(record) }
            #expect(try await stores.outbox.pending(limit: 2) == Array(records.prefix(2)))
            try await stores.outbox.acknowledge([records[0].id, DecisionID("unknown")])
            #expect(try await stores.outbox.pending(limit: 9) == Array(records.dropFirst()))
            _ = try await stores.sweep.sweep(at: Sample.now + 1_000_000)
            #expect(try await stores.outbox.pending(limit: 9).count == 2)
        },
        StoreContract("audit rows are read up to a number, and numbers only grow") { stores async throws in
            #expect(try await stores.outbox.newest() == nil)
            let records = [Sample.record(.login, id: "a"), Sample.record(.launch, id: "b")]
            try await stores.outbox.append(records[0])
            let first = try #require(try await stores.outbox.newest())
            try await stores.outbox.append(records[1])
            let second = try #require(try await stores.outbox.newest())
            #expect(second > first)
            #expect(try await stores.outbox.pending(through: first, limit: 9) == [records[0]])
            try await stores.outbox.acknowledge([records[0].id])
            #expect(try await stores.outbox.pending(through: first, limit: 9).isEmpty)
            #expect(try await stores.outbox.pending(through: second, limit: 9) == [records[1]])
            try await stores.outbox.acknowledge([records[1].id])
            try await stores.outbox.append(Sample.record(.token, id: "c"))
            let third = try #require(try await stores.outbox.newest())
            #expect(third > second)
        },
        StoreContract("sweeping removes what is over and nothing else") { stores async throws in
            try await Sample.issueCode(stores)
            #expect(try await stores.grants.insert(try Sample.grant("b", subject: nil), record: Sample.record()))
            let session = SessionID(presented: Secret("s"))
            _ = try await stores.sweep.sweep(at: Sample.now + 99)
            #expect(try await stores.sessions.session(session) != nil)
            #expect(try await stores.grants.grant(GrantID("b")) != nil)
            _ = try await stores.sweep.sweep(at: Sample.now + 100)
            #expect(try await stores.sessions.session(session) == nil)
            // A replay of the code is still known for one.
            #expect(try await stores.codes.code(Secret("code").hash) != nil)
            _ = try await stores.sweep.sweep(at: Sample.now + 90_000)
            #expect(try await stores.codes.code(Secret("code").hash) == nil)
            #expect(try await stores.grants.grant(GrantID("b")) == nil)
            #expect(try await stores.grants.grant(GrantID("g")) != nil)
        },
    ]
}
