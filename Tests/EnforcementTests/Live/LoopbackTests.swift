import Audit
import ChaperoneTesting
import Dispatch
import FHIRCore
import FoundationEssentials
import NIOCore
import NIOPosix
import NIOSSL
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

private func occurrences(of word: String, in text: String) -> Int {
    text.indices.count { text[$0...].hasPrefix(word) }
}

/// The gateway over real sockets: what a client and a protected server can do on the wire.
@Suite(.timeLimit(.minutes(2))) struct LoopbackTests {
    // MARK: - the request that is refused

    @Test(
        .verifies("attack@ATK-190", "oauth-attack@S-10"),
        arguments: [
            "Content-Length: 3\r\nTransfer-Encoding: chunked", "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3, 3", "Content-Length: +3",
            "Content-Length: -1",
            "Content-Length: 0x3", "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: xchunked", "Host: gw.test", "Host: evil.test", "X-Bad : 1", "X Bad: 1",
            "X-Fold: a\r\n b",
        ])
    func `an ambiguous request is refused and the connection closed`(headers: String) async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(
                gateway.request("POST", "/Observation", [headers, "Content-Type: application/fhir+json"])
                    + "0\r\n\r\nGET /fhir/Patient/pA HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer \(gateway.token)\r\n\r\n"
            )

            let text = await connection.rest()

            #expect(text.hasPrefix("HTTP/1.1 400 ") || text.hasPrefix("HTTP/1.1 501 "), "\(text)")
            #expect(!text.contains("Alpha"))
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test(
        .verifies("oauth-attack@S-10"),
        arguments: [
            "Content-Length: 3\r\nTransfer-Encoding: chunked", "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 4", "X-Fold: a\r\n b", ":method: GET\r\nContent-Length: 3",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        ])
    func `an ambiguous request of the other side is refused too`(headers: String) async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(
                "POST /oauth/token HTTP/1.1\r\nHost: gw.test\r\n\(headers)\r\n\r\n0\r\n\r\n"
                    + gateway.request("GET", "/Patient/pA"))

            let text = await connection.rest()

            #expect(text.hasPrefix("HTTP/1.1 400 ") || text.hasPrefix("HTTP/1.1 501 "), "\(text)")
            #expect(occurrences(of: "HTTP/1.1 ", in: text) == 1)
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test(
        .verifies("attack@ATK-190", "oauth-attack@S-10"),
        arguments: ["GET /fhir/Patient/pA HTTP/1.1\nHost: gw.test\n\n", "GET /fhir/Patient/pA\r\n\r\n"])
    func `bare line feeds and old versions are refused`(text: String) async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(text)

            let answer = await connection.rest()

            #expect(answer.hasPrefix("HTTP/1.1 4") || answer.isEmpty, "\(answer)")
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test(
        arguments: [
            ("GET http://gw.test/fhir/Patient/pA HTTP/1.1\r\nHost: gw.test", [200]),
            ("GET /fhir/Patient/pA#x HTTP/1.1\r\nHost: gw.test", [400]),
            ("GET /fhir/Patient/pA HTTP/1.1\r\nHost: evil.test", [421]),
            ("GET /fhir/Patient/pA HTTP/1.1\r\nHost: gw.test\r\nExpect: magic", [417]),
            ("GET /fhir/Patient/pA HTTP/1.1", [400]),
            ("GET /fhir/Observation HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 10\r\n\r\npatient=pB", [400]),
        ] as [(String, [Int])])
    func `targets, hosts and expectations are read strictly`(head: String, statuses: [Int]) async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send(head + (head.contains("\r\n\r\n") ? "" : "\r\n\r\n"))

            #expect(statuses.contains(answers[0].status))
            #expect(!answers[0].body.contains("Alpha"))
            #expect(upstream.seen.isEmpty, "an absolute target is the other side's, which knows no FHIR data")
        }
    }

    @Test func `what is too large is refused`() async throws {
        var limits = GatewayLimits()
        limits.bodyBytes = 1_000
        limits.targetBytes = 500
        try await withGateway(limits: limits) { gateway, upstream in
            let announced = try await gateway.send(
                gateway.request(
                    "POST", "/Observation", ["Content-Length: 1001", "Content-Type: application/fhir+json"]))
            let chunked = try await gateway.send(
                gateway.request("POST", "/Observation", ["Transfer-Encoding: chunked"])
                    + "7d0\r\n" + String(repeating: " ", count: 2_000) + "\r\n0\r\n\r\n")
            let target = try await gateway.send(
                gateway.request("GET", "/Observation?code=" + String(repeating: "a", count: 600)))

            #expect(announced[0].status == 413 && announced[0].header("connection") == "close")
            #expect(chunked[0].status == 413)
            #expect(target[0].status == 414)
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test func `each refusal of a form is recorded once`() async throws {
        try await withGateway { gateway, _ in
            _ = try await gateway.send("GET /fhir/Patient/pA HTTP/1.1\r\nHost: evil.test\r\n\r\n")

            #expect(gateway.sink.entries.map(\.index.outcome) == ["refused"])
        }
    }

    // MARK: - the request that is served

    @Test(.verifies("attack@ATK-186", "attack@ATK-187", "attack@ATK-188", "attack@ATK-189"))
    func `no header is copied either way`() async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send(
                gateway.request(
                    "GET", "/Patient/pA",
                    [
                        "X-Original-URL: /Patient/pB", "X-Forwarded-Host: evil", "X-Patient-Id: pB", "Cookie: a=b",
                        "Connection: close, X-Api-Key", "Range: bytes=0-1", "If-None-Match: W/\"9\"", "Via: x",
                    ]))

            #expect(answers[0].status == 200)
            let seen = try #require(upstream.seen.first)
            #expect(seen.target == "/r4/Patient/pA")
            #expect(
                Set(seen.headers.map(\.name)) == ["host", "accept", "accept-encoding", "user-agent", "X-Api-Key"])
            #expect(
                Set(answers[0].headers.map(\.name)) == [
                    "content-type", "content-security-policy", "x-content-type-options", "cache-control", "etag",
                    "content-length", "connection", "x-request-id",
                ])
            #expect(!answers[0].body.contains("inner"))
        }
    }

    @Test func `HEAD has the header of GET and no body`() async throws {
        try await withGateway { gateway, _ in
            let connection = try await RawConnection.open(port: gateway.port, headAnswers: true)
            connection.write(gateway.request("HEAD", "/Patient/pA", ["Connection: close"]))

            let text = await connection.rest()

            #expect(text.hasPrefix("HTTP/1.1 200 "))
            #expect(text.hasSuffix("\r\n\r\n"))
            #expect(text.contains("content-length: \(patientA.utf8.count)"))
        }
    }

    @Test func `a conditional read is answered by us after judging`() async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send(
                gateway.request("GET", "/Patient/pA", ["If-None-Match: W/\"1\"", "Connection: close"]))

            #expect(answers[0].status == 304 && answers[0].body.isEmpty)
            #expect(upstream.seen.first?.headers.contains { $0.name == "if-none-match" } == false)
        }
    }

    @Test func `a body that waits for leave is told to come`() async throws {
        try await withGateway { gateway, _ in
            let connection = try await gateway.connect()
            connection.write(
                gateway.request(
                    "POST", "/Observation/_search",
                    ["Expect: 100-continue", "Content-Length: 6", "Content-Type: application/x-www-form-urlencoded"]))
            let leave = try await connection.answers(1)
            connection.write("foo=ba")
            let answer = try await connection.answers(1)

            #expect(leave[0].status == 100)
            #expect(answer[0].status == 400)
        }
    }

    @Test(.verifies("attack@ATK-195"), arguments: ["/Patient/pA", "/Patient/pB", "/nonsense/%2e", "/metadata"])
    func `the preflight is the same for every path`(path: String) async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send(
                "OPTIONS /fhir\(path) HTTP/1.1\r\nHost: gw.test\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n\r\n"
            )

            #expect(answers[0].status == 204)
            #expect(answers[0].header("access-control-allow-origin") == "https://app.test")
            #expect(answers[0].header("access-control-allow-methods") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
            #expect(upstream.seen.isEmpty)
            #expect(gateway.sink.entries.isEmpty)
        }
    }

    @Test func `a connection that mixes both sides keeps the order`() async throws {
        try await withGateway { gateway, _ in
            let other = "POST /oauth/token HTTP/1.1\r\nHost: anything\r\nContent-Length: 5\r\n\r\nhello"
            let fhir = gateway.request("GET", "/Patient/pA")
            let discovery = "GET /fhir/.well-known/smart-configuration HTTP/1.1\r\nHost: gw.test\r\n\r\n"

            let answers = try await gateway.send(fhir + other + fhir + discovery + other + fhir + fhir, answers: 7)

            #expect(answers.map { $0.body.hasPrefix("other side") } == [false, true, false, true, true, false, false])
            #expect(answers[1].body == "other side: /oauth/token 5")
            #expect(answers[3].body == "other side: /fhir/.well-known/smart-configuration 0")
            #expect(answers.allSatisfy { $0.status == 200 })
            #expect(gateway.sink.entries.count == 4)
        }
    }

    @Test(arguments: [
        "/fhirx/Patient/pA", "/FHIR/Patient/pA", "/%66hir/Patient/pA", "//fhir/Patient/pA", "/x/../fhir/Patient/pA",
    ])
    func `other spellings of the base are not ours`(target: String) async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send(
                "GET \(target) HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer \(gateway.token)\r\n\r\n")

            #expect(answers[0].body.hasPrefix("other side"))
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test func `the capabilities are ours`() async throws {
        let statement =
            #"{"resourceType":"CapabilityStatement","status":"active","date":"2026-01-01","kind":"instance","fhirVersion":"4.0.1","implementation":{"description":"x","url":"http://inner.example"},"format":["json"],"rest":[{"mode":"server","interaction":[{"code":"transaction"}],"operation":[{"name":"export","definition":"http://inner.example/x"}],"resource":[{"type":"Patient","supportedProfile":["http://inner.example/StructureDefinition/p"],"operation":[{"name":"everything","definition":"http://INNER.example/fhir/OperationDefinition/Patient-it-everything"}],"interaction":[{"code":"read"},{"code":"search-type"},{"code":"patch"}],"searchParam":[{"name":"name","type":"string"},{"name":"inner-only","type":"string"}]},{"type":"Nonsense","interaction":[{"code":"read"}]}]}]}"#
        try await withGateway(upstream: { _ in .answer(200, statement) }) { gateway, upstream in
            let answers = try await gateway.send(
                "GET /fhir/metadata HTTP/1.1\r\nHost: gw.test\r\nOrigin: https://any.test\r\n\r\n")
            let again = try await gateway.send("GET /fhir/metadata HTTP/1.1\r\nHost: gw.test\r\n\r\n")

            #expect(answers[0].status == 200)
            #expect(answers[0].header("access-control-allow-origin") == "https://any.test")
            #expect(answers[0].body.contains("\"http://gw.test/fhir\""))
            #expect(answers[0].body.contains("oauth-uris"))
            #expect(answers[0].body.contains(#""http://gw.test/fhir/OperationDefinition/Patient-it-everything""#))
            #expect(answers[0].body.contains(#""http://gw.test/fhir/StructureDefinition/p""#))
            for inner in ["inner", "INNER", #""code":"patch""#, "Nonsense", "export"] {
                #expect(!answers[0].body.contains(inner), "\(inner)")
            }
            let interactions = #""interaction":[{"code":"search-system"},{"code":"batch"},{"code":"transaction"}]"#
            #expect(answers[0].body.contains(interactions))
            #expect(again[0].body == answers[0].body)
            #expect(upstream.seen.map(\.target) == ["/r4/metadata"])
        }
    }

    @Test func `what is made of searches and updates is offered where these are`() async throws {
        let statement =
            #"{"resourceType":"CapabilityStatement","status":"active","date":"2026-01-01","kind":"instance","fhirVersion":"4.0.1","format":["json"],"rest":[{"mode":"server","resource":[{"type":"Observation","interaction":[{"code":"read"},{"code":"search-type"},{"code":"create"},{"code":"update"},{"code":"delete"}]},{"type":"Condition","interaction":[{"code":"read"},{"code":"create"},{"code":"update"}]},{"type":"ValueSet","interaction":[{"code":"read"},{"code":"search-type"},{"code":"update"}]}]}]}"#
        try await withGateway(upstream: { _ in .answer(200, statement) }) { gateway, _ in
            let answers = try await gateway.send("GET /fhir/metadata HTTP/1.1\r\nHost: gw.test\r\n\r\n")
            let json = try JSONValue(parsing: Array(answers[0].body.utf8))
            let rest = try #require(json["rest"]?.array?.first)
            let resources = try #require(rest["resource"]?.array)
            func codes(_ resource: JSONValue) -> [String] {
                resource["interaction"]?.array?.compactMap { $0["code"]?.string } ?? []
            }

            #expect(codes(rest) == ["search-system", "batch"])
            #expect(json["patchFormat"]?.array == ["application/json-patch+json"])
            #expect(codes(resources[0]) == ["read", "search-type", "create", "update", "patch", "delete"])
            #expect(resources[0]["conditionalCreate"]?.bool == true)
            #expect(resources[0]["conditionalUpdate"]?.bool == true)
            #expect(resources[0]["conditionalDelete"]?.string == "single")
            #expect(codes(resources[1]) == ["read", "create", "update", "patch"])
            #expect(resources[1]["conditionalCreate"]?.bool == false)
            #expect(resources[1]["conditionalDelete"]?.string == "not-supported")
            #expect(codes(resources[2]) == ["read", "search-type"])
        }
    }

    @Test(
        .verifies("attack@ATK-197"),
        arguments: ["/Patient/pA/metadata", "/metadata/../Patient/pB", "/metadata/", "/metadata%2f"])
    func `the public path is this path only`(path: String) async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send("GET /fhir\(path) HTTP/1.1\r\nHost: gw.test\r\n\r\n")

            #expect([400, 401].contains(answers[0].status))
            #expect(upstream.seen.isEmpty)
        }
    }

    // MARK: - the protected server misbehaves

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345", 502), ("SSH-2.0-x\r\n\r\n", 502),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
            502
        ),
    ])
    func `what is no proper answer is not passed on`(bytes: String, status: Int) async throws {
        try await withGateway(upstream: { _ in .raw(bytes) }) { gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == status)
            #expect(gateway.sink.entries.map(\.index.outcome) == ["failed"])
        }
    }

    @Test(arguments: [false, true])
    func `a silent server is given up`(stalls: Bool) async throws {
        var limits = UpstreamLimits()
        limits.readTimeoutMilliseconds = 200
        try await withGateway(upstreamLimits: limits, upstream: { _ in stalls ? .stall : .silence }) { gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 504)
        }
    }

    @Test func `a server that is gone is unreachable`() async throws {
        let upstream = try await LoopbackUpstream.start { _ in .silence }
        let server = try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)")
        try await upstream.stop()
        let gateway = try await LiveGateway.start(upstream: server)

        let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

        #expect(answers[0].status == 503)
        #expect(answers[0].header("retry-after") != nil)
        try await gateway.stop()
    }

    @Test func `a read that an old connection lost is repeated once, a write never`() async throws {
        let counts = Mutex<[Int: Int]>([:])
        // Every connection answers one request and hangs up on the next.
        let conduct: @Sendable (LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct = { seen in
            let count = counts.withLock { counts in
                counts[seen.connection, default: 0] += 1
                return counts[seen.connection, default: 0]
            }
            return count == 1 ? .answer(200, patientA) : .hangUp
        }
        try await withGateway(upstream: conduct) { gateway, upstream in
            let connection = try await gateway.connect()
            for _ in 0..<3 {
                connection.write(gateway.request("GET", "/Patient/pA"))
                let answers = try await connection.answers(1)
                #expect(answers[0].status == 200)
            }
            let body =
                #"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
            connection.write(
                gateway.request("POST", "/Observation", ["Content-Type: application/fhir+json"], body: body))
            let written = try await connection.answers(1)
            connection.close()

            #expect(written[0].status == 502)
            #expect(upstream.seen.filter { $0.method == "GET" }.count == 5)
            #expect(upstream.seen.filter { $0.method == "POST" }.count == 1)
            #expect(gateway.sink.entries.last?.index.outcome == "interrupted")
        }
    }

    @Test func `after the last answer of a connection nothing more is served on it`() async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(
                gateway.request("GET", "/Patient/pA", ["Connection: close"]) + gateway.request("GET", "/Patient/pA"))

            let text = await connection.rest()

            #expect(text.hasPrefix("HTTP/1.1 200 ") && text.contains(patientA))
            #expect(!text.dropFirst(9).contains("HTTP/1.1 200 "), "at most a refusal may follow")
            #expect(upstream.seen.count == 1)
        }
    }

    @Test func `a bad chunk after a refusal brings no second answer`() async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(
                gateway.request("POST", "/Observation", ["Transfer-Encoding: chunked", "Expect: the-impossible"])
                    + "zz\r\nnothing\r\n")

            let text = await connection.rest()

            #expect(occurrences(of: "HTTP/1.1 ", in: text) == 1, "one answer: \(text)")
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test func `a bad chunk in a body is answered once`() async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(
                gateway.request(
                    "POST", "/Observation", ["Transfer-Encoding: chunked", "Content-Type: application/fhir+json"])
                    + "2\r\n{}\r\nzz\r\nnothing\r\n")

            let text = await connection.rest()

            #expect(text.hasPrefix("HTTP/1.1 400 "))
            #expect(occurrences(of: "HTTP/1.1 ", in: text) == 1, "one answer: \(text)")
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test func `bytes behind an answer do not answer the next call`() async throws {
        var limits = UpstreamLimits()
        limits.connectionsPerLoop = 1
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
        let whole = "\(head)Content-Length: \(patientA.utf8.count)\r\n\r\n\(patientA)"
        let surplus = "\(head)Content-Length: 2\r\n\r\n{}"
        try await withGateway(upstreamLimits: limits, upstream: { _ in .raw(whole + surplus) }) { gateway, _ in
            for _ in 0..<2 {
                // Two at once, so that the second waits for the connection of the first.
                let connections = [try await gateway.connect(), try await gateway.connect()]
                for connection in connections { connection.write(gateway.request("GET", "/Patient/pA")) }
                for connection in connections {
                    let answers = try await connection.answers(1)
                    #expect(answers[0].status == 200)
                    connection.close()
                }
            }
        }
    }

    @Test func `many questions for the capabilities are one question upstream`() async throws {
        try await withGateway(upstream: { _ in .answer(500, "{}") }) { gateway, upstream in
            let connection = try await gateway.connect()
            for _ in 0..<5 {
                connection.write("GET /fhir/metadata HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                let answers = try await connection.answers(1)
                #expect(answers[0].status == 503)
                #expect(answers[0].header("retry-after") != nil)
            }
            connection.close()

            #expect(upstream.seen.count == 1, "a failure is remembered for a while")
        }
    }

    @Test func `questions that come together share one call`() async throws {
        var limits = UpstreamLimits()
        limits.readTimeoutMilliseconds = 400
        try await withGateway(upstreamLimits: limits, upstream: { _ in .silence }) { gateway, upstream in
            let connections = [try await gateway.connect(), try await gateway.connect(), try await gateway.connect()]
            for connection in connections {
                connection.write("GET /fhir/metadata HTTP/1.1\r\nHost: gw.test\r\n\r\n")
            }
            for connection in connections {
                let answers = try await connection.answers(1)
                #expect(answers[0].status == 503)
                connection.close()
            }

            // The connections may lie on different loops: at most one call on each.
            #expect(upstream.seen.count <= System.coreCount)
        }
    }

    @Test func `a log that does not answer is not waited for`() async throws {
        let stuck = DispatchSemaphore(value: 0)
        let sink = InMemoryAuditSink(gate: { _ = stuck.wait(timeout: .now() + 5) })
        var limits = GatewayLimits()
        limits.auditTimeoutMilliseconds = 200
        try await withGateway(limits: limits, sink: sink) { gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))
            stuck.signal()

            #expect(answers[0].status == 503)
            #expect(!answers[0].body.contains("Alpha"))
            #expect(answers[0].header("x-request-id") != nil)
        }
    }

    @Test(.verifies("house@PROXIES"), arguments: [true, false])
    func `the record names the client whom a trusted proxy names`(isTrusted: Bool) async throws {
        let proxies = try #require(TrustedProxies([isTrusted ? "127.0.0.0/8" : "192.0.2.0/24"], header: .xForwardedFor))
        try await withGateway(proxies: proxies) { gateway, upstream in
            let answers = try await gateway.send(
                gateway.request("GET", "/Patient/pA", ["X-Forwarded-For: 6.6.6.6, 198.51.100.1"]))

            #expect(answers[0].status == 200)
            let entry = try #require(gateway.sink.entries.first)
            guard case .access(let access) = try entry.statement().event else { throw CancellationError() }
            #expect(access.sourceAddress == (isTrusted ? "198.51.100.1" : "127.0.0.1"))
            #expect(upstream.seen[0].headers.allSatisfy { $0.name.lowercased() != "x-forwarded-for" })
        }
    }

    @Test func `what is too much without a token still has a request id`() async throws {
        var limits = Enforcer.Limits()
        limits.anonymousRecords = RefusalLedger.Limits(burst: 1, perSecond: 0)
        (limits.anonymousAnswersBurst, limits.anonymousAnswersPerSecond) = (0, 0)
        try await withGateway(enforcerLimits: limits) { gateway, _ in
            let connection = try await gateway.connect()
            var answers: [RawAnswer] = []
            for _ in 0..<2 {
                connection.write("GET /fhir/Patient/pA HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                answers += try await connection.answers(1)
            }
            connection.close()

            #expect(answers.map(\.status) == [401, 429])
            #expect(answers.allSatisfy { $0.header("x-request-id")?.isEmpty == false })
        }
    }

    @Test func `hanging up without an answer is a failure`() async throws {
        try await withGateway(upstream: { _ in .hangUp }) { gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 502 || answers[0].status == 503)
        }
    }

    @Test func `connections are used again and bounded`() async throws {
        var limits = UpstreamLimits()
        limits.connectionsPerLoop = 1
        try await withGateway(upstreamLimits: limits) { gateway, upstream in
            let connection = try await gateway.connect()
            for _ in 0..<10 {
                connection.write(gateway.request("GET", "/Patient/pA"))
                _ = try await connection.answers(1)
            }
            connection.close()

            #expect(upstream.seen.count == 10)
            #expect(upstream.connections == 1)
        }
    }

    @Test func `an endless answer is cut off at the limit`() async throws {
        var limits = Enforcer.Limits()
        limits.answerBytes = 1 << 20
        try await withGateway(enforcerLimits: limits, upstream: { _ in .endless }) { gateway, upstream in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))
            let atAnswer = upstream.sent
            try await Task.sleep(for: .milliseconds(200))

            #expect(answers[0].status == 404, "what is too large to be judged may be anybody's")
            #expect(upstream.sent <= atAnswer + (4 << 20), "the server is not read any further")
            #expect(upstream.sent < 32 << 20)
        }
    }

    @Test func `a client that does not read is not served more`() async throws {
        let name = String(repeating: "x", count: 2 << 20)
        let large = #"{"resourceType":"Patient","id":"pA","name":[{"family":"\#(name)"}]}"#
        try await withGateway(upstream: { _ in .answer(200, large) }) { gateway, upstream in
            let connection = try await RawConnection.open(port: gateway.port, reads: false)
            connection.write(String(repeating: gateway.request("GET", "/Patient/pA"), count: 50))
            try await Task.sleep(for: .seconds(2))

            // The sockets' own buffers take some; without back-pressure all fifty would have been asked for.
            #expect(upstream.seen.count < 20, "\(upstream.seen.count)")
            #expect(!upstream.seen.isEmpty)
            connection.close()
        }
    }

    @Test func `a client that dawdles is let go`() async throws {
        var limits = GatewayLimits()
        limits.idleTimeoutMilliseconds = 200
        limits.requestTimeoutMilliseconds = 200
        try await withGateway(limits: limits) { gateway, upstream in
            let silent = try await gateway.connect()
            let slow = try await gateway.connect()
            slow.write("POST /fhir/Observation HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 10\r\n\r\nabc")
            let half = try await gateway.connect()
            half.write("GET /fhir/Patient/pA HTTP/1.1\r\nHo")

            let rests = [await silent.rest(), await slow.rest(), await half.rest()]

            #expect(rests.allSatisfy { !$0.contains("Alpha") })
            #expect(upstream.seen.isEmpty)
        }
    }

    // MARK: - TLS to the protected server

    private static func key(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "fixtures/keys/upstream/\(name).pem").path
    }

    private func tlsUpstream() async throws -> LoopbackUpstream {
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(Self.key("test-upstream-server")).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: Self.key("test-upstream-server-key"), format: .pem)))
        return try await LoopbackUpstream.start(tls: try NIOSSLContext(configuration: configuration)) { _ in
            .answer(200, patientA)
        }
    }

    @Test(arguments: [
        ("localhost", "test-upstream-ca", 200), ("127.0.0.1", "test-upstream-ca", 200),
        ("localhost", "test-other-ca", 503), ("127.0.0.1", "test-other-ca", 503),
    ])
    func `only the configured authority is believed`(host: String, authority: String, status: Int) async throws {
        let upstream = try await tlsUpstream()
        var server = try UpstreamFHIRServer(base: "https://\(host):\(upstream.port)")
        server.trustRoots = .file(Self.key(authority))
        let gateway = try await LiveGateway.start(upstream: server)

        let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

        #expect(answers[0].status == status)
        #expect(upstream.seen.isEmpty == (status != 200))
        try await gateway.stop()
        try await upstream.stop()
    }
}
