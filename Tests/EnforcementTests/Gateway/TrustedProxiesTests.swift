import Enforcement
import RequirementTraits
import Testing

/// Who is taken for the client behind proxies.
struct TrustedProxiesTests {
    private static func client(
        _ peer: String?, _ header: TrustedProxies.Header = .xForwardedFor, xff: [String] = [], forwarded: [String] = [],
        trusting networks: [String] = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
    ) throws -> String? {
        try #require(TrustedProxies(networks, header: header)).client(peer: peer) { name in
            name == "forwarded" ? forwarded : name == "x-forwarded-for" ? xff : []
        }
    }

    @Test(
        .verifies("house@PROXIES"),
        arguments: [
            // Nobody whom we trust: the header is the client's own invention.
            ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
            ("192.0.2.8", ["198.51.100.1"], "192.0.2.8"),
            ("11.0.0.1", ["198.51.100.1"], "11.0.0.1"),
            // One proxy, which appends.
            ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
            ("192.0.2.7", ["198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", ["10.9.9.9, 198.51.100.1"], "198.51.100.1"),
            // Two proxies.
            ("10.1.2.3", ["6.6.6.6, 198.51.100.1, 10.0.0.9"], "198.51.100.1"),
            ("10.1.2.3", ["198.51.100.1 , 192.0.2.7,10.0.0.9"], "198.51.100.1"),
            // Only proxies, nothing, or no addresses.
            ("10.1.2.3", ["10.0.0.9"], "10.0.0.9"),
            ("10.1.2.3", [], "10.1.2.3"),
            ("10.1.2.3", ["unknown"], "10.1.2.3"),
            ("10.1.2.3", ["198.51.100.1, unknown"], "10.1.2.3"),
            ("10.1.2.3", ["198.51.100.1, evil, 10.0.0.9"], "10.0.0.9"),
            ("10.1.2.3", ["198.51.100.1,"], "10.1.2.3"),
            ("10.1.2.3", ["198.51.100.1\r\nX: y"], "10.1.2.3"),
            // Spellings.
            ("::ffff:10.1.2.3", ["198.51.100.1:4711"], "198.51.100.1"),
            ("2001:db8::1", ["[2001:DB9::0:1]:80"], "2001:db9::1"),
            ("2001:db8::1", ["2001:db9::1"], "2001:db9::1"),
            ("10.1.2.3", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ] as [(String, [String], String)])
    func `the client is whom the last trusted proxy names`(peer: String, xff: [String], client: String) throws {
        #expect(try Self.client(peer, xff: xff) == client)
    }

    @Test(
        .verifies("house@PROXIES"),
        arguments: [
            ("10.1.2.3", ["for=198.51.100.1;proto=https;by=10.0.0.1"], "198.51.100.1"),
            ("10.1.2.3", ["for=6.6.6.6, For=\"[2001:db9::1]:4711\""], "2001:db9::1"),
            ("10.1.2.3", ["for=_hidden"], "10.1.2.3"), ("10.1.2.3", ["proto=https"], "10.1.2.3"),
            ("203.0.113.9", ["for=198.51.100.1"], "203.0.113.9"),
        ])
    func `the standard header is read alike`(peer: String, forwarded: [String], client: String) throws {
        #expect(try Self.client(peer, .forwarded, forwarded: forwarded) == client)
    }

    @Test(.verifies("house@PROXIES"))
    func `the header that is not configured means nothing`() throws {
        #expect(try Self.client("10.1.2.3", .xForwardedFor, forwarded: ["for=6.6.6.6"]) == "10.1.2.3")
        #expect(try Self.client("10.1.2.3", .forwarded, xff: ["6.6.6.6"]) == "10.1.2.3")
        #expect(TrustedProxies.none.client(peer: "10.1.2.3") { _ in ["6.6.6.6"] } == "10.1.2.3")
        #expect(try Self.client(nil, xff: ["6.6.6.6"]) == nil)
    }

    @Test(arguments: ["", "x", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0", "2001:db8::/129", "10.0.0.0/8/8"])
    func `what is no network is refused`(text: String) {
        #expect(TrustedProxies(["10.0.0.1", text], header: .forwarded) == nil)
        #expect(!TrustedProxies.isNetwork(text))
    }
}
