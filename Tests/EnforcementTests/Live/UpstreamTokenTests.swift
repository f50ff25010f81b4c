import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// A protected server that wants an access token of its own authorization server.
@Suite(.timeLimit(.minutes(2))) struct UpstreamTokenTests {
    /// A token endpoint and a FHIR server in one.
    private final class Guarded: Sendable {
        let issued = Mutex(0)
        /// The token that the FHIR side takes now.
        let valid = Mutex("t1")
        let answer: @Sendable (Int) -> LoopbackUpstream.Conduct

        init(
            _ answer: @escaping @Sendable (Int) -> LoopbackUpstream.Conduct = { number in
                .answer(200, #"{"access_token":"t\#(number)","token_type":"Bearer","expires_in":300}"#)
            }
        ) { self.answer = answer }

        func conduct(_ seen: LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct {
            if seen.target == "/oauth/token" {
                let number = issued.withLock { count in
                    count += 1
                    return count
                }
                return answer(number)
            }
            let sent = seen.headers.filter { $0.name.lowercased() == "authorization" }.map(\.value)
            guard sent == ["Bearer " + valid.withLock { $0 }] else { return .answer(401, "{}") }
            return .answer(200, patientA, headers: [("etag", "W/\"1\"")])
        }
    }

    private func withGuarded(
        _ guarded: Guarded, secret: String = "a secret:with &", clock: @escaping @Sendable () -> Int64 = { 0 },
        _ body: (LiveGateway, LoopbackUpstream) async throws -> Void
    ) async throws {
        let upstream = try await LoopbackUpstream.start { guarded.conduct($0) }
        var server = try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)/r4")
        server.tokenSource = try UpstreamTokenSource(
            endpoint: "http://127.0.0.1:\(upstream.port)/oauth/token", clientID: "chap erone",
            secret: Secret(secret), scope: "system/*.cruds")
        let gateway = try await LiveGateway.start(upstream: server, upstreamClock: clock)
        let result: Result<Void, any Error>
        do { result = .success(try await body(gateway, upstream)) } catch { result = .failure(error) }
        try await gateway.stop()
        try await upstream.stop()
        try result.get()
    }

    private func read(_ gateway: LiveGateway, _ count: Int) async throws -> [Int] {
        var statuses: [Int] = []
        for _ in 0..<count { statuses.append(try await gateway.send(gateway.request("GET", "/Patient/pA"))[0].status) }
        return statuses
    }

    @Test(.verifies("house@UPSTREAM-OAUTH"))
    func `a token is fetched once and sent with every call, and the client's own is not`() async throws {
        let guarded = Guarded()
        try await withGuarded(guarded) { gateway, upstream in
            let statuses = try await read(gateway, 5)

            #expect(statuses == [200, 200, 200, 200, 200])
            #expect(guarded.issued.withLock { $0 } == 1)
            let asked = try #require(upstream.seen.first)
            #expect(asked.method == "POST")
            #expect(asked.body == "grant_type=client_credentials&scope=system%2F%2A.cruds")
            let basic = try #require(asked.headers.first { $0.name.lowercased() == "authorization" }?.value)
            let decoded = try #require(Base64.decode(basic.dropFirst("Basic ".count)))
            #expect(String(decoding: decoded, as: UTF8.self) == "chap%20erone:a%20secret%3Awith%20%26")
            #expect(!upstream.seen.contains { call in call.headers.contains { $0.value.contains(gateway.token) } })
        }
    }

    @Test(.verifies("house@UPSTREAM-OAUTH"))
    func `of many calls at once one fetches the token`() async throws {
        let guarded = Guarded()
        try await withGuarded(guarded) { gateway, _ in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<24 {
                    group.addTask { try await gateway.send(gateway.request("GET", "/Patient/pA"))[0].status }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }

            #expect(statuses == Array(repeating: 200, count: 24))
            #expect(guarded.issued.withLock { $0 } == 1)
        }
    }

    @Test(.verifies("house@UPSTREAM-OAUTH"))
    func `a token is renewed before its end, and the old one serves meanwhile`() async throws {
        let guarded = Guarded()
        let now = Mutex<Int64>(0)
        try await withGuarded(guarded, clock: { now.withLock { $0 } }) { gateway, _ in
            _ = try await read(gateway, 1)
            now.withLock { $0 = 239_000 }
            _ = try await read(gateway, 1)
            #expect(guarded.issued.withLock { $0 } == 1)
            now.withLock { $0 = 241_000 }
            let meanwhile = try await read(gateway, 1)
            #expect(meanwhile == [200])
            guarded.valid.withLock { $0 = "t2" }
            now.withLock { $0 = 301_000 }
            let after = try await read(gateway, 1)

            #expect(after == [200])
            #expect(guarded.issued.withLock { $0 } == 2)
        }
    }

    @Test(.verifies("house@UPSTREAM-OAUTH"))
    func `a refused token is renewed once`() async throws {
        let guarded = Guarded()
        try await withGuarded(guarded) { gateway, upstream in
            _ = try await read(gateway, 1)
            guarded.valid.withLock { $0 = "t2" }
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 200)
            #expect(guarded.issued.withLock { $0 } == 2)
            #expect(upstream.seen.filter { $0.target.hasSuffix("/Patient/pA") }.count == 3)
        }
    }

    @Test(.verifies("house@UPSTREAM-OAUTH"))
    func `a server that refuses every token is asked twice and then given up`() async throws {
        let guarded = Guarded()
        guarded.valid.withLock { $0 = "never" }
        try await withGuarded(guarded) { gateway, upstream in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 502)
            #expect(answers[0].header("www-authenticate") == nil, "it is not the client's token that was refused")
            #expect(upstream.seen.filter { $0.target.hasSuffix("/Patient/pA") }.count == 2)
        }
    }

    @Test(
        .verifies("house@UPSTREAM-OAUTH"),
        arguments: [
            (401, #"{"error":"invalid_client"}"#), (200, "{}"), (200, "not json"), (500, ""),
            (200, #"{"access_token":"t1","token_type":"mac"}"#),
            (200, #"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#),
            (302, #"{"access_token":"t1","token_type":"Bearer"}"#),
        ])
    func `without a token nothing is asked of the server`(status: Int, body: String) async throws {
        let guarded = Guarded { _ in .answer(status, body) }
        try await withGuarded(guarded) { gateway, upstream in
            let statuses = try await read(gateway, 3)

            #expect(statuses == [503, 503, 503])
            #expect(upstream.seen.allSatisfy { $0.target == "/oauth/token" })
            #expect(upstream.seen.count == 1, "a failure is remembered for a moment")
        }
    }

    @Test(arguments: [
        "http://auth.example/token", "ftp://auth.example/token", "https://auth.example", "https://auth.example/t?x=1",
        "https://u@auth.example/t", "",
    ])
    func `a token endpoint that could give the secret away is refused`(endpoint: String) {
        #expect(throws: UpstreamConfigurationError.self) {
            try UpstreamTokenSource(endpoint: endpoint, clientID: "c", secret: Secret("s"), scope: nil)
        }
    }
}
