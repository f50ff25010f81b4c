import Authorization
@testable import ChaperoneServer
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

/// Which addresses other parties may be fetched from.
@Suite struct GuardedFetchTests {
    @Test(
        .verifies("house@egress-guarded"),
        arguments: [
            "ftp://a.example/x", "https://", "https://user@a.example/", "https://a.example/#x",
            "https://a.example:99999/",
            "https://a example/", "//a.example", "https://[::1", "file:///etc/passwd", "https://A.example/",
        ])
    func `what is no plain address is none`(_ text: String) {
        #expect(FetchTarget(text) == nil)
    }

    @Test(
        .verifies("house@egress-guarded"),
        arguments: [
            ("127.0.0.1", true), ("10.1.2.3", true), ("172.16.0.1", true), ("172.31.255.255", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true), ("169.254.169.254", true), ("100.64.0.1", true), ("100.128.0.1", false),
            ("0.0.0.0", true), ("224.0.0.1", true), ("255.255.255.255", true), ("198.18.0.1", true),
            ("192.0.2.1", true),
            ("8.8.8.8", false), ("93.184.216.34", false), ("::1", true), ("::", true), ("fe80::1", true),
            ("fc00::1", true), ("fd12:3456::1", true), ("ff02::1", true), ("::ffff:127.0.0.1", true),
            ("::ffff:8.8.8.8", false), ("64:ff9b::7f00:1", true), ("2001:db8::1", true), ("2002:7f00:1::", true),
            ("2001::1", true), ("64:ff9b::808:808", false), ("64:ff9b:1::808:808", true), ("3fff:1::1", true),
            ("::ffff:0:127.0.0.1", true), ("::ffff:100.64.0.1", true), ("2606:4700::1111", false),
            ("::127.0.0.1", true),
        ])
    func `special-purpose addresses are known`(_ text: String, _ isSpecial: Bool) throws {
        let address = try SocketAddress(ipAddress: text, port: 443)

        #expect(SpecialPurposeAddress.contains(address) == isSpecial)
    }

    @Test(
        .verifies("oauth-attack@D-03"), .verifies("house@egress-guarded"),
        arguments: [
            "https://127.0.0.1/jwks", "https://169.254.169.254/latest", "https://[::1]/jwks", "https://[fc00::1]/jwks",
            "https://[::ffff:10.0.0.1]/jwks", "https://0.0.0.0/jwks", "https://2130706433/jwks",
            "https://0177.0.0.1/jwks", "https://10.0.0.1/jwks", "https://localhost/jwks",
        ])
    func `an address that a client names must be public`(_ url: String) async {
        let fetch = GuardedFetch(policy: EgressPolicy(privateHosts: ["10.0.0.1", "127.0.0.1", "localhost"]))

        await #expect(throws: OutboundFailure.forbiddenAddress) {
            try await fetch.send(OutboundRequest(url, trust: .client))
        }
    }

    @Test(.verifies("oauth-attack@D-03"))
    func `a name that leads into a private network is not connected to`() async {
        let fetch = GuardedFetch(
            policy: EgressPolicy(privateHosts: ["keys.example"]),
            lookUp: { _, port in try SocketAddress(ipAddress: "192.168.7.7", port: port) })

        await #expect(throws: OutboundFailure.forbiddenAddress) {
            try await fetch.send(OutboundRequest("https://keys.example/jwks", trust: .client))
        }
    }

    @Test(
        .verifies("oauth-attack@D-06"),
        arguments: [
            "http://keys.example/jwks", "https://keys.example:22/jwks", "https://keys.example:8443/jwks",
            "gopher://keys.example/jwks", "file:///etc/passwd", "https://keys.example:0/jwks",
        ])
    func `a client names https on the usual port and nothing else`(_ url: String) async {
        let fetch = GuardedFetch(policy: EgressPolicy(), lookUp: { host, _ in throw Unexpected(host: host) })

        await #expect(throws: OutboundFailure.badAddress) {
            try await fetch.send(OutboundRequest(url, trust: .client))
        }
    }

    @Test(.verifies("oauth-attack@D-04"))
    func `an address that is private once the socket is connected gets no byte`() async throws {
        let publisher = try await TLSPublisher.start { _ in .init(status: .ok, body: "{}") }
        defer { publisher.stop() }
        let looks = Mutex(0)
        // Public when it is judged, private when the socket is.
        let fetch = GuardedFetch(
            policy: EgressPolicy(clientPorts: [publisher.port]),
            isSpecial: { _ in
                looks.withLock { looks in
                    looks += 1
                    return looks > 1
                }
            })

        await #expect(throws: OutboundFailure.forbiddenAddress) {
            try await fetch.send(OutboundRequest("https://localhost:\(publisher.port)/jwks", trust: .client))
        }

        #expect(looks.withLock { $0 } == 2)
        #expect(publisher.seen.isEmpty)
    }

    @Test(.verifies("oauth-attack@D-04"))
    func `a name is looked up once, and the connection goes where that led`() async throws {
        let publisher = try await TLSPublisher.start { _ in .init(status: .ok, body: "{}") }
        defer { publisher.stop() }
        let looks = Mutex(0)
        let fetch = GuardedFetch(
            policy: EgressPolicy(privateHosts: ["localhost"]), certificateAuthorityFile: TLSPublisher.authority,
            lookUp: { _, port in
                looks.withLock { $0 += 1 }
                return try SocketAddress(ipAddress: "127.0.0.1", port: port)
            })

        let answer = try await fetch.send(OutboundRequest(publisher.url, trust: .configured))

        #expect(answer.status == 200)
        #expect(looks.withLock { $0 } == 1)
    }

    @Test(.verifies("oauth-attack@D-05"), arguments: [301, 302, 303, 307, 308])
    func `a redirect is not followed`(_ status: Int) async throws {
        let other = try await TLSPublisher.start { _ in .init(status: .ok, body: "{}") }
        defer { other.stop() }
        let publisher = try await TLSPublisher.start { [url = other.url] _ in
            .init(status: .init(statusCode: status), headers: [("location", url)], body: "")
        }
        defer { publisher.stop() }

        await #expect(throws: OutboundFailure.redirected(status)) {
            try await Self.near.send(OutboundRequest(publisher.url, trust: .configured))
        }

        #expect(other.seen.isEmpty)
    }

    @Test(.verifies("house@egress-guarded"))
    func `an answer that is too long is not read to its end`() async throws {
        let publisher = try await TLSPublisher.start { _ in
            .init(status: .ok, body: String(repeating: "x", count: 1 << 20))
        }
        defer { publisher.stop() }

        await #expect(throws: OutboundFailure.tooLarge) {
            try await Self.near.send(OutboundRequest(publisher.url, trust: .configured, longestAnswer: 1000))
        }
    }

    @Test(.verifies("house@egress-guarded"))
    func `an answer that does not come is not waited for`() async throws {
        let publisher = try await TLSPublisher.start { _ in nil }
        defer { publisher.stop() }

        await #expect(throws: OutboundFailure.timedOut) {
            try await Self.near.send(OutboundRequest(publisher.url, trust: .configured, milliseconds: 700))
        }
    }

    @Test(.verifies("house@egress-guarded"))
    func `a certificate of an unknown authority is not believed`() async throws {
        let publisher = try await TLSPublisher.start { _ in .init(status: .ok, body: "{}") }
        defer { publisher.stop() }

        do {
            _ = try await GuardedFetch(policy: EgressPolicy()).send(OutboundRequest(publisher.url, trust: .configured))
            Issue.record("it was believed")
        } catch {
            guard case .unreachable = error else {
                Issue.record("\(error)")
                return
            }
        }
        #expect(publisher.seen.isEmpty)
    }

    @Test(.verifies("house@egress-guarded"))
    func `forms and headers arrive, and every status but a redirect comes back`() async throws {
        let publisher = try await TLSPublisher.start { request in
            .init(status: .badRequest, headers: [("cache-control", "max-age=7")], body: request.body)
        }
        defer { publisher.stop() }

        let answer = try await Self.near.send(
            OutboundRequest(
                publisher.url + "?a=b", trust: .configured, method: .postForm("grant_type=x"),
                headers: [.init("authorization", "Basic abc")]))

        #expect(answer.status == 400)
        #expect(answer.body == Array("grant_type=x".utf8))
        #expect(answer.cacheControl == "max-age=7")
        let seen = try #require(publisher.seen.first)
        #expect(seen.head.uri == "/jwks?a=b")
        #expect(seen.head.headers["authorization"] == ["Basic abc"])
        #expect(seen.head.headers["content-type"] == ["application/x-www-form-urlencoded"])
        #expect(seen.head.headers["host"] == ["localhost:\(publisher.port)"])
    }

    // MARK: - what a certificate names

    @Test(
        .verifies("house@certificate-sources-guarded"),
        arguments: [
            ("http://crl.example/a.crl", true), ("https://crl.example/a.crl", true),
            ("http://crl.example:8080/a.crl", false), ("https://crl.example:8443/a.crl", false),
            ("http://crl.example:443/a.crl", false), ("https://crl.example:80/a.crl", false),
            ("http://near.example/a.crl", true), ("https://near.example/a.crl", true),
            ("http://near.example:8080/a.crl", true), ("https://near.example:8080/a.crl", true),
            ("http://near.example:8081/a.crl", false), ("http://near.example:443/a.crl", false),
            ("ldap://crl.example/cn=a", false),
            ("file:///etc/passwd", false),
        ])
    func `a certificate names addresses in clear too, on the usual ports or where the operator lists host and port`(
        _ url: String, _ isAllowed: Bool
    ) {
        let policy = EgressPolicy(privateHosts: ["near.example"], privatePorts: [8080])
        let route = FetchTarget(url).flatMap { try? policy.route(to: $0, trust: .certificate) }

        #expect((route != nil) == isAllowed)
        #expect((route == .anyAddress) == (isAllowed && url.contains("near.example")))
    }

    @Test(
        .verifies("house@certificate-sources-guarded"),
        arguments: [
            "http://127.0.0.1/a.crl", "http://169.254.169.254/latest", "http://localhost/a.crl",
            "http://10.0.0.1/a.crl",
            "http://[::1]/a.crl", "https://192.168.1.1/a.crl",
        ])
    func `a private address in a certificate is not connected to, not even this machine's own`(_ url: String) async {
        let fetch = GuardedFetch(policy: EgressPolicy(privateHosts: ["near.example"]))

        await #expect(throws: OutboundFailure.forbiddenAddress) {
            try await fetch.send(OutboundRequest(url, trust: .certificate))
        }
    }

    @Test(.verifies("house@certificate-sources-guarded"))
    func `through a proxy a certificate names hosts that are listed`() throws {
        let proxy = EgressPolicy.Proxy(host: "proxy", port: 3128, allowedHosts: ["crl.example"])
        let policy = EgressPolicy(privateHosts: ["near.example"], proxy: proxy)
        func route(_ url: String) throws -> EgressPolicy.Route {
            try policy.route(to: try #require(FetchTarget(url)), trust: .certificate)
        }

        #expect(try route("http://crl.example/a.crl") == .proxy(proxy))
        #expect(throws: OutboundFailure.hostNotListed) { try route("http://other.example/a.crl") }
        // A private host is near, proxy or not.
        #expect(try route("http://near.example/a.crl") == .anyAddress)
    }

    @Test func `a document of another type arrives as that, and what is wanted is asked for`() async throws {
        let publisher = try await TLSPublisher.start { request in .init(status: .ok, body: request.body) }
        defer { publisher.stop() }

        let answer = try await Self.near.send(
            OutboundRequest(
                publisher.url, trust: .configured, method: .post(Array("x".utf8), type: "application/ocsp-request"),
                headers: [.init("accept", "application/ocsp-response")]))

        #expect(answer.body == Array("x".utf8))
        let seen = try #require(publisher.seen.first)
        #expect(seen.head.headers["content-type"] == ["application/ocsp-request"])
        #expect(seen.head.headers["accept"] == ["application/ocsp-response"])
    }

    @Test(.verifies("house@egress-proxy"))
    func `through a proxy only listed hosts are asked, and none that is private`() throws {
        let proxy = EgressPolicy.Proxy(host: "proxy", port: 3128, allowedHosts: ["keys.example", "near.example"])
        let policy = EgressPolicy(privateHosts: ["near.example"], proxy: proxy)
        func route(_ url: String, _ trust: AddressTrust) throws -> EgressPolicy.Route {
            try policy.route(to: try #require(FetchTarget(url)), trust: trust)
        }

        #expect(try route("https://keys.example/x", .client) == .proxy(proxy))
        #expect(try route("https://keys.example:9/x", .configured) == .proxy(proxy))
        #expect(try route("http://near.example/x", .configured) == .anyAddress)
        #expect(throws: OutboundFailure.hostNotListed) { try route("https://sub.keys.example/x", .client) }
        #expect(throws: OutboundFailure.hostNotListed) { try route("https://other.example/x", .configured) }
        #expect(throws: OutboundFailure.forbiddenAddress) { try route("https://near.example/x", .client) }
        #expect(policy.remark?.contains("proxy:3128") == true)
        #expect(EgressPolicy().remark == nil)
    }

    @Test(.verifies("house@egress-proxy"))
    func `a proxy is asked for a tunnel, and the other party's certificate still counts`() async throws {
        let publisher = try await TLSPublisher.start { _ in .init(status: .ok, body: "through") }
        defer { publisher.stop() }
        let proxy = try await TunnelProxy.start(to: publisher.port)
        defer { proxy.stop() }
        let policy = EgressPolicy(
            proxy: .init(host: "127.0.0.1", port: proxy.port, allowedHosts: ["keys.example"]))
        let fetch = GuardedFetch(policy: policy, certificateAuthorityFile: TLSPublisher.authority)

        do {
            _ = try await fetch.send(OutboundRequest("https://keys.example/jwks", trust: .configured))
            Issue.record("the certificate is for another name")
        } catch {
            guard case .unreachable = error else {
                Issue.record("\(error)")
                return
            }
        }

        #expect(proxy.asked == ["CONNECT keys.example:443 HTTP/1.1"])
        #expect(publisher.seen.isEmpty)
    }

    @Test(.verifies("house@egress-proxy"))
    func `what is asked through a proxy arrives, and its answer comes back`() async throws {
        let publisher = try await TLSPublisher.start(as: "egress/test-egress-server") { request in
            .init(status: .ok, headers: [("cache-control", "max-age=7")], body: "through: \(request.body)")
        }
        defer { publisher.stop() }
        let proxy = try await TunnelProxy.start(to: publisher.port)
        defer { proxy.stop() }
        let policy = EgressPolicy(
            proxy: .init(host: "127.0.0.1", port: proxy.port, allowedHosts: ["keys.example"]))
        let fetch = GuardedFetch(
            policy: policy, certificateAuthorityFile: TLSPublisher.fixture("egress/test-egress-ca.pem"),
            // The name is the proxy's to look up, and only the proxy is asked for here.
            lookUp: { host, port in
                guard host == "127.0.0.1" else { throw Unexpected(host: host) }
                return try SocketAddress(ipAddress: host, port: port)
            })

        let answer = try await fetch.send(
            OutboundRequest(
                "https://keys.example/token?a=b", trust: .configured, method: .postForm("grant_type=x"),
                headers: [.init("authorization", "Basic abc")]))

        #expect(answer.status == 200)
        #expect(answer.body == Array("through: grant_type=x".utf8))
        #expect(answer.cacheControl == "max-age=7")
        #expect(proxy.asked == ["CONNECT keys.example:443 HTTP/1.1"])
        let seen = try #require(publisher.seen.first)
        #expect(seen.head.uri == "/token?a=b")
        #expect(seen.head.headers["host"] == ["keys.example"])
        #expect(seen.head.headers["authorization"] == ["Basic abc"])
    }

    @Test(
        .verifies("house@PROVIDER-DOCUMENT"),
        arguments: [
            "https://10.0.0.1/keys", "https://169.254.169.254/latest", "https://localhost/keys",
            "https://127.0.0.1:8081/admin/v1/keys",
        ])
    func `a discovery document reaches nothing private, even what is listed for the operator`(_ url: String) async {
        let provider = IdentityProvider(
            id: "plan", name: "Plan", issuer: "https://idp.example", clientID: "chaperone",
            authentication: .secretBasic(Secret("s")))
        let fetch = GuardedFetch(policy: EgressPolicy(privateHosts: ["10.0.0.1", "169.254.169.254", "localhost"]))

        await #expect(throws: OutboundFailure.self) {
            try await fetch.send(OutboundRequest(url, trust: provider.trust(in: url)))
        }
    }

    @Test(.verifies("house@PROVIDER-DOCUMENT"))
    func `a discovery document reaches the private origin of its issuer, and a host that is listed for it`()
        async throws
    {
        let publisher = try await TLSPublisher.start { _ in .init(status: .ok, body: "{}") }
        defer { publisher.stop() }
        let other = try await TLSPublisher.start { _ in .init(status: .ok, body: "{}") }
        defer { other.stop() }
        func provider(_ hosts: Set<String>) -> IdentityProvider {
            IdentityProvider(
                id: "plan", name: "Plan", issuer: "https://localhost:\(publisher.port)/realm", clientID: "chaperone",
                authentication: .secretBasic(Secret("s")), documentHosts: hosts)
        }
        func fetch(_ url: String, _ hosts: Set<String> = []) async throws -> Int {
            try await Self.near.send(OutboundRequest(url, trust: provider(hosts).trust(in: url))).status
        }

        #expect(try await fetch(publisher.url) == 200)
        await #expect(throws: OutboundFailure.self) { _ = try await fetch(other.url) }
        #expect(other.seen.isEmpty)
        #expect(try await fetch(other.url, ["localhost"]) == 200)
    }

    @Test(arguments: [
        ("a.example", "a.example", true), ("A.example", "a.EXAMPLE", true), ("a.example", "*.example", false),
        ("a.b.example", "*.b.example", true), ("a.b.example", "*.example", false), ("b.example", "*.b.example", false),
        (".b.example", "*.b.example", false), ("a.b.example", "a*.b.example", false),
        ("a.example", "a.example.", false),
        ("a.example", "", false), ("a.example", "*", false), ("localhost", "localhost", true),
    ]) func `a certificate is for the name that was asked for`(_ name: String, _ presented: String, _ isMet: Bool) {
        #expect(PeerNameHandler.isMet(name, by: presented) == isMet)
    }

    @Test(.verifies("oauth-attack@U-27"))
    func `a request prints without what it carries`() {
        let request = OutboundRequest(
            "https://idp.example/token?code=planted", trust: .configured, method: .postForm("client_secret=planted"),
            headers: [.init("authorization", "Basic planted")])
        var dumped = ""
        dump(request, to: &dumped)

        for text in ["\(request)", String(reflecting: request), dumped] {
            #expect(!text.contains("planted"), "\(text)")
        }
    }

    private static let near = GuardedFetch(
        policy: EgressPolicy(), certificateAuthorityFile: TLSPublisher.authority)

    private struct Unexpected: Error { let host: String }
}
